"""Experience from simulators: rows to learn from, and returns to report."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from h2o_jax.sim.environments import Environments
from h2o_jax.sim.world import World
from h2o_jax.types import Transition

Array = np.ndarray
_ATTEMPTS = 20
"""How often a row whose physics diverged is tried again."""


class Episodes(NamedTuple):
    """Episodes in the order in which they ended."""

    environment: Array
    """`[e]` which environment it was."""
    returns: Array
    """`[e]` float64 sum of rewards."""
    length: Array
    """`[e]` control steps."""


class Rollout(NamedTuple):
    """The result of `collect`."""

    transitions: Transition
    """Float32, `[n, steps, ...]`; axis 0 is the environment."""
    episodes: Episodes
    """Those that ended during the call."""


class Evaluation(NamedTuple):
    """The result of `evaluate`."""

    returns: Array
    """`[P, E]` float64, per policy and episode."""
    lengths: Array
    """`[P, E]` control steps."""
    seconds: Array
    """`[P, E]` float64, simulated time."""
    fell: Array
    """`[P, E]` whether the episode ended before the time limit."""


class Trace(NamedTuple):
    """The result of `trace`: `[P, E, T, ...]` float64, NaN once an episode ended.

    Row t is what held when action t was chosen; an episode's last row has none.
    """

    time: Array
    """`[P, E, T]` simulated seconds since the reset."""
    qpos: Array
    """`[P, E, T, nq]` true positions."""
    qvel: Array
    """`[P, E, T, nv]` true velocities."""
    observations: Array
    """`[P, E, T, O]` what the policy saw."""
    actions: Array
    """`[P, E, T, A]`."""
    evaluation: Evaluation
    """The scores of the same episodes."""


def collect(
    world: Environments, act: Callable[[Array, int], Array], steps: int
) -> Rollout:
    """Steps every environment `steps` times and keeps each transition.

    Episodes go on from where the last call left them. One that reaches a terminal
    state or the time limit starts anew; only the former stores `discount_t = 0`, and
    both store the true successor, not the new episode's first observation. One whose
    corrected simulator went astray is cut as at the time limit. Where the physics
    diverges the episode is dropped and the row is taken from the next one; where it
    does so again and again, from states just reset, the row stays where it is.

    Args:
        world: `n` environments.
        act: `(observations [n, O] float32, t) -> actions [n, A]`, t in 0..steps-1; a
            row that is taken again passes the same t.
        steps: rows per environment.

    Raises:
        DivergenceError: an action is not finite.
    """
    task, n = world.task, world.n
    # Time first, so that a step fills contiguous memory.
    s_tm1, s_t = np.empty((2, steps, n, task.obs_dim), np.float32)
    a_tm1 = np.empty((steps, n, task.action_dim), np.float32)
    r_t, discount_t = np.empty((2, steps, n), np.float32)
    ended: list[tuple[Array, Array, Array]] = []
    columns = s_tm1, a_tm1, r_t, discount_t, s_t
    for t, row in enumerate(itertools.starmap(Transition, zip(*columns, strict=True))):
        _collect_row(world, act, t, row)
        over = (row.discount_t == 0) | (world.age >= task.horizon) | world.astray
        if np.count_nonzero(over):
            ids = np.flatnonzero(over)
            ended.append((ids, world.returns[ids], world.age[ids]))
            world.reset(ids)
    return Rollout(Transition(*map(_environment_first, columns)), _episodes(ended))


def evaluate(
    world: Environments,
    act: Callable[[Array], Array],
    episodes: int,
    seed: int,
    watch: Callable[[Array, Array], None] | None = None,
) -> Evaluation:
    """Runs every policy for some whole episodes, all at once.

    Episode `e` starts as Gymnasium's `env.reset(seed=seed + e)` for every policy and
    at every call, so that differences in returns are the policies'. An episode whose
    physics diverges, or whose corrected simulator goes astray, ends there.

    Args:
        world: `P * E` environments, those of one policy next to each other.
        act: deterministic, `observations [P, E, O] float32 -> actions [P, E, A]`. It
            is asked about ended episodes too, so that the shape never changes.
        episodes: `E`, per policy.
        seed: of the first episode.
        watch: called as `(alive [k], actions [k, A])` before each step of the
            environments `alive`.

    Raises:
        DivergenceError: an action is not finite.
    """
    if world.n % episodes:
        raise ValueError(f"{world.n} environments are no multiple of {episodes}")
    shape = (world.n // episodes, episodes)
    world.reset(seeds=[seed + e for _ in range(shape[0]) for e in range(episodes)])
    alive, fell = np.arange(world.n), np.zeros(world.n, bool)
    while len(alive):
        observations = world.observations.astype(np.float32)
        actions = np.asarray(act(observations.reshape(*shape, -1)))
        actions = actions.reshape(world.n, -1)[alive]
        if watch is not None:
            watch(alive, actions)
        step = world.step(actions, alive)
        fell[alive] = step.terminated | step.unstable | world.astray[alive]
        alive = alive[~(fell[alive] | _time_is_up(world, alive))]
    totals = (world.returns.copy(), world.age.copy(), world.time, fell)
    return Evaluation(*(x.reshape(shape) for x in totals))


def trace(
    world: World, act: Callable[[Array], Array], episodes: int, seed: int
) -> Trace:
    """Runs the episodes of `evaluate` and keeps the true motion, to draw or to score.

    Args:
        world: `P * E` environments, those of one policy next to each other.
        act: as for `evaluate`.
        episodes: `E`, per policy.
        seed: of the first episode.

    Raises:
        DivergenceError: an action is not finite.
    """
    rows: list[tuple[Array, ...]] = []

    def watch(alive: Array, actions: Array) -> None:
        rows.append(_snapshot(world, alive, actions))

    evaluation = evaluate(world, act, episodes, seed, watch)
    rows.append(_snapshot(world, np.zeros(0, int), np.nan))
    columns = [np.stack(column, axis=1) for column in zip(*rows, strict=True)]
    # Ended environments are not stepped, so the world still holds their last state.
    every = np.arange(world.n)
    end = _snapshot(world, every, np.nan)
    for column, last in zip(columns, end, strict=True):
        column[every, world.age] = last
    shape = (*evaluation.lengths.shape, len(rows))
    time, qpos, qvel, observations, actions = (
        column.reshape(*shape, *column.shape[2:]) for column in columns
    )
    return Trace(time, qpos, qvel, observations, actions, evaluation)


def _time_is_up(world: Environments, ids: Array) -> Array:
    """Whether the evaluation of `ids [k]` has run for as long as it may."""
    seconds = world.task.evaluation_seconds
    if seconds is None:
        return world.age[ids] >= world.task.horizon
    # Half a physics step of tolerance, as time is a sum of many rounded steps.
    return world.time[ids] > seconds - world.task.timestep / 2


def _snapshot(world: World, ids: Array, actions: Array | float) -> tuple[Array, ...]:
    """A row of a trace, `[n, ...]` each, NaN for all but `ids`."""
    chosen = np.full((world.n, world.task.action_dim), np.nan)
    chosen[ids] = actions
    others = np.ones(world.n, bool)
    others[ids] = False
    seen = world.observations.copy()
    row = (world.time, world.qpos, world.qvel, seen, chosen)
    for field in row:
        field[others] = np.nan
    return row


def _collect_row(
    world: Environments, act: Callable[[Array, int], Array], t: int, row: Transition
) -> None:
    """Steps every environment once and writes the transitions `[n, ...]` into `row`."""
    row.s_tm1[:] = world.observations
    row.a_tm1[:] = act(row.s_tm1, t)
    step = world.step(row.a_tm1)
    row.s_t[:] = step.s_t
    row.r_t[:] = step.reward
    row.discount_t[:] = ~step.terminated
    if np.count_nonzero(step.unstable):
        _collect_again(world, act, t, row, np.flatnonzero(step.unstable))


def _collect_again(
    world: Environments,
    act: Callable[[Array, int], Array],
    t: int,
    row: Transition,
    ids: Array,
) -> None:
    """Takes the rows of diverged environments `ids` from fresh episodes instead."""
    for _ in range(_ATTEMPTS):
        world.reset(ids)
        row.s_tm1[ids] = world.observations[ids]
        row.a_tm1[ids] = np.asarray(act(row.s_tm1, t))[ids]
        step = world.step(row.a_tm1[ids], ids)
        row.s_t[ids] = step.s_t
        row.r_t[ids] = step.reward
        row.discount_t[ids] = ~step.terminated
        ids = ids[step.unstable]
        if not len(ids):
            return
    # Others learn on; `unstable_episodes` tells what became of this one.
    world.reset(ids)
    row.s_t[ids], row.r_t[ids], row.discount_t[ids] = row.s_tm1[ids], 0.0, 1.0


def _environment_first(rows: Array) -> Array:
    return np.ascontiguousarray(rows.swapaxes(0, 1))


def _episodes(ended: list[tuple[Array, Array, Array]]) -> Episodes:
    if not ended:
        return Episodes(np.zeros(0, int), np.zeros(0), np.zeros(0, int))
    return Episodes(*(np.concatenate(column) for column in zip(*ended, strict=True)))
