"""The stages of one identification: what a log tells, its fits, what they found."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields, windows
from h2o_jax.sim.identify import (
    coordinates,
    fitting,
    identified,
    joint_limits,
    latencies,
    log_noise,
    newton,
    telling,
)
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.identify.fitting import Fit
from h2o_jax.sim.identify.identified import Identified, Judged
from h2o_jax.sim.identify.latencies import Latency
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.windows import Rows

_HORIZONS = (1, 10)
"""Steps at which simulators are judged."""
_WITHIN = 1.1
"""How far a log goes beyond a limit that is wrong, over the limit: limits are soft."""
_COARSE = 1e-4
"""Tolerance of the fits that only choose a start."""


class _Told(NamedTuple):
    """What a log tells of the fields that are asked for, before any fit."""

    values: dict[str, float]
    """Fields that are fitted, where they begin."""
    others: dict[str, float]
    """The latency to begin with, if one is looked for."""
    held: dict[str, float]
    """Limits of joints that were moved to the log's end, and stay there."""
    left: dict[str, str]
    """Field -> why it is left alone."""
    sensitivity: dict[str, float]
    condition: float


class _Found(NamedTuple):
    """Where fits ended."""

    starts: tuple[Fit, ...]
    """Of each start, on one step."""
    fit: Fit
    held: dict[str, float]
    """Fields that no fit tells, with the values that they have instead."""


class Search(NamedTuple):
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
        told = self.told()
        found = self.present(told.values, told.others, told.held)
        latency, others = None, told.others
        if self.late:
            latency, others, found = self.settled(others, found)
        return self.result(told, found, latency, others)

    def told(self) -> _Told:
        """What the log tells where the fit begins.

        Where it goes far beyond a joint's limits these are moved to its end, though few
        windows feel them.

        Raises:
            ConfigError: all fields are silent.
        """
        given, few, others = self.begin(), self.few(), dict[str, float]()
        begin = joint_limits.begun(self.predict, self.rows, few, given, self.how.bounds)
        if self.late:
            others["latency"] = float(self.profile(begin).best)
        sensitivity, condition, silent = telling.tellable(
            self.predict, few, begin, others
        )
        ends = {name: begin[name] for name in silent}
        ends |= self.unmet([*ends], {**others, **begin})
        held = {name: x for name, x in ends.items() if x > _WITHIN * given[name]}
        if {*silent} == {*self.how.fields} and not held:
            raise ConfigError(
                f"--fields={','.join(silent)}: changes nothing in this log; name others"
            )
        values = {name: x for name, x in begin.items() if name not in silent}
        left = {name: why for name, why in silent.items() if name not in held}
        return _Told(values, others, held, left, sensitivity, condition)

    def result(
        self,
        told: _Told,
        found: _Found,
        latency: Latency | None,
        others: Mapping[str, float],
    ) -> Identified:
        """What was found, noise and errors on held-out episodes included."""
        predict, asked, left = self.predict, self.how.fields, dict(told.left)
        if "latency" in asked and "latency" not in others:
            left["latency"] = _silent(latency, predict.latency)
        absent = [name for name, x in found.held.items() if not x]
        left |= dict.fromkeys(absent, "none is seen in this log")
        known = {**found.fit.values, **others, **found.held}
        noise, why = self.action_noise(known)
        if why:
            left["action_noise"] = why
        result = Identified(
            values=(),
            fit=found.fit,
            starts=found.starts,
            sensitivity=told.sensitivity,
            condition=told.condition,
            left_alone=left,
            latency=latency,
            action_noise=noise,
            sensor_noise=log_noise.of_sensors(predict, self.rows, known),
            judged=self.judge(known),
            episodes=self.rows.episodes,
        )
        given = predict.known, found.held
        values = identified.values(*given, result, self.how.bounds)
        return result._replace(values=values)

    def settled(
        self, others: dict[str, float], found: _Found
    ) -> tuple[Latency, dict[str, float], _Found]:
        """The latency with the fields that were fitted; these again if it changed.

        The simulator keeps its own where that may be right.
        """
        latency = self.profile({**found.fit.values, **found.held})
        own, tells = self.predict.latency, latency.tells(self.predict.latency)
        best = latency.best if tells else own
        if others["latency"] != best:
            others = {**others, "latency": float(best)}
            found = self.present(found.fit.values, others, found.held)
        return latency, others if tells else {}, found

    def begin(self) -> dict[str, float]:
        """The fields of the model that are asked for, as the simulator has them."""
        asked = {name: fields.find(name) for name in self.how.fields}
        given = {
            name: self.predict.given.get(name, field.neutral)
            for name, field in asked.items()
            if field.arrays
        }
        return coordinates.within(given, self.how.bounds)

    def action_noise(self, known: Mapping[str, float]) -> tuple[float | None, str]:
        """Std of the noise on actions, if asked for, or why none is told."""
        if "action_noise" not in self.how.fields:
            return None, ""
        std, why = log_noise.of_actions(self.predict, self.rows, known)
        if std is None:
            return None, why
        if std > self.predict.action_noise and not self.named:
            why = f"{std:.2g} of it, or what acts like it; name the field to add it"
            return None, why
        return std, ""

    def present(
        self,
        known: Mapping[str, float],
        others: Mapping[str, float],
        held: Mapping[str, float],
    ) -> _Found:
        """Fits without what a fit cannot tell, which is held from there on.

        What is added and ends at 0 is held there; a limit that no row meets is held
        just beyond the log.
        """
        held = dict(held)
        starts, fit = self.fits(known, {**others, **held})
        while out := self.untold(fit, {**others, **held}):
            held |= out
            left = {name: x for name, x in fit.values.items() if name not in out}
            starts, fit = self.fits(left, {**others, **held})
        return _Found(starts, fit, held)

    def untold(self, fit: Fit, others: Mapping[str, float]) -> dict[str, float]:
        """Fields of a fit that it cannot tell, with the values that they are given."""
        absent = dict.fromkeys(_absent(fit), 0.0)
        return absent or self.unmet(fit.names, {**others, **fit.values})

    def unmet(
        self, names: Sequence[str], values: Mapping[str, float]
    ) -> dict[str, float]:
        """See `joint_limits`."""
        return joint_limits.unmet(self.predict, self.rows, self.lead, names, values)

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
        return ended, newton.refine(predict, chosen, fit, how.bounds, others)

    def profile(self, values: Mapping[str, float]) -> Latency:
        """By windows of several steps where there are some."""
        long = self.pick(self.how.long_windows, self.how.long_steps)
        chosen = long if _many(long) else self.few()
        return latencies.profile(self.predict, chosen, values)

    def judge(self, known: Mapping[str, float]) -> Judged:
        """One and ten steps in held-out episodes, before and after."""
        before, after = {}, {}
        for steps in _HORIZONS:
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


def _silent(latency: Latency | None, own: int) -> str:
    """Why a log does not tell the latency, where it does not."""
    if latency is None:
        return "too few rows of the log follow each other"
    alike = " or ".join(map(str, latency.alike))
    return f"{alike} steps fit alike, and it has {own}"


def _many(chosen: windows.Windows) -> bool:
    """Whether there are enough windows of several steps to fit to."""
    return len(chosen.first) >= windows.LEAST // 2


def _absent(fit: Fit) -> list[str]:
    """Fields that are added to the model, of which the log wants none."""
    ended = zip(fit.names, fit.bound, strict=True)
    return [name for name, end in ended if end < 0 and fields.find(name).unit]
