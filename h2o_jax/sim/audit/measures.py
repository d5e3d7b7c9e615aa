"""How wrong one simulator is on a log: by dimension, row and horizon."""

import dataclasses
from typing import NamedTuple

import mujoco
import numpy as np

from h2o_jax.errors import DatasetError
from h2o_jax.sim import models, replay_log, worlds
from h2o_jax.sim.audit import structure
from h2o_jax.sim.audit.structure import Place
from h2o_jax.sim.gaps import Gaps, to_text
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.replay_log import Prediction
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.sim.world import World
from h2o_jax.types import Transition, has_successor

BARS = (0.01, 0.05, 0.1, 0.25)
"""Errors below which rows are counted."""
_SHARES = np.linspace(0.0, 1.0, 101)


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


@dataclasses.dataclass(frozen=True)
class Horizon:
    """Errors after so many control steps, in units of the log's change over them."""

    steps: int
    windows: int
    """Windows that begin in an exactly known state."""
    by_dimension: tuple[float, ...]
    """`[O]` root mean squares."""
    typical: float
    """Mean over windows of the root mean square over dimensions, capped at 1."""

    @property
    def rms(self) -> float:
        """Over windows and dimensions."""
        return float(np.sqrt(np.mean(np.square(self.by_dimension))))


@dataclasses.dataclass(frozen=True)
class Errors:
    """Everything that is measured of one simulator."""

    horizons: tuple[Horizon, ...]
    """One step first."""
    below_largest: tuple[float, ...]
    """Share of rows whose worst dimension is below each of `BARS`."""
    below_median: tuple[float, ...]
    """The same of the median dimension."""
    quantiles: tuple[float, ...]
    """`[101]` percentiles over rows of the worst dimension's error."""
    reward: float
    """Root mean square of the reward's error over the std of logged rewards."""
    terminals: float
    """Share of rows that end an episode in one of log and simulator only."""
    unstable: float
    """Share of rows at which the physics diverged."""
    own_noise: float
    """Squared difference of two runs over the squared error."""
    explained: float
    """Share of the squared error that a smooth function of (s, a) explains."""
    place: Place | None
    """None where the error is alike everywhere."""

    @property
    def score(self) -> float:
        """The typical error, mean over horizons: candidates are ranked by it."""
        return float(np.mean([horizon.typical for horizon in self.horizons]))


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
    s_tm1, s_t = (np.asarray(x, np.float64) for x in (log.s_tm1[first], log.s_t[last]))
    usable = prediction.exact & ~prediction.unstable.any(axis=1)
    usable &= has_successor(log)[last]
    usable &= np.isfinite(prediction.s_t).all(axis=(1, 2))
    errors = prediction.s_t[usable, -1] - s_t[usable]
    return errors / _unit(s_tm1[usable], s_t[usable]), usable


def _unit(s_tm1: Array, s_t: Array) -> Array:
    """Std of each observation's change, `[O]`; 1 where it is always the same."""
    std = (s_t - s_tm1).std(axis=0)
    return np.where(replay_log.moves(std, s_t), std, 1.0)


def typical(errors: Array) -> float:
    """Mean over rows of the root mean square over dimensions, capped at 1."""
    return (
        float(np.minimum(structure.of_rows(errors), 1.0).mean())
        if len(errors)
        else np.nan
    )


def measure(
    replayer: Replayer, gaps: Gaps, rows: Array, windows: dict[int, Array], probe: int
) -> tuple[Errors, int]:
    """Errors of one simulator, and how many rows they come from.

    Args:
        replayer: of the log.
        gaps: of the simulator.
        rows: `[n]` rows that are replayed for one step.
        windows: steps -> first rows of the windows.
        probe: rows that are replayed a second time, for the simulator's own noise.

    Raises:
        DatasetError: the physics diverged at every row.
    """
    log, prediction = replayer.log, replayer.predict(gaps, rows)
    errors, usable = normalised(log, rows, prediction)
    if not usable.any():
        raise DatasetError(
            f"gap {to_text(gaps)}: the simulator diverged at every row of the log; "
            "check that log and task belong together"
        )
    used = rows[usable]
    largest, middle = _sizes(errors)
    at = {"a": np.asarray(log.a_tm1)[used], "s": np.asarray(log.s_tm1)[used]}
    measured = Errors(
        horizons=(horizon(1, errors), *_longer(replayer, gaps, windows)),
        below_largest=_below(largest),
        below_median=_below(middle),
        quantiles=tuple(np.quantile(largest, _SHARES).tolist()),
        reward=_reward(log, rows, prediction, usable),
        terminals=_terminals(log, rows, prediction),
        unstable=float(prediction.unstable.mean()),
        own_noise=_own_noise(replayer, gaps, used, prediction, usable, probe),
        explained=structure.explained(
            np.concatenate([at["s"], at["a"]], axis=1), errors
        ),
        place=structure.place(at, structure.of_rows(errors)),
    )
    return measured, len(used)


def _longer(replayer: Replayer, gaps: Gaps, windows: dict[int, Array]) -> list[Horizon]:
    """Summaries of longer windows, those without a usable one left out."""
    errors = {
        steps: normalised(replayer.log, first, replayer.predict(gaps, first, steps))[0]
        for steps, first in windows.items()
    }
    return [horizon(steps, x) for steps, x in errors.items() if len(x)]


def _sizes(errors: Array) -> tuple[Array, Array]:
    """Error of the worst and of the median dimension of each row, `[m]`."""
    sizes = np.abs(errors)
    return sizes.max(axis=1), np.median(sizes, axis=1)


def _reward(
    log: Transition, rows: Array, prediction: Prediction, usable: Array
) -> float:
    """Root mean square of the reward's error over the std of logged rewards."""
    rewards = np.asarray(log.r_t, np.float64)[rows]
    off = (prediction.r_t[:, 0] - rewards)[usable]
    return float(np.sqrt(np.mean(off**2)) / structure.positive(rewards))


def _terminals(log: Transition, rows: Array, prediction: Prediction) -> float:
    """Share of rows that end an episode in one of log and simulator only."""
    ended = np.asarray(log.discount_t)[rows] == 0
    differ = prediction.terminated[:, 0] != ended
    return float(np.mean(differ[prediction.exact]))


def horizon(steps: int, errors: Array) -> Horizon:
    """Summary of errors `[m, O]`, `m` at least 1."""
    by_dimension = np.sqrt(np.mean(errors**2, axis=0))
    return Horizon(steps, len(errors), tuple(by_dimension.tolist()), typical(errors))


def _own_noise(
    replayer: Replayer,
    gaps: Gaps,
    used: Array,
    prediction: Prediction,
    usable: Array,
    probe: int,
) -> float:
    """Squared difference of two runs of a simulator over its squared error."""
    first = used[:probe]
    once = prediction.s_t[usable, 0][:probe]
    # Seeds from here on give other random numbers than the first run's.
    again = replayer.world(gaps, len(first), seed=1_000_000)
    log = replayer.log
    twice = replay_log.replay_in(again, log, first).s_t[:, 0]
    s_tm1, s_t = (np.asarray(x, np.float64)[first] for x in (log.s_tm1, log.s_t))
    unit = _unit(s_tm1, s_t)
    own, total = (_capped_square((once - x) / unit) for x in (twice, s_t))
    return own / max(total, 1e-300)


def _capped_square(errors: Array) -> float:
    return float(np.sum(np.minimum(structure.of_rows(errors), structure.CAP) ** 2))


def _below(sizes: Array) -> tuple[float, ...]:
    return tuple(float(np.mean(sizes < bar)) for bar in BARS)
