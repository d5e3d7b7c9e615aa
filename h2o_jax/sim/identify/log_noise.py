"""Noise of a log's sensors and actions, from what a fitted simulator cannot explain."""

from collections.abc import Mapping

import numpy as np

from h2o_jax.sim import replay_log
from h2o_jax.sim.identify import fitting
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.windows import Rows, Windows
from h2o_jax.types import Transition

_PAIRS = 600
"""Windows that noise is measured on."""
_OUTLIER = 8.0
_LEAST_NOISE = 5e-4
"""Share of the standard deviation below which noise is none."""
_INSIDE = 0.5
"""Actions up to here are used."""


def added(log: Transition, std: Array | float, seed: int) -> Transition:
    """The log as other sensors would have recorded it: normal noise on observations.

    A row's successor and the next row's observation stay equal.

    Args:
        log: rows in the order in which they were recorded.
        std: `[O]` or a number.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    s_tm1, s_t = (np.asarray(x, np.float32) for x in (log.s_tm1, log.s_t))
    first = (s_tm1 + std * rng.standard_normal(s_tm1.shape)).astype(np.float32)
    last = (s_t + std * rng.standard_normal(s_t.shape)).astype(np.float32)
    joined = np.flatnonzero(np.diff(replay_log.sequences(log)) == 0)
    last[joined] = first[joined + 1]
    return log._replace(s_tm1=first, s_t=last)


def of_sensors(predict: Predictor, rows: Rows, values: Mapping[str, float]) -> float:
    r"""Noise of the observations, as a share of each one's standard deviation.

    What a right simulator gets wrong in a row is the noise of its successor, less that
    of its observation as the dynamics carry it on:

    .. math:: e_t = n_{t+1} - A_t n_t

    so that the errors of neighbouring rows are correlated by the noise that they share,
    which the errors of a wrong simulator need not be. The median over dimensions; an
    estimate, as contacts spoil some dimensions.

    Args:
        predict: the simulator, fitted.
        rows: of the log.
        values: fields.

    Returns:
        0 where no noise is found.
    """
    lead = _latency(predict, values)
    log, pairs = rows.log, rows.pick(_PAIRS, 2, seed=2, lead=lead).first
    if len(pairs) < _PAIRS // 8:
        return 0.0
    std = np.asarray(log.s_tm1, np.float64).std(axis=0) + 1e-12
    first, second = (Windows(log, x, 1) for x in (pairs, pairs + 1))
    before, after = (_error(predict, x, values) for x in (first, second))
    slope = _slopes(predict, second, values, "s_tm1", 0.02 * std)
    weight = 1 / np.square(fitting.unit(second)[0])
    shared = np.einsum("nd,nk,nkd,k->d", before, after, slope, weight)
    felt = np.einsum("nkd,k->d", np.square(slope), weight)
    # Noise of what never changes, or moves nothing, cannot be told.
    told = (felt > 0) & replay_log.moves(std, np.asarray(log.s_tm1))
    if not told.any():
        return 0.0
    variance = -shared[told] / felt[told]
    share = np.median(np.sign(variance) * np.sqrt(np.abs(variance)) / std[told])
    return float(share) if share > _LEAST_NOISE else 0.0


def of_actions(
    predict: Predictor, rows: Rows, values: Mapping[str, float]
) -> tuple[float | None, str]:
    """Standard deviation of the noise on actions, or None and why the log is silent.

    It is 0 where it is too small to be told from the simulator's other errors, while as
    much noise as the simulator has would be seen above them.

    Noise on actions moves the successor only in the directions in which actions do, and
    sensors' noise in all: the latter is measured across, and subtracted. Actions near
    the ends of their range, which clipping makes one-sided, are left out.

    Args:
        predict: the simulator, fitted.
        rows: of the log.
        values: fields.
    """
    lead = _latency(predict, values)
    log, first = rows.log, rows.pick(_PAIRS, 1, seed=3, lead=lead).first
    windows = Windows(log, first, 1)
    unit = fitting.unit(windows)[0]
    error = _error(predict, windows, values) / unit
    actions = np.asarray(log.a_tm1)[first - lead]
    steps = np.full(actions.shape[1], 0.1)
    slope = _slopes(predict, windows, values, "a_tm1", steps) / unit[:, None]
    inverse = np.linalg.pinv(slope)
    pushed = np.einsum("nak,nk->na", inverse, error)
    across = error - np.einsum("nka,na->nk", slope, pushed)
    freedom = np.isfinite(unit).sum() - actions.shape[1]
    if freedom <= 0:
        return None, "there are as many actions as observations"
    floor = np.square(across).sum(axis=1, keepdims=True) / freedom
    other = floor * np.square(inverse).sum(axis=2)
    inside = np.abs(actions) < _INSIDE
    if inside.sum() < _PAIRS // 8:
        return None, f"too few actions are within {_INSIDE:g} of their middle"
    # Medians, as contacts make outliers; a normal's mean square is 2.2 medians.
    total, rest = (2.198 * np.median(x[inside]) for x in (np.square(pushed), other))
    if total > 4 * rest and total > 1e-6:
        return float(np.sqrt(total - rest)), ""
    if predict.action_noise > 2 * np.sqrt(total):
        return 0.0, ""
    return None, "none is seen above the simulator's other errors"


def _latency(predict: Predictor, values: Mapping[str, float]) -> int:
    """Control steps that a command waits: as many rows before a window tell it."""
    return int(values.get("latency", predict.latency))


def _error(predict: Predictor, windows: Windows, values: Mapping[str, float]) -> Array:
    """`[n, O]` of one step, outliers cut at eight times the median."""
    error = (windows.logged - predict(windows, values))[:, 0]
    limit = _OUTLIER * np.median(np.abs(error), axis=0) + 1e-12
    return np.clip(np.nan_to_num(error), -limit, limit)


def _slopes(
    predict: Predictor,
    windows: Windows,
    values: Mapping[str, float],
    column: str,
    steps: Array,
) -> Array:
    """`[n, O, D]` derivatives of the successor by a column `[N, D]` of the log."""
    given, found = np.array(getattr(windows.log, column), np.float64), []
    for step in np.diag(steps):
        ends = [
            predict(windows._replace(log=windows.log._replace(**{column: x})), values)
            for x in (given + step, given - step)
        ]
        found.append(np.nan_to_num(ends[0] - ends[1])[:, 0] / (2 * step.sum()))
    return np.stack(found, axis=-1)
