"""A log replayed through a simulator: what would it have done in the same states?

Each logged row puts the simulator into its state and gives it the logged action; what
comes out stands beside what the real system did. Windows of several rows go on from
there with the logged actions, so that small errors have time to grow.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from h2o_jax.sim import worlds
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.sim.world import World
from h2o_jax.types import Transition

_ROWS = 4096
"""Rows that are replayed side by side."""


class Prediction(NamedTuple):
    """What a simulator does in `n` windows of `h` logged actions (float64)."""

    s_t: Array
    """`[n, h, O]` observations after each action."""
    r_t: Array
    """`[n, h]` rewards."""
    terminated: Array
    """`[n, h]` bool; a window goes on after it, but means nothing."""
    exact: Array
    """`[n]` bool, whether the first state is known exactly; see `Task.pose`."""


def starts(log: Transition, steps: int) -> Array:
    """First rows `[n]` of all windows of `steps` rows that follow each other.

    Args:
        log: rows `[N, ...]` in the order in which they were recorded.
        steps: rows of a window.
    """
    sequence = sequences(log)
    first = np.arange(len(sequence) - steps + 1)
    return first[sequence[first] == sequence[first + steps - 1]]


def sequences(log: Transition) -> Array:
    """The sequence `[N]` that each row belongs to: rows that follow each other."""
    joined = (np.asarray(log.s_t[:-1]) == np.asarray(log.s_tm1[1:])).all(axis=1)
    joined &= np.asarray(log.discount_t[:-1]) > 0
    return np.append(0, np.cumsum(~joined))


def replay(
    task: Task,
    gaps: Gaps,
    log: Transition,
    first: Array,
    steps: int = 1,
    inertia: Inertia = "modern",
    threads: int = 0,
) -> Prediction:
    """What a simulator with these gaps does from logged states under logged actions.

    Args:
        task: of the log.
        gaps: of the simulator.
        log: rows `[N, ...]` in the order in which they were recorded.
        first: `[n]` first rows of the windows; see `starts`.
        steps: rows `h` of a window.
        inertia: see `models.compile_model`.
        threads: threads of the physics; 0 for one per core.

    Raises:
        ConfigError: the task does not tell states from observations.
    """
    size = min(_ROWS, len(first))
    world = worlds.make(task, [gaps] * size, range(size), inertia, threads)
    return replay_in(world, log, first, steps)


def replay_in(
    world: World, log: Transition, first: Array, steps: int = 1
) -> Prediction:
    """`replay` in a world that exists, whose environments are all alike."""
    pieces = []
    for begin in range(0, len(first), world.n):
        rows = first[begin : begin + world.n]
        # The last rows fill the batch; what they give is cut off again.
        padded = np.append(rows, np.repeat(rows[-1], world.n - len(rows)))
        piece = _windows(world, log, padded, steps)
        pieces.append(Prediction(*(x[: len(rows)] for x in piece)))
    return Prediction(*(np.concatenate(x) for x in zip(*pieces, strict=True)))


def _windows(world: World, log: Transition, first: Array, steps: int) -> Prediction:
    exact = world.put(np.asarray(log.s_tm1)[first], _waiting(world, log, first))
    results = [world.step(np.asarray(log.a_tm1)[first + t]) for t in range(steps)]
    return Prediction(
        np.stack([x.s_t for x in results], axis=1),
        np.stack([x.reward for x in results], axis=1),
        np.stack([x.terminated for x in results], axis=1),
        exact,
    )


def _waiting(world: World, log: Transition, first: Array) -> Sequence[Array]:
    """Logged actions before each window that a simulator with latency still holds."""
    return [
        np.asarray(log.a_tm1)[np.maximum(first - ago, 0)]
        for ago in range(world.latency, 0, -1)
    ]
