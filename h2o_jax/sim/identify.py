"""Fits fields of a wrong simulator to a log, and says how far that can be trusted.

One step first, from several starts; then windows of several steps from the best. What
the log cannot tell is left alone and named; see `fields`, `fitting` and `log_noise`.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from h2o_jax.errors import ConfigError
from h2o_jax.settings import OPEN_UNIT, at_least, setting
from h2o_jax.sim import fields, fitting, log_noise, windows
from h2o_jax.sim.fields import Value
from h2o_jax.sim.fitting import Fit, Predictor
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.sim.windows import Rows
from h2o_jax.types import Transition

LAGS = tuple(range(6))
"""Latencies that are tried."""
HORIZONS = (1, 10)
"""Steps at which simulators are judged."""
_CONDITION = 30.0
"""Above it, fields only change the units of each other."""
_SILENT = 1e-4
"""Change of the prediction per e-fold, in std of the log's, below which is none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitting:
    """How fields are fitted."""

    fields: tuple[str, ...] = setting(
        ("gravity", "friction", "body_mass", "joint_damping"),
        "What is fitted, the least certain first: FIELD, or FIELD:ELEMENT for one "
        "body, joint, geom or actuator. Fields: " + ", ".join(fields.FIELDS) + ".",
    )
    bounds: tuple[float, float] = setting(
        (0.1, 5.0), "LOW:HIGH of every scale, relative to --gap."
    )
    windows: int = setting(2000, "Windows of one step.", at_least(windows.LEAST))
    long_windows: int = setting(
        400,
        "Windows of --long_steps, which the values come from; 0: none.",
        at_least(0),
    )
    long_steps: int = setting(5, "Steps of the long windows.", at_least(2))
    starts: int = setting(
        3, "Starts: the simulator of --gap, then random ones.", at_least(1)
    )
    evaluations: int = setting(
        20, "Most evaluations of each fit, derivatives apart.", at_least(1)
    )
    held_out: float = setting(
        0.1, "Share of the episodes that only judge the result.", OPEN_UNIT
    )
    fit_seed: int = setting(0, "Seed of windows, episodes and starts.", at_least(0))


class Latency(NamedTuple):
    """The simulator's error with each latency."""

    errors: dict[int, float]
    """Control steps -> root mean square of the residuals."""
    best: int
    certain: bool
    """Whether the best is better than the next in nearly all blocks of rows."""


class Judged(NamedTuple):
    """Error on held-out episodes, in std of the log's change."""

    before: dict[int, float]
    """Steps -> error of the simulator that was given."""
    after: dict[int, float]


class Identified(NamedTuple):
    """What was found."""

    values: tuple[Value, ...]
    """Every field that is known now, those of a simulator file of --gap included."""
    fit: Fit
    starts: tuple[Fit, ...]
    """Where each start ended on one step, that of --gap first."""
    sensitivity: dict[str, float]
    """Field -> change of one step's prediction per e-fold, in std of the log's."""
    condition: float
    """Of the fields that were fitted, where the fit began."""
    left_alone: dict[str, str]
    """Field -> why it was not fitted."""
    latency: Latency | None
    action_noise: float | None
    sensor_noise: float
    """Share of the observations' std; 0 where none is found."""
    shift: dict[str, float]
    """Field -> log scale by which as much noise again moves it."""
    judged: Judged
    episodes: tuple[int, int]
    """Fitted, and held out."""

    @property
    def at_bound(self) -> list[str]:
        """Fields that ended at a bound, which taints the values of all."""
        ended = zip(self.fit.names, self.fit.bound, strict=True)
        return [name for name, bound in ended if bound]

    @property
    def disagreeing(self) -> list[str]:
        """Fields for which a start that fits as well ended elsewhere."""
        best = min(self.starts, key=lambda fit: fit.cost)
        good = [fit for fit in self.starts if fit.cost < 1.02 * best.cost + 1e-4]
        apart = [np.abs(x.z - best.z) > 0.02 + 2 * best.half for x in good]
        return [n for i, n in enumerate(best.names) if any(x[i] for x in apart)]

    @property
    def stuck(self) -> int:
        """Starts that ended at a worse fit."""
        least = min(fit.cost for fit in self.starts)
        return sum(fit.cost >= 1.02 * least + 1e-4 for fit in self.starts)


def identify(
    task: Task,
    start: Gaps,
    log: Transition,
    how: Fitting,
    inertia: Inertia = "modern",
    threads: int = 0,
) -> Identified:
    """Fits fields of the simulator with gaps `start` to a log.

    Args:
        task: of the log.
        start: the simulator that is wrong.
        log: rows in the order in which they were recorded.
        how: what is fitted, and how.
        inertia: see `models.compile_model`.
        threads: threads of the physics; 0 for one per core.

    Raises:
        ConfigError: the simulator does not have a field, or all of them are silent.
        DatasetError: the log has too few rows.
    """
    _check(how)
    predict = Predictor(task, start, inertia, threads)
    fields.check_model(predict.model, how.fields)
    rows = windows.sort(task, predict.model, log, how.held_out, how.fit_seed)
    lead = max(LAGS) if "latency" in how.fields else predict.latency
    scales = {
        name: predict.given.get(name, 1.0)
        for name in how.fields
        if fields.find(name).arrays
    }
    latency, others = None, {}
    if "latency" in how.fields:
        latency = profile(predict, rows, scales, how)
        others = {"latency": float(latency.best)}
    sensitivity, condition, left = check(predict, rows, scales, others, how, lead)
    free = {name: x for name, x in scales.items() if name not in left}
    if not free and not others:
        reasons = "; ".join(f"{name}: {why}" for name, why in left.items())
        raise ConfigError(f"--fields: the log tells none of them ({reasons})")
    ended, fit = _fits(predict, rows, free, others, how, lead)
    if latency is not None:
        again = profile(predict, rows, fit.values, how)
        if again.best != latency.best:
            others = {"latency": float(again.best)}
            ended, fit = _fits(predict, rows, fit.values, others, how, lead)
        latency = again
        if not latency.certain:
            left["latency"] = "no number of steps is clearly best"
    known = {**fit.values, **others}
    sensor = log_noise.of_sensors(predict, rows, known)
    shift = _shift(predict, rows, fit, others, how, lead, sensor)
    action = None
    if "action_noise" in how.fields:
        action = log_noise.of_actions(predict, rows, known)
        if action is None:
            left["action_noise"] = "it drowns in what else the simulator gets wrong"
    result = Identified(
        (),
        fit,
        ended,
        sensitivity,
        condition,
        left,
        latency,
        action,
        sensor,
        shift,
        _judge(predict, rows, known, how),
        rows.episodes,
    )
    return result._replace(values=_values(predict.given, result, others))


def _check(how: Fitting) -> None:
    low, high = how.bounds
    if not (0 < low < 1 < high <= fields.LARGEST):
        raise ConfigError(
            f"--bounds={low:g}:{high:g}: give 0 < LOW < 1 < HIGH <= {fields.LARGEST:g}"
        )
    if not how.fields or len(set(how.fields)) < len(how.fields):
        raise ConfigError(f"--fields={','.join(how.fields)}: give each field once")


def check(
    predict: Predictor,
    rows: Rows,
    scales: Mapping[str, float],
    others: Mapping[str, float],
    how: Fitting,
    lead: int,
) -> tuple[dict[str, float], float, dict[str, str]]:
    """What the log can tell, from derivatives where the fit begins.

    Fields without an effect are left alone; then, while some mixture of fields has
    nearly none, the last that it needs.

    Returns:
        Field -> sensitivity; the condition number of those left; field -> why not.
    """
    names: list[str] = list(scales)
    left: dict[str, str] = {}
    if not names:
        return {}, 1.0, left
    chosen = rows.pick(how.windows, 1, how.fit_seed, lead=lead)
    z = np.log([max(x, 1e-6) for x in scales.values()])
    jac = fitting.jacobian(predict, chosen, names, z, others)
    size = dict(zip(names, np.sqrt(np.square(jac).mean(axis=0)).tolist(), strict=True))
    left |= {
        name: "it changes nothing in this log" for name in names if size[name] < _SILENT
    }
    while True:
        kept = [name for name in names if name not in left]
        if not kept:
            return size, 1.0, left
        number, mixture = fitting.condition(jac[:, [names.index(n) for n in kept]])
        if number <= _CONDITION or len(kept) == 1:
            return size, number, left
        mixed = [
            n for n, x in zip(kept, mixture, strict=True) if x > 0.3 * mixture.max()
        ]
        rest = ", ".join(mixed[:-1])
        left[mixed[-1]] = f"the log tells it only relative to {rest}"


def _fits(
    predict: Predictor,
    rows: Rows,
    scales: Mapping[str, float],
    others: Mapping[str, float],
    how: Fitting,
    lead: int,
) -> tuple[tuple[Fit, ...], Fit]:
    """Few windows from every start, then all from the best, then long windows."""
    few = rows.pick(max(how.windows // 5, windows.LEAST), 1, how.fit_seed, lead=lead)
    many = rows.pick(how.windows, 1, how.fit_seed + 1, lead=lead)
    long = rows.pick(how.long_windows, how.long_steps, how.fit_seed, lead=lead)
    rest = (how.bounds, how.evaluations, others)
    ended = tuple(
        fitting.fit(predict, few, begin, *rest, tolerance=1e-4)
        for begin in _starts(scales, how)
    )
    best = min(ended, key=lambda fit: fit.cost)
    fit = fitting.fit(predict, many, best.values, *rest)
    if len(long.first) >= windows.LEAST // 2:
        last = fitting.fit(predict, long, fit.values, *rest)
        fit = last._replace(converged=last.converged and fit.converged)
    return ended, fit


def _starts(scales: Mapping[str, float], how: Fitting) -> list[dict[str, float]]:
    """The scales as given, then random ones within a factor of 4 and the bounds."""
    low, high = np.log(how.bounds)
    given = np.log(list(scales.values()))
    rng = np.random.default_rng(how.fit_seed)
    spread = [
        np.clip(given + rng.uniform(-1, 1, len(given)) * math.log(4.0), low, high)
        for _ in range(how.starts - 1)
    ]
    return [
        dict(zip(scales, np.exp(z).tolist(), strict=True)) for z in (given, *spread)
    ]


def profile(
    predict: Predictor, rows: Rows, scales: Mapping[str, float], how: Fitting
) -> Latency:
    """The error with each latency, as steps have no derivative."""
    chosen = rows.pick(
        max(how.windows // 2, windows.LEAST), 1, how.fit_seed, lead=max(LAGS)
    )
    squares = []
    for lag in LAGS:
        f = fitting.residuals(predict, chosen, {**scales, "latency": float(lag)})
        squares.append(np.square(f).mean(axis=(1, 2)))
    mean = [float(x.mean()) for x in squares]
    best, second = np.argsort(mean)[:2]
    apart = np.array_split(squares[second] - squares[best], fitting.BLOCKS)
    wins = sum(block.mean() > 0 for block in apart)
    return Latency(
        {lag: math.sqrt(x) for lag, x in zip(LAGS, mean, strict=True)},
        LAGS[best],
        wins >= 0.9 * fitting.BLOCKS,
    )


def _shift(
    predict: Predictor,
    rows: Rows,
    fit: Fit,
    others: Mapping[str, float],
    how: Fitting,
    lead: int,
    noise: float,
) -> dict[str, float]:
    """How far as much sensor noise again moves each field, which no interval shows."""
    if not noise or not fit.names:
        return {}
    std = noise * np.asarray(rows.log.s_tm1, np.float64).std(axis=0)
    noisier = rows._replace(log=log_noise.added(rows.log, std, how.fit_seed))
    steps = how.long_steps if how.long_windows else 1
    count = how.long_windows or how.windows
    again = fitting.fit(
        predict,
        noisier.pick(count, steps, how.fit_seed, lead=lead),
        fit.values,
        how.bounds,
        how.evaluations,
        others,
    )
    return dict(zip(fit.names, (again.z - fit.z).tolist(), strict=True))


def _judge(
    predict: Predictor, rows: Rows, known: Mapping[str, float], how: Fitting
) -> Judged:
    """One and ten steps in held-out episodes, before and after."""
    before, after = {}, {}
    lead = max(predict.latency, int(known.get("latency", 0)))
    for steps in HORIZONS:
        chosen = rows.pick(how.windows, steps, how.fit_seed, held_out=True, lead=lead)
        if len(chosen.first):
            before[steps] = error(chosen, predict(chosen, {}))
            after[steps] = error(chosen, predict(chosen, known))
    return Judged(before, after)


def error(chosen: windows.Windows, predicted: Array) -> float:
    """Root mean square error of the last step in std of the log's change till then."""
    logged = chosen.logged[:, -1]
    spread = (logged - chosen.start).std(axis=0)
    moving = spread > 1e-9
    wrong = (predicted[:, -1] - logged)[:, moving] / spread[moving]
    return float(np.sqrt(np.square(wrong).mean()))


def _values(
    given: Mapping[str, float], found: Identified, others: Mapping[str, float]
) -> tuple[Value, ...]:
    """Every known field with its interval, the given ones first."""
    values = {name: Value.exactly(name, x) for name, x in given.items()}
    for name, z, half in zip(found.fit.names, found.fit.z, found.fit.half, strict=True):
        # As far again as noise moved it, the other way.
        back = -2 * found.shift.get(name, 0.0)
        low, high = z - half + min(back, 0), z + half + max(back, 0)
        low, high = np.exp(low), min(np.exp(high), fields.LARGEST)
        values[name] = Value(name, float(np.exp(z)), float(low), float(high))
    if found.latency is not None and found.latency.certain:
        values["latency"] = Value.exactly("latency", others["latency"])
    if found.action_noise is not None:
        values["action_noise"] = Value.exactly("action_noise", found.action_noise)
    return tuple(values.values())


def names_of(values: Sequence[Value]) -> list[str]:
    """Names of fields."""
    return [value.name for value in values]
