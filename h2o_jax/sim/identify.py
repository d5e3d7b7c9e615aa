"""Fits fields of a wrong simulator to a log, and says how far that can be trusted.

One step first, from several starts; then windows of several steps from the best. What
the log cannot tell is left alone and named; see `fields`, `fitting` and `log_noise`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import (
    coordinates,
    fields,
    fit_plan,
    fitting,
    identified,
    latencies,
    log_noise,
    reaches,
    settling,
    telling,
    windows,
)
from h2o_jax.sim.fields import Value
from h2o_jax.sim.fit_plan import Fitting
from h2o_jax.sim.fitting import Fit
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.identified import Identified, Judged
from h2o_jax.sim.latencies import Latency
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.predictor import Predictor
from h2o_jax.sim.tasks.task import Task
from h2o_jax.sim.windows import Rows
from h2o_jax.types import Transition

HORIZONS = (1, 10)
"""Steps at which simulators are judged."""
_CLEARLY = 0.99
"""Share of the cost below which another begin is no chance."""
_COARSE = 1e-4
"""Tolerance of the fits that only choose a start."""


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
        DatasetError: the log has too few rows, or they do not follow each other.
    """
    predict = Predictor(task, start, inertia, threads)
    named = not fit_plan.is_standard(how)
    how = fit_plan.of_model(how, predict.model)
    rows = windows.sort(task, predict.model, log, how.held_out, how.fit_seed)
    longest = max(latencies.lags(predict.latency))
    late = "latency" in how.fields and _follow(rows, longest)
    lead = longest if late else predict.latency
    if not _follow(rows, lead):
        raise DatasetError(
            f"fewer than {windows.LEAST} rows of the log have {lead} rows of their "
            "episode before them, whose commands wait in this simulator; give a log "
            "in the order in which it was recorded"
        )
    return _Search(predict, rows, how, lead, late, named).run()


def _follow(rows: Rows, lead: int) -> bool:
    """Whether enough rows have others before them, whose commands may still wait."""
    return len(rows.pick(windows.LEAST, 1, 0, lead=lead).first) == windows.LEAST


class _Search(NamedTuple):
    """The stages of one identification."""

    predict: Predictor
    rows: Rows
    how: Fitting
    lead: int
    """Rows before each window."""
    late: bool
    """Whether a latency is looked for."""
    named: bool
    """Whether the user named the fields: only then may noise on actions grow, as what
    no field describes can look like it, and predictions do not show which it is."""

    def run(self) -> Identified:
        """All stages in order."""
        asked, others = self.how.fields, dict[str, float]()
        start = self.begin()
        begin = self.reached(start)
        if self.late:
            others["latency"] = float(self.profile(begin).best)
        sensitivity, condition, left = telling.tellable(
            self.predict, self.few(), begin, others
        )
        # What was moved and is not felt there stays where it was moved to.
        moved = {name: begin[name] for name in left if begin[name] != start[name]}
        if {*left} == {*asked} and not moved:
            raise ConfigError(
                f"--fields={','.join(left)}: changes nothing in this log; name others"
            )
        left = {name: why for name, why in left.items() if name not in moved}
        others |= moved
        if "latency" in asked and not self.late:
            left["latency"] = "too few rows of the log follow each other"
        told = {name: x for name, x in begin.items() if name not in {*left, *moved}}
        ended, fit, gone = self.present(told, others)
        latency = None
        if self.late:
            latency = self.profile({**fit.values, **gone})
            # The simulator keeps its own where that may be right.
            own = self.predict.latency
            best = latency.best if latency.tells(own) else own
            if others["latency"] != best:
                others["latency"] = float(best)
                ended, fit, more = self.present(fit.values, {**others, **gone})
                gone |= more
            if not latency.tells(own):
                alike = " or ".join(map(str, latency.alike))
                left["latency"] = f"{alike} steps fit alike, and it has {own}"
                del others["latency"]
        left |= dict.fromkeys(gone, "none is seen in this log")
        known = {**fit.values, **others, **gone}
        result = Identified(
            values=(),
            fit=fit,
            starts=ended,
            sensitivity=sensitivity,
            condition=condition,
            left_alone=left,
            latency=latency,
            action_noise=self.action_noise(known, left),
            sensor_noise=log_noise.of_sensors(self.predict, self.rows, known),
            judged=self.judge(known),
            episodes=self.rows.episodes,
        )
        # What a simulator file has of what is gone would stay otherwise.
        none = {name: 0.0 for name in gone if name in self.predict.known}
        still = {name: Value.exactly(name, x) for name, x in {**none, **moved}.items()}
        given = {**self.predict.known, **still}
        return result._replace(values=identified.values(given, result, self.how.bounds))

    def begin(self) -> dict[str, float]:
        """The fields of the model that are asked for, as the simulator has them."""
        asked = {name: fields.find(name) for name in self.how.fields}
        given = {
            name: self.predict.given.get(name, field.neutral)
            for name, field in asked.items()
            if field.arrays
        }
        return coordinates.within(given, self.how.bounds)

    def reached(self, begin: dict[str, float]) -> dict[str, float]:
        """Ranges of joints begin where those of the log end, if that clearly helps.

        See `reaches`. Where a joint never meets its limits, that fits as well or worse,
        but for noise.
        """
        ranges = [name for name in begin if name.startswith("joint_range:")]
        if not ranges:
            return begin
        rows, task, model = self.rows, self.predict.task, self.predict.model
        assert task.pose is not None  # `Predictor` says so
        seen = np.asarray(rows.log.s_tm1, np.float64)[rows.usable & ~rows.held_out]
        ends = reaches.of_joints(model, task.pose(model, seen).qpos)
        for name in ranges:
            end = ends.get(name.removeprefix("joint_range:"), begin[name])
            there = coordinates.within({**begin, name: end}, self.how.bounds)
            if self.cost(there) < _CLEARLY * self.cost(begin):
                begin = there
        return begin

    def cost(self, values: Mapping[str, float]) -> float:
        """Of these values, by few windows."""
        return fitting.rms(fitting.residuals(self.predict, self.few(), values))

    def action_noise(
        self, known: Mapping[str, float], left: dict[str, str]
    ) -> float | None:
        """Std of the noise on actions, if asked for; `left` learns of none."""
        if "action_noise" not in self.how.fields:
            return None
        std, why = log_noise.of_actions(self.predict, self.rows, known)
        own = self.predict.action_noise
        if std is not None and std > own and not self.named:
            why = f"{std:.2g} of it, or what acts like it; name the field to add it"
            std = None
        if std is None:
            left["action_noise"] = why
        return std

    def present(
        self, known: Mapping[str, float], others: Mapping[str, float]
    ) -> tuple[tuple[Fit, ...], Fit, dict[str, float]]:
        """Fits without what is added and ends at none, which comes third, as 0."""
        ended, fit = self.fits(known, others)
        gone = dict[str, float]()
        while absent := _absent(fit):
            gone |= dict.fromkeys(absent, 0.0)
            left = {name: x for name, x in fit.values.items() if name not in absent}
            ended, fit = self.fits(left, {**others, **gone})
        return ended, fit, gone

    def fits(
        self, known: Mapping[str, float], others: Mapping[str, float]
    ) -> tuple[tuple[Fit, ...], Fit]:
        """Few windows from every start, then all from the best, then long windows."""
        how, predict, few = self.how, self.predict, self.few()
        rest = (how.bounds, how.evaluations, others)
        ended = tuple(
            fitting.fit(predict, few, begin, *rest, _COARSE)
            for begin in fitting.starts(known, how.bounds, how.starts, how.fit_seed)
        )
        best = min(ended, key=lambda fit: fit.cost)
        chosen = self.pick(how.windows, 1, 1)
        fit = fitting.fit(predict, chosen, best.values, *rest)
        long = self.pick(how.long_windows, how.long_steps)
        if _many(long):
            chosen, former = long, fit.converged
            fit = fitting.fit(predict, chosen, fit.values, *rest)
            fit = fit._replace(converged=fit.converged and former)
        return ended, settling.settle(predict, chosen, fit, how.bounds, others)

    def profile(self, values: Mapping[str, float]) -> Latency:
        """By windows of several steps where there are some."""
        long = self.pick(self.how.long_windows, self.how.long_steps)
        chosen = long if _many(long) else self.few()
        return latencies.profile(self.predict, chosen, values)

    def judge(self, known: Mapping[str, float]) -> Judged:
        """One and ten steps in held-out episodes, before and after."""
        before, after = {}, {}
        for steps in HORIZONS:
            chosen = self.pick(self.how.windows, steps, held_out=True)
            if len(chosen.first):
                before[steps] = windows.error(chosen, self.predict(chosen, {}))
                after[steps] = windows.error(chosen, self.predict(chosen, known))
        return Judged(before, after)

    def few(self) -> windows.Windows:
        """Fewer windows of one step."""
        return self.pick(max(self.how.windows // 5, 2 * windows.LEAST), 1)

    def pick(
        self, count: int, steps: int, seed: int = 0, held_out: bool = False
    ) -> windows.Windows:
        """Windows, by the seed of the command."""
        seed += self.how.fit_seed
        return self.rows.pick(count, steps, seed, held_out, self.lead)


def _many(chosen: windows.Windows) -> bool:
    """Whether there are enough windows of several steps to fit to."""
    return len(chosen.first) >= windows.LEAST // 2


def _absent(fit: Fit) -> list[str]:
    """Fields that are added to the model, of which the log wants none."""
    ended = zip(fit.names, fit.bound, strict=True)
    return [name for name, end in ended if end < 0 and fields.find(name).unit]
