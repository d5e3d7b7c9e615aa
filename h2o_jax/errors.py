"""Errors that a user can mend: each message names the input, the finding and the fix.

The library raises these and never exits; `experiments` turns each into one line on
standard error and the exit code kept beside it.
"""

import difflib
import errno
import os
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


class DiskError(H2OError):
    """A disk, a quota or the limit of a file is full."""

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


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: BaseException) -> bool:
    """Whether a write ended for want of space, whichever library says so."""
    said = str(error)  # HDF5's and tensorstore's errors say no number
    by_number = getattr(error, "errno", None) in _FULL
    return by_number or any(os.strerror(code) in said for code in _FULL)


def refused(error: OSError, place: object = "") -> H2OError:
    """What the file system refused, as an error for the user.

    Args:
        error: what it said.
        place: what was to be read or written; empty: the file that the error names.
    """
    place = place or error.filename or "a file or standard output"
    reason = error.strerror or error
    if is_full(error):
        return DiskError(f"{place}: {reason}; free space, or give another place")
    return ConfigError(f"{place}: {reason}; check the path")


def check_choice(what: str, name: str, choices: Iterable[str], more: str = "") -> None:
    """Refuses a name that is none of the choices.

    Args:
        what: kind of thing that is chosen, such as `task`, for the message.
        name: what was given.
        choices: all names.
        more: how else it may be given, for the message.

    Raises:
        ConfigError: it says the nearest choice, and lists all.
    """
    choices = list(choices)
    if name not in choices:
        meant = nearest(str(name), choices)
        raise ConfigError(
            f"{what} {name!r} is unknown; {meant}choose from {', '.join(choices)}{more}"
        )


def nearest(name: str, choices: Iterable[str]) -> str:
    """The question "did you mean X?" where a choice is spelled much like a name."""
    found = difflib.get_close_matches(name, list(choices), n=1)
    return f"did you mean {found[0]}? " if found else ""
