"""What one number of an observation or an action is: name, unit, limits."""

from collections.abc import Sequence
from typing import NamedTuple

from h2o_jax.errors import ConfigError


class Signal(NamedTuple):
    """One number of an observation or an action."""

    name: str
    unit: str = ""
    """Such as `rad` or `N m`; empty where nobody has said it."""
    low: float | None = None
    high: float | None = None


def check(kind: str, signals: Sequence[Signal], count: int) -> None:
    """Refuses a description that is not of a task.

    Args:
        kind: `observations` or `actions`, for the error.
        signals: what is described.
        count: the numbers that the task has.

    Raises:
        ConfigError: there are more or fewer.
    """
    if len(signals) != count:
        raise ConfigError(
            f"{len(signals)} {kind} are described, the task has {count}; list them all"
        )
