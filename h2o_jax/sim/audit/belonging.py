"""Whether a log is of its task, or of another with as many numbers."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from h2o_jax.sim import replay_log, tasks
from h2o_jax.sim.audit import rules, structure
from h2o_jax.sim.audit.replayer import Replayer, normalised, typical
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.tasks.task import Array, Task

BETTER = 0.7
"""Another reading of the log is reported if it leaves less than this of the error."""
ROWS = 300
"""Rows that tell another robot's log."""
_FEWEST = 30


class Other(NamedTuple):
    """A task that fits a log better than its own, with typical one-step errors."""

    task: str
    error: float
    own: float

    def __str__(self) -> str:
        return (
            f"the log fits the task {self.task} better ({self.error:.3f} against "
            f"{self.own:.3f} after one step): give that --task"
        )


def foreign(replayer: Replayer, gaps: Gaps = ()) -> Other | None:
    """The task that a log is of, where its own simulator says nothing of it.

    Replays few rows for one step; takes well below a second beside compiling models.

    Args:
        replayer: of the log.
        gaps: of the real system.

    Returns:
        None where the task's simulator fits, where no other task fits better, and
        where the task does not tell states from observations.
    """
    task, log = replayer.task, replayer.log
    if task.pose is None:
        return None
    first = replay_log.starts(log, 1, replayer.latency(gaps))
    exact = task.pose(replayer.model(), np.asarray(log.s_tm1, np.float64)[first]).exact
    first = structure.spread(first[exact], ROWS)
    if len(first) < _FEWEST:
        return None
    own = _error(replayer, gaps, first)
    return better(replayer, own, first) if own >= rules.FOREIGN else None


def better(replayer: Replayer, own: float, rows: Array) -> Other | None:
    """Another task, as wide, that fits rows of a log much better.

    Args:
        replayer: of the log.
        own: typical one-step error of the best simulator of its task.
        rows: that are replayed.
    """
    found = {
        task.name: _error(replayer._replace(task=task), (), rows)
        for task in _as_wide(replayer.task)
    }
    found = {name: x for name, x in found.items() if x < BETTER * own}
    if not found:
        return None
    best = min(found, key=lambda name: found[name])
    return Other(best, found[best], own)


def _error(replayer: Replayer, gaps: Gaps, rows: Array) -> float:
    """Typical one-step error of a simulator; nan where no row can be set."""
    prediction = replayer.predict(gaps, rows)
    return typical(normalised(replayer.log, rows, prediction)[0])


def _as_wide(task: Task) -> Iterable[Task]:
    widths = task.obs_dim, task.action_dim
    for other in tasks.TASKS.values():
        same = (other.obs_dim, other.action_dim) == widths and other.name != task.name
        if same and other.pose is not None:
            yield other
