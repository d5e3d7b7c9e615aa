"""Errors that a user can mend: each message names the input, the finding and the fix.

The library raises these and never exits; `experiments` turns each into one line on
standard error and the exit code kept beside it.
"""

import difflib
from collections.abc import Iterable


class H2OError(Exception):
    """Base of all errors below; `exit_code` is what a command ends with."""

    exit_code = 1


class ConfigError(H2OError, ValueError):
    """A flag or setting is unknown, out of range, or contradicts another."""

    exit_code = 2


class DatasetError(H2OError, ValueError):
    """A log of transitions cannot be used."""

    exit_code = 3


class CheckpointError(H2OError, RuntimeError):
    """A checkpoint is missing, damaged, or belongs to another run."""

    exit_code = 4


class DivergenceError(H2OError, ArithmeticError):
    """Numbers or physics left the finite range."""

    exit_code = 5


class MemoryLimitError(H2OError, MemoryError):
    """The runs do not fit in memory."""

    exit_code = 6


class StoppedError(H2OError):
    """A signal stopped the run; what was done is saved."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code


class HostError(H2OError):
    """Another host of the program is gone, and its own error says why."""


class JobError(H2OError):
    """A job of several failed; its log says why."""


class ExportError(H2OError):
    """What was written for a robot does not do what the run's policy does."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """The question "did you mean X?" where a choice is spelled much like a name."""
    found = difflib.get_close_matches(name, list(choices), n=1)
    return f"did you mean {found[0]}? " if found else ""
