"""What a residual learns from: logged steps beside what a simulator makes of them."""

from typing import NamedTuple

import numpy as np

from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import replay_log
from h2o_jax.sim.gaps import Gaps, interface
from h2o_jax.sim.models import Inertia, compile_model
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.types import Transition, has_successor

MIN_ROWS = 500
"""Fewest rows whose states can be set exactly."""
HELD_OUT = 0.1
"""Share of the rows, in whole episodes, that nothing is learned from."""
_ROUNDING = 1e-5
"""Share of a number, a hundred times what float32 rounds."""
_PIECE = 0.1
"""Longest part of a log, as a share of it, that is held out in one piece."""


class Rows(NamedTuple):
    """Logged steps beside simulated ones."""

    s_tm1: Array
    """`[N, O]`."""
    a_tm1: Array
    """`[N, A]`."""
    s_sim: Array
    """`[N, O]` what the simulator made of it."""
    target: Array
    """`[N, O + 1]` what the real system did otherwise, the reward last."""

    @property
    def inputs(self) -> Array:
        """`[N, D]` what the networks see of it."""
        return np.column_stack([self.s_tm1, self.a_tm1, self.s_sim - self.s_tm1])


def choose(
    task: Task, gaps: Gaps, dataset: Dataset, most: int, seed: int
) -> tuple[Array, int]:
    """Rows `[n]` to use, in order, and how many the log has that tell too little.

    A row's first state must be known exactly, so that the simulator can be put into
    it; so must its next one, as a clipped number does not tell what was missed. Where
    the simulator has latency, the commands that still wait must be rows of the same
    episode.

    Args:
        task: of the log.
        gaps: of the simulator.
        dataset: log of the real system.
        most: rows to use; of more, a sample.
        seed: of the sample.

    Raises:
        ConfigError: the task does not tell states from observations.
        DatasetError: too few can.
    """
    if task.pose is None:
        raise ConfigError(
            f"--simulator=residual: the simulator of {task.name} cannot be put into a "
            "logged state; choose as_is"
        )
    log = dataset.transition
    exact = _exact(task, log.s_tm1) & _exact(task, log.s_t)
    latency = interface(gaps, task.interface).latency
    rows = replay_log.starts(log, 1, latency)
    rows = rows[(exact & has_successor(log))[rows]]
    if len(rows) < MIN_ROWS:
        queue = f" and {latency} rows of their episode before them" if latency else ""
        raise DatasetError(
            f"{dataset.source}: {len(rows)} of its {len(log.r_t)} rows have states "
            f"that are known exactly{queue}; a residual needs {MIN_ROWS} at least"
        )
    rng = np.random.default_rng(seed)
    few = min(len(rows), most)
    chosen = np.sort(rng.permutation(rows)[:few])
    return chosen, int(np.sum(~exact))


def _exact(task: Task, s: Array) -> Array:
    """Whether observations `[N, O]` tell the state, `[N]`."""
    assert task.pose is not None
    exact: Array = task.pose(compile_model(task), np.asarray(s, float)).exact
    return exact


def split(log: Transition, rows: Array, seed: int) -> tuple[Array, Array]:
    """Rows to learn from and rows held out, which share no episode.

    An episode that is longer than a tenth of the log is cut into pieces.
    """
    sequence = replay_log.sequences(log)
    begins = np.flatnonzero(np.diff(sequence, prepend=-1))
    age = np.arange(len(sequence)) - begins[sequence]
    longest = max(1, int(_PIECE * len(sequence)))
    pieces = np.unique(
        np.stack([sequence, age // longest]), axis=1, return_inverse=True
    )
    piece = pieces[1].reshape(-1)[rows]
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(np.unique(piece))
    sizes = np.bincount(piece)[order]
    enough = np.searchsorted(np.cumsum(sizes), HELD_OUT * len(rows)) + 1
    held_out = np.isin(piece, order[:enough])
    return rows[~held_out], rows[held_out]


def replayed(
    task: Task,
    gaps: Gaps,
    log: Transition,
    inertia: Inertia,
    threads: int,
    first: Array,
) -> Rows:
    """The rows `first [n]` of a log beside what the simulator does in them.

    Rows in which it diverges, or in which its observation is clipped, are left out.
    """
    step = replay_log.replay(task, gaps, log, first, 1, inertia, threads)
    simulated = np.column_stack([step.s_t[:, 0], step.r_t[:, 0]])
    real = np.column_stack([log.s_t[first], log.r_t[first]]).astype(float)
    kept = np.isfinite(simulated).all(axis=1) & ~step.unstable[:, 0]
    kept[kept] = _exact(task, step.s_t[kept, 0])
    rows = Rows(log.s_tm1[first], log.a_tm1[first], step.s_t[:, 0], real - simulated)
    return Rows(*(np.asarray(x[kept], float) for x in rows))


def change(log: Transition) -> Array:
    """Rms one-step change of the observations, and the rewards' std; `[O + 1]`.

    For a constant `_ROUNDING` of it, so that what float32 rounds is small.
    """
    size = np.append(rms(np.asarray(log.s_t - log.s_tm1, float)), np.std(log.r_t))
    values = np.column_stack([log.s_t, log.r_t])
    still = _ROUNDING * np.abs(values).max(axis=0)
    return np.maximum(np.where(replay_log.moves(size, values), size, still), 1e-9)


def rms(x: Array) -> Array:
    """Root mean square of `[N, D]` over rows, `[D]`."""
    return np.sqrt(np.mean(np.square(x), axis=0))
