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

_PAIRS, _FEWEST = 10_000, 100
"""Pairs of rows that noise is measured on; fewer pairs or windows tell nothing."""
_SIDE_BY_SIDE = 2000
"""Most environments of a world."""
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

    def step(self, rows: Array, s_tm1: Array, steps: int = 1) -> replay_log.Prediction:
        """From observations `[n, O]`, under the actions that rows have logged."""
        return replay_log.replay_in(self.world, self.log, rows, steps, s_tm1)

    def noisy(self, s: Array, std: Array) -> Array:
        """Observations `[n, O]` with normal noise."""
        return s + std * self.rng.standard_normal(s.shape)

    def moved(self, s: Array, sample: Array) -> Array:
        """States `[n, O]` with noise of the motion, of a sample `[m, O]`."""
        return s + sample[self.rng.integers(len(sample), size=len(s))]


def _simulator(replayer: Replayer, gaps: Gaps, n: int) -> _Simulator:
    world = replayer.world(gaps, min(n, _SIDE_BY_SIDE), OTHER)
    return _Simulator(world, replayer.log, np.random.default_rng(0))


def measure(replayer: Replayer, gaps: Gaps) -> Noise | None:
    r"""Noise of a log, if a simulator is right but for it.

    What it gets wrong in a row shares the sensors' noise with the next row:

    .. math:: e_t = f(s_t + n_t) - (f(s_t) + p_t + n_{t+1})

    Noise of the motion leaves errors independent, so that the variance of a sum of two
    is twice that of one. Sensors alone that make errors as large as those of the log
    are simulated, and make that sum smaller; the log lies between the two. Here
    variances are by medians, as contacts make outliers. Outliers beyond those that the
    simulated sensors have are the motion's.

    What the simulator gets wrong in all rows alike is no noise, so the mean is taken
    off. Where the dynamics forget at once, sensors and motion are not told apart, nor
    do they need to be; all is then taken for the sensors'.

    Args:
        replayer: of the log.
        gaps: of the simulator.

    Returns:
        None where too few rows follow each other, or the sensors' noise makes the
        physics diverge.
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
    errors = np.stack([x - s_t[first + i] for i, x in enumerate(after)])
    size, ratio = _sums(errors)
    simulator = _simulator(replayer, gaps, len(first))
    std, made = _sensors(simulator, first, after[0], size)
    if made is None:
        return None
    by_sensors = _sums(made)[1]
    moves = replay_log.moves(size, s_t[first])
    told = moves & (np.abs(2 - by_sensors) > _TOLD)
    share = np.ones(len(size))
    share[told] = np.clip((2 - ratio[told]) / (2 - by_sensors[told]), 0, 1)
    if told.any():
        share[moves & ~told] = share[told].mean()
    wrong = np.concatenate(errors - errors.mean(axis=(0, 1)))
    outliers = share * made.var(axis=(0, 1)) / np.maximum(wrong.var(axis=0), 1e-300)
    besides = np.where(moves, 1 - np.minimum(share, outliers), 0.0)
    return Noise(std * np.sqrt(share), -wrong * np.sqrt(besides))


def _sensors(
    simulator: _Simulator, first: Array, s_1: Array, size: Array
) -> tuple[Array, Array | None]:
    """Noise of sensors alone that makes errors of std `size`, and these errors.

    Args:
        simulator: whose states are the truth.
        first: `[n]` rows that begin pairs.
        s_1: `[n, O]` states after these rows.
        size: `[O]` std of errors of one step.

    Returns:
        `[O]` stds, and `[2, m, O]` errors of the pairs that hold; None where they are
        too few.
    """
    s_0 = np.asarray(simulator.log.s_tm1, np.float64)[first]
    truth = simulator.step(first + 1, s_1)
    std, errors = size / np.sqrt(2), None
    for _ in range(_ROUNDS):
        read = [simulator.noisy(s, std) for s in (s_0, s_1, truth.s_t[:, 0])]
        guess = [simulator.step(first + i, read[i]) for i in range(2)]
        used = holds(truth) & holds(guess[0]) & holds(guess[1])
        if used.sum() < _FEWEST:
            return std, None
        errors = np.stack([(guess[i].s_t[:, 0] - read[i + 1])[used] for i in range(2)])
        std = std * size / np.maximum(_sums(errors)[0], 1e-300)
    return std, errors


def _sums(errors: Array) -> tuple[Array, Array]:
    """Of errors `[2, n, O]` of pairs: std `[O]`; variance of their sums over theirs."""
    one = np.median(np.square(errors), axis=(0, 1))
    two = np.median(np.square(errors.sum(axis=0)), axis=0)
    return _NORMAL * np.sqrt(one), two / np.maximum(one, 1e-300)


def beyond(
    replayer: Replayer,
    gaps: Gaps,
    noise: Noise,
    first: Array,
    horizons: Collection[int],
) -> float | None:
    r"""Typical error after several steps, beyond 1.1 times what noise explains.

    A right simulator `f` begins where the sensors say, while the system goes its way,
    and sensors read where that ends:

    .. math:: e_k = f_k(s_0 + n_0) - (s_k + n_k), \qquad s_{i+1} = f(s_i) + p_i

    Noise fades beside the longer change of more steps, unless the dynamics themselves
    let it grow; what a wrong simulator gets wrong adds up. Typical errors are
    subtracted as squares.

    Args:
        replayer: of the log.
        gaps: of the simulator.
        noise: of the log.
        first: `[n]` first rows of windows as long as the longest horizon.
        horizons: after how many steps.

    Returns:
        The largest of all horizons, in units of the log's change over as many steps; 0
        where noise explains all. None where too few windows are usable.
    """
    log, longest = replayer.log, max(horizons)
    simulator = _simulator(replayer, gaps, len(first))
    once = replayer.predict(gaps, first, longest)
    state = np.asarray(log.s_tm1, np.float64)[first]
    begins = simulator.noisy(state, noise.sensors)
    guess = simulator.step(first, begins, longest)
    held, squares = np.ones(len(first), bool), []
    for k in range(longest):
        after = simulator.step(first + k, state)
        held &= holds(after)
        # Where the physics diverged, from the start again, which is not looked at.
        moved = simulator.moved(after.s_t[:, 0], noise.motion)
        state = np.where(held[:, None], moved, begins)
        usable = held & holds(once, k + 1) & holds(guess, k + 1)
        usable &= has_successor(log)[first + k]
        if k + 1 in horizons and usable.sum() >= _FEWEST:
            read = simulator.noisy(state, noise.sensors)
            s_t = np.asarray(log.s_t, np.float64)[first + k]
            change = unit(log, first[usable], first[usable] + k)
            wrong, explained = (
                typical((x - y)[usable] / change)
                for x, y in ((once.s_t[:, k], s_t), (guess.s_t[:, k], read))
            )
            squares.append(wrong**2 - (_SLACK * explained) ** 2)
    return float(np.sqrt(max(0.0, *squares))) if squares else None
