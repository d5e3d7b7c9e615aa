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
    unstable: Array
    """`[n, h]` bool, the physics diverged; nothing after it means anything."""


def joined(log: Transition) -> Array:
    """`[N - 1]` bool, whether the next row goes on where a row ended.

    It does not at the end of an episode, where rows were dropped, nor in a log whose
    rows were shuffled.
    """
    same = (np.asarray(log.s_t[:-1]) == np.asarray(log.s_tm1[1:])).all(axis=1)
    return np.asarray(same & (np.asarray(log.discount_t[:-1]) > 0))


def moves(size: Array, values: Array) -> Array:
    """`[...]` bool, where changes of a size are more than what float32 rounds.

    Args:
        size: `[...]` such as the std of a change.
        values: `[n, ...]` what changes.
    """
    largest = np.abs(values).max(axis=0, initial=0.0)
    return size > 4 * np.spacing(np.asarray(largest, np.float32))


def starts(log: Transition, steps: int, before: int = 0) -> Array:
    """First rows `[n]` of all windows of `steps` rows that follow each other.

    Args:
        log: rows `[N, ...]` in the order in which they were recorded.
        steps: rows of a window.
        before: rows that lead up to it without a break, such as those whose actions
            still wait in the queue of a simulator with latency.
    """
    sequence = sequences(log)
    first = np.arange(before, len(sequence) - steps + 1)
    return first[sequence[first - before] == sequence[first + steps - 1]]


def sequences(log: Transition) -> Array:
    """Which unbroken sequence of rows a row belongs to, `[N]` from 0 on."""
    return np.append(0, np.cumsum(~joined(log)))


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
    size = max(1, min(_ROWS, len(first)))
    world = worlds.make(task, [gaps] * size, range(size), inertia, threads)
    return replay_in(world, log, first, steps)


def replay_in(
    world: World,
    log: Transition,
    first: Array,
    steps: int = 1,
    s_tm1: Array | None = None,
) -> Prediction:
    """`replay` in a world that exists, whose environments are all alike.

    Args:
        world: of as many environments as are stepped side by side.
        log: rows `[N, ...]` in the order in which they were recorded.
        first: `[n]` first rows of the windows.
        steps: rows `h` of a window.
        s_tm1: `[n, O]` observations that windows begin with, instead of the log's.
    """
    if not len(first):
        return _nothing(world.task.obs_dim, steps)
    begins = np.asarray(log.s_tm1)[first] if s_tm1 is None else s_tm1
    pieces = []
    for begin in range(0, len(first), world.n):
        chosen = np.arange(begin, min(begin + world.n, len(first)))
        # Some windows twice fill the batch; what they give is cut off again.
        padded = np.resize(chosen, world.n)
        piece = _windows(world, log, first[padded], steps, begins[padded])
        pieces.append(Prediction(*(x[: len(chosen)] for x in piece)))
    return Prediction(*(np.concatenate(x) for x in zip(*pieces, strict=True)))


def _nothing(obs_dim: int, steps: int) -> Prediction:
    """Of no window."""
    flags = np.zeros((0, steps), bool)
    s_t, r_t = np.zeros((0, steps, obs_dim)), np.zeros((0, steps))
    return Prediction(s_t, r_t, flags, np.zeros(0, bool), flags)


def _windows(
    world: World, log: Transition, first: Array, steps: int, begins: Array
) -> Prediction:
    exact = world.put(begins, _waiting(world, log, first))
    results = [world.step(np.asarray(log.a_tm1)[first + t]) for t in range(steps)]
    return Prediction(
        np.stack([x.s_t for x in results], axis=1),
        np.stack([x.reward for x in results], axis=1),
        np.stack([x.terminated for x in results], axis=1),
        exact,
        np.stack([x.unstable for x in results], axis=1),
    )


def _waiting(world: World, log: Transition, first: Array) -> Sequence[Array]:
    """Logged actions before each window that a simulator with latency still holds."""
    return [
        np.asarray(log.a_tm1)[np.maximum(first - ago, 0)]
        for ago in range(world.latency, 0, -1)
    ]
