"""How wrong one simulator is on a log: by dimension, row and horizon."""

import dataclasses

import numpy as np

from h2o_jax.errors import DatasetError
from h2o_jax.sim import replay_log
from h2o_jax.sim.audit import structure
from h2o_jax.sim.audit.replayer import OTHER, Replayer, normalised, typical, unit
from h2o_jax.sim.audit.structure import Place
from h2o_jax.sim.gaps import Gaps, to_text
from h2o_jax.sim.replay_log import Prediction
from h2o_jax.sim.tasks.task import Array
from h2o_jax.types import Transition

BARS = (0.01, 0.05, 0.1, 0.25)
"""Errors below which rows are counted."""
_SHARES = np.linspace(0.0, 1.0, 101)


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
    beyond_noise: float | None = None
    """Typical error after several steps beyond what noise explains; None where the log
    cannot tell it, or where it is not asked for, as something else decides."""

    @property
    def score(self) -> float:
        """The typical error, mean over horizons: candidates are ranked by it."""
        return float(np.mean([horizon.typical for horizon in self.horizons]))


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
    log, first = replayer.log, used[:probe]
    once = prediction.s_t[usable, 0][:probe]
    again = replayer.world(gaps, len(first), OTHER)
    twice = replay_log.replay_in(again, log, first).s_t[:, 0]
    s_t = np.asarray(log.s_t, np.float64)[first]
    change = unit(log, first, first)
    own, total = (_capped_square((once - x) / change) for x in (twice, s_t))
    return own / max(total, 1e-300)


def _capped_square(errors: Array) -> float:
    return float(np.sum(np.minimum(structure.of_rows(errors), structure.CAP) ** 2))


def _below(sizes: Array) -> tuple[float, ...]:
    return tuple(float(np.mean(sizes < bar)) for bar in BARS)
