"""The real system: a gap of the task's own model, another task, or none at hand.

`none` and `friction:0.5` are the task's model with gaps, `FILE.py:NAME` is a second
model of it, and `unknown` says that there is no environment of the real system:
nothing that is measured may then be called a real return.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim import tasks
from h2o_jax.sim.gaps import Gaps, GapSetting
from h2o_jax.sim.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class SystemSetting(GapSetting):
    """Another system in place of a task's own, as the only one of its gaps."""

    place: str = ""
    """What `tasks.get` finds it by; empty where nobody has it."""

    def __str__(self) -> str:
        return self.name


UNKNOWN: Gaps = (SystemSetting("unknown", 1.0),)
"""No environment of the real system."""


class System(NamedTuple):
    """An environment of the real system."""

    task: Task
    gaps: Gaps
    place: str
    """What `tasks.get` finds the task by."""


def parse(text: str, place: str) -> Gaps:
    """Reads `--real`.

    Args:
        text: gaps, `FILE.py:NAME` or `unknown`.
        place: of the task that simulators run; see `tasks.get`.

    Raises:
        ConfigError: a gap that the robot does not have, or another robot.
    """
    if text.strip() == "unknown":
        return UNKNOWN
    task = tasks.get(place)
    if not tasks.is_place(text):
        return gaps_lib.parse(text, task.robot)
    other = tasks.get(text)
    for name in ("obs_dim", "action_dim"):
        ours, theirs = getattr(task, name), getattr(other, name)
        if ours != theirs:
            raise ConfigError(
                f"--real={text}: {name} is {theirs}, that of --task={place} is "
                f"{ours}; both must see and do the same"
            )
    if abs(task.dt - other.dt) > 1e-9:  # never, where one is not known
        raise ConfigError(
            f"--real={text}: a control step takes {other.dt:g} s, that of "
            f"--task={place} {task.dt:g} s; mend frame_skip"
        )
    return (SystemSetting(other.name, 1.0, text),)


def known(gaps: Sequence[GapSetting]) -> bool:
    """Whether there is an environment of a real system with these gaps."""
    return tuple(gaps) != UNKNOWN


def of(place: str, gaps: Gaps) -> System:
    """The environment of the real system; there must be one.

    Args:
        place: of the task that simulators run.
        gaps: from `parse`.
    """
    if gaps and isinstance(gaps[0], SystemSetting):
        return System(tasks.get(gaps[0].place), (), gaps[0].place)
    return System(tasks.get(place), gaps, place)
