"""Which windows of a log a simulator is fitted to, and on which it is judged."""

from typing import NamedTuple

import mujoco
import numpy as np

from h2o_jax.errors import DatasetError
from h2o_jax.sim import replay_log
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.types import Transition

LEAST = 200
"""Fewest windows of one step that a fit makes sense with: 20 blocks of 10."""


class Windows(NamedTuple):
    """Windows of a log, in the order of their rows."""

    log: Transition
    first: Array
    """`[n]` first rows."""
    steps: int

    @property
    def start(self) -> Array:
        """`[n, O]` observations that windows begin with."""
        return np.asarray(self.log.s_tm1, np.float64)[self.first]

    @property
    def logged(self) -> Array:
        """`[n, h, O]` observations after each step."""
        rows = self.first[:, None] + np.arange(self.steps)
        return np.asarray(self.log.s_t, np.float64)[rows]


class Rows(NamedTuple):
    """The rows of a log, sorted by what they are good for."""

    log: Transition
    usable: Array
    """`[N]` bool: both states are known exactly, and the row ends no episode."""
    held_out: Array
    """`[N]` bool: no fit sees it."""
    age: Array
    """`[N]` rows since the sequence began."""
    episodes: tuple[int, int]
    """Sequences with rows to fit, and with rows held out."""

    def pick(
        self, count: int, steps: int, seed: int, held_out: bool = False, lead: int = 0
    ) -> Windows:
        """At most `count` windows at random.

        Args:
            count: windows.
            steps: rows of each.
            seed: of the choice.
            held_out: whether from the held-out episodes.
            lead: rows of the same sequence that must lie before a window.
        """
        good = np.append(0, np.cumsum(self.usable & (self.held_out == held_out)))
        first = replay_log.starts(self.log, steps)
        first = first[good[first + steps] - good[first] == steps]
        first = first[self.age[first] >= lead]
        if len(first) > count:
            rng = np.random.default_rng(seed)
            first = np.sort(rng.choice(first, count, replace=False))
        return Windows(self.log, first, steps)


def sort(
    task: Task, model: mujoco.MjModel, log: Transition, share: float, seed: int
) -> Rows:
    """Sorts the rows of a log; whole episodes are held out.

    Args:
        task: of the log.
        model: compiled; tells states from observations.
        log: rows in the order in which they were recorded.
        share: of the episodes to hold out. Where whole ones have less than half of that
            share of the rows, or more than twice, the log's last rows are held out.
        seed: of the choice.

    Raises:
        DatasetError: fewer than `LEAST` rows are usable.
    """
    assert task.pose is not None
    exact = task.pose(model, np.asarray(log.s_tm1, np.float64)).exact
    exact &= task.pose(model, np.asarray(log.s_t, np.float64)).exact
    usable = exact & (np.asarray(log.discount_t) > 0)
    sequence = replay_log.sequences(log)
    count = sequence[-1] + 1
    row = np.arange(len(sequence))
    age = row - np.searchsorted(sequence, sequence)
    chosen = np.random.default_rng(seed).permutation(count)
    held_out = np.isin(sequence, chosen[: max(1, round(share * count))])
    # Of a few long sequences, such as one with a missing row, one is far too much or
    # too little.
    most = min(2 * share, (1 + share) / 2)
    if not 0.5 * share <= held_out.mean() <= most:
        held_out = row >= (1 - share) * len(row)
    kept = len(np.unique(sequence[~held_out])), len(np.unique(sequence[held_out]))
    left = int(np.sum(usable & ~held_out))
    if left < LEAST or not np.any(usable & held_out):
        raise DatasetError(
            f"the log has {len(row)} rows, of which {left} can be fitted and "
            f"{np.sum(usable & held_out)} held out (states known exactly, no ends of "
            f"episodes); at least {LEAST} and 1 are needed: give a longer log"
        )
    return Rows(log, usable, held_out, age, kept)


def error(chosen: Windows, predicted: Array) -> float:
    """Root mean square error of the last step in std of the log's change till then."""
    logged = chosen.logged[:, -1]
    spread = (logged - chosen.start).std(axis=0)
    moving = replay_log.moves(spread, logged)
    wrong = (predicted[:, -1] - logged)[:, moving] / spread[moving]
    return float(np.sqrt(np.square(wrong).mean()))
