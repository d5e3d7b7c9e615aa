"""Whether noise accounts for what a simulator gets wrong."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from h2o_jax.sim import replay_log
from h2o_jax.sim.audit import structure
from h2o_jax.sim.audit.replayer import OTHER, Replayer, holds, typical, unit
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.world import World
from h2o_jax.types import Transition, has_successor

_PAIRS, _FEWEST = 2000, 100
"""Pairs of rows that noise is measured on, and fewer than which tell none."""
_ROUNDS = 3
"""Of finding the sensors' noise that makes errors of a given size."""
_NORMAL = 1.4826
"""Std of a normal distribution over its median absolute value."""
_TOLD = 0.3
"""How far the ratio by sensors alone must be from 2 to tell them from the motion."""
_SLACK = 1.1
"""Factor by which what noise explains may be underestimated."""


class Noise(NamedTuple):
    """Noise of a log, in units of the observations."""

    sensors: Array
    """`[O]` std of what is read, anew in each row."""
    motion: Array
    """`[m, O]` a sample of what the system does besides, and goes on from: rare and
    large, where it stalls or is pushed."""


class _Simulator(NamedTuple):
    """A right simulator and the system itself, if they differ by noise alone."""

    world: World
    log: Transition
    rng: np.random.Generator

    def step(self, rows: Array, s_tm1: Array, steps: int = 1) -> tuple[Array, Array]:
        """`[n, steps, O]` from observations under logged actions; `[n]` that hold."""
        found = replay_log.replay_in(self.world, self.log, rows, steps, s_tm1)
        return found.s_t, holds(found)

    def drawn(self, sample: Array) -> Array:
        """`[n, O]` of a sample `[m, O]`, for each environment."""
        return sample[self.rng.integers(len(sample), size=self.world.n)]

    def noisy(self, s: Array, std: Array) -> Array:
        """Observations `[n, O]` with normal noise."""
        return s + std * self.rng.standard_normal(s.shape)


def measure(replayer: Replayer, gaps: Gaps) -> Noise | None:
    r"""Noise of a log, if a simulator is right but for it.

    What it gets wrong in a row shares the sensors' noise with the next row:

    .. math:: e_t = f(s_t + n_t) - (s_{t+1} + n_{t+1}) - p_t

    Noise of the motion leaves errors independent, so that the variance of a sum of two
    is twice that of one. Sensors alone that make errors as large as those of the log
    are simulated, and make that sum smaller; the log lies between the two. Variances
    are by medians, as contacts make outliers.

    Args:
        replayer: of the log.
        gaps: of the simulator.

    Returns:
        None where too few rows follow each other.
    """
    log, latency = replayer.log, replayer.latency(gaps)
    first = structure.spread(replay_log.starts(log, 2, latency), _PAIRS)
    first = first[has_successor(log)[first + 1]]
    guess = [replayer.predict(gaps, first + i) for i in range(2)]
    used = holds(guess[0]) & holds(guess[1])
    if used.sum() < _FEWEST:
        return None
    first, after = first[used], [x.s_t[used, 0] for x in guess]
    s_t = np.asarray(log.s_t, np.float64)
    errors = [x - s_t[first + i] for i, x in enumerate(after)]
    size, ratio = _sums(errors)
    world = replayer.world(gaps, len(first), OTHER)
    simulator = _Simulator(world, log, np.random.default_rng(0))
    std, by_sensors = _sensors(simulator, first, after[0], size)
    told = np.abs(2 - by_sensors) > _TOLD
    share = np.ones(len(size))
    share[told] = np.clip((2 - ratio[told]) / (2 - by_sensors[told]), 0, 1)
    if told.any():
        share[~told] = share[told].mean()
    return Noise(std * np.sqrt(share), np.concatenate(errors) * np.sqrt(1 - share))


def _sensors(
    simulator: _Simulator, first: Array, s_1: Array, size: Array
) -> tuple[Array, Array]:
    """Noise of sensors alone that makes errors of std `size`; the ratio of its sums.

    Args:
        simulator: whose states are the truth.
        first: `[n]` rows that begin pairs.
        s_1: `[n, O]` states after these rows.
        size: `[O]` std of errors of one step.

    Returns:
        `[O]` stds, and `[O]` the variance of sums of two errors over that of one: 2,
        which tells nothing, where this noise makes the physics diverge.
    """
    s_0 = np.asarray(simulator.log.s_tm1, np.float64)[first]
    s_2, held = simulator.step(first + 1, s_1)
    std, ratio = size / np.sqrt(2), np.full(len(size), 2.0)
    for _ in range(_ROUNDS):
        read = [simulator.noisy(s, std) for s in (s_0, s_1, s_2[:, 0])]
        guess, hold = zip(
            *(simulator.step(first + i, read[i]) for i in range(2)), strict=True
        )
        used = held & hold[0] & hold[1]
        if used.sum() < _FEWEST:
            break
        errors = [(guess[i][:, 0] - read[i + 1])[used] for i in range(2)]
        made, ratio = _sums(errors)
        std = std * size / np.maximum(made, 1e-300)
    return std, ratio


def _sums(errors: list[Array]) -> tuple[Array, Array]:
    """`[O]` std of neighbouring errors `[n, O]`; variance of their sums over theirs."""
    one = np.median(np.square(errors), axis=(0, 1))
    two = np.median(np.square(errors[0] + errors[1]), axis=0)
    return _NORMAL * np.sqrt(one), two / np.maximum(one, 1e-300)


def beyond(
    replayer: Replayer,
    gaps: Gaps,
    noise: Noise,
    first: Array,
    horizons: Collection[int],
) -> float:
    r"""Typical error after several steps that noise does not explain.

    A right simulator `f` begins where the sensors say, while the system goes its way,
    and sensors read where that ends:

    .. math:: e_k = f_k(s_0 + n_0) - (s_k + n_k), \qquad s_{i+1} = f(s_i) + p_i

    Noise fades beside the longer change of more steps, unless the dynamics themselves
    let it grow; what a wrong simulator gets wrong adds up.

    Args:
        replayer: of the log.
        gaps: of the simulator.
        noise: of the log.
        first: `[n]` first rows of windows as long as the longest horizon.
        horizons: after how many steps.

    Returns:
        The largest of all horizons, in units of the log's change over as many steps; 0
        where noise explains all.
    """
    log, longest = replayer.log, max(horizons)
    world = replayer.world(gaps, len(first), OTHER)
    simulator = _Simulator(world, log, np.random.default_rng(0))
    once = replayer.predict(gaps, first, longest)
    state = np.asarray(log.s_tm1, np.float64)[first]
    begins = simulator.noisy(state, noise.sensors)
    guess, usable = simulator.step(first, begins, longest)
    usable &= holds(once)
    squares = [0.0]
    for k in range(longest):
        after, held = simulator.step(first + k, state)
        usable &= held
        # Where the physics diverged, from the start again, which is not looked at.
        moved = after[:, 0] + simulator.drawn(noise.motion)
        state = np.where(usable[:, None], moved, begins)
        if k + 1 in horizons and usable.any():
            read = simulator.noisy(state, noise.sensors)
            s_t = np.asarray(log.s_t, np.float64)[first + k]
            change = unit(log, first[usable], first[usable] + k)
            wrong, explained = (
                typical((x - y)[usable] / change)
                for x, y in ((once.s_t[:, k], s_t), (guess[:, k], read))
            )
            squares.append(wrong**2 - (_SLACK * explained) ** 2)
    return float(np.sqrt(max(squares)))
