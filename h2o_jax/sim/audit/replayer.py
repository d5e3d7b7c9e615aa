"""A log put into a simulator, and how far the two are apart."""

from typing import NamedTuple

import mujoco
import numpy as np

from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim import models, replay_log, worlds
from h2o_jax.sim.audit import structure
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.replay_log import Prediction
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.sim.world import World
from h2o_jax.types import Transition, has_successor

OTHER = 1_000_000
"""Seeds from here on give other random numbers than a first replay's."""


class Replayer(NamedTuple):
    """The log, and how a simulator is put into its rows."""

    task: Task
    log: Transition
    inertia: Inertia = "modern"
    threads: int = 0

    def model(self) -> mujoco.MjModel:
        """The unmodified robot."""
        return models.compile_model(self.task, (), self.inertia)

    def predict(self, gaps: Gaps, first: Array, steps: int = 1) -> Prediction:
        """See `replay_log.replay`."""
        task, log, inertia, threads = self
        return replay_log.replay(task, gaps, log, first, steps, inertia, threads)

    def world(self, gaps: Gaps, n: int, seed: int = 0) -> World:
        """`n` environments of the same simulator."""
        seeds = range(seed, seed + n)
        return worlds.make(self.task, [gaps] * n, seeds, self.inertia, self.threads)

    def latency(self, gaps: Gaps) -> int:
        """Control steps that a command waits in a simulator."""
        return gaps_lib.interface(gaps, self.task.interface).latency


def normalised(
    log: Transition, first: Array, prediction: Prediction
) -> tuple[Array, Array]:
    """Errors `[m, O]` of the last step of each usable window, and which those are.

    The unit is the std of the log's change in them. A window is usable if its first
    state is known exactly, the physics hold and its successor was logged: where a log
    has no successors, a terminal row is its own.

    Args:
        log: rows `[N, ...]`.
        first: `[n]` first rows of the windows.
        prediction: for these windows.

    Returns:
        The errors, and `[n]` bool.
    """
    last = first + prediction.s_t.shape[1] - 1
    usable = holds(prediction) & has_successor(log)[last]
    s_t = np.asarray(log.s_t, np.float64)[last]
    errors = prediction.s_t[usable, -1] - s_t[usable]
    return errors / unit(log, first[usable], last[usable]), usable


def holds(prediction: Prediction, steps: int | None = None) -> Array:
    """`[n]` bool, whether the first state is known exactly and the physics hold.

    Args:
        prediction: of `n` windows.
        steps: of them that are looked at; None: all.
    """
    stable = ~prediction.unstable[:, :steps].any(axis=1)
    finite = np.isfinite(prediction.s_t[:, :steps]).all(axis=(1, 2))
    return np.asarray(prediction.exact & stable & finite)


def unit(log: Transition, first: Array, last: Array) -> Array:
    """Std of each observation's change from rows `first` to the ends of rows `last`.

    Returns:
        `[O]`; 1 where it is always the same.
    """
    s_tm1, s_t = (np.asarray(x, np.float64) for x in (log.s_tm1[first], log.s_t[last]))
    if not len(first):
        return np.ones(s_t.shape[1])
    std = (s_t - s_tm1).std(axis=0)
    return np.where(replay_log.moves(std, s_t), std, 1.0)


def typical(errors: Array) -> float:
    """Mean over rows of the root mean square over dimensions, capped at 1."""
    return (
        float(np.minimum(structure.of_rows(errors), 1.0).mean())
        if len(errors)
        else np.nan
    )
