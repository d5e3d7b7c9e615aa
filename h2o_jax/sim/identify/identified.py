"""What the fit of a simulator's fields to a log found."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from h2o_jax.sim.fields import Value
from h2o_jax.sim.identify import coordinates, joint_limits
from h2o_jax.sim.identify.fitting import Fit
from h2o_jax.sim.identify.latencies import Latency

_ROUNDING = 1e-3
"""Difference of two errors that says nothing."""


class Judged(NamedTuple):
    """Error on held-out episodes, in std of the log's change."""

    before: dict[int, float]
    """Steps -> error of the simulator that was given; empty: nothing was judged."""
    after: dict[int, float]

    @property
    def better(self) -> bool:
        """Better after some number of steps, and worse after none."""
        return any(x > 0 for x in self._gains) and all(x >= 0 for x in self._gains)

    @property
    def as_good(self) -> bool:
        """At no number of steps is it worse by more than rounding."""
        return bool(self.before) and all(x >= -_ROUNDING for x in self._gains)

    @property
    def _gains(self) -> list[float]:
        return [self.before[steps] - self.after[steps] for steps in self.before]


class Identified(NamedTuple):
    """What was found."""

    values: tuple[Value, ...]
    """Every field that is known now, those of a simulator file of --gap included."""
    fit: Fit
    starts: tuple[Fit, ...]
    """Where each start ended on one step, that of --gap first."""
    sensitivity: dict[str, float]
    """Field -> change of one step's prediction per e-fold, or per typical value of what
    is added, in std of the log's."""
    condition: float
    """Of the fields that were fitted, where the fit began."""
    left_alone: dict[str, str]
    """Field -> why it was not fitted."""
    latency: Latency | None
    action_noise: float | None
    sensor_noise: float
    """Share of the observations' std; 0 where none is found."""
    judged: Judged
    episodes: tuple[int, int]
    """Fitted, and held out."""

    @property
    def better(self) -> bool:
        """Whether to use it: it predicts better, or as well and with its noise found.

        Predictions are made without noise, so they cannot show it.
        """
        told = self.action_noise is not None
        return self.judged.better or (told and self.judged.as_good)

    @property
    def at_bound(self) -> list[str]:
        """Fields that ended at a bound; others make up for them, so trust none."""
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


def values(
    given: Mapping[str, Value],
    held: Mapping[str, float],
    found: Identified,
    bounds: tuple[float, float],
) -> tuple[Value, ...]:
    """Every known field with its interval, those given first.

    Args:
        given: those of a simulator file that was fitted further.
        held: what no fit tells: 0 where nothing is added, else a limit that the log
            does not meet, of which only the lower bound is known.
        found: the rest.
        bounds: of the fit, which no interval leaves.
    """
    known = dict(given)
    for name, x in held.items():
        if x:
            known[name] = Value(name, x, x / joint_limits.BEYOND, max(x, bounds[1]))
        elif name in known:  # what the file adds would stay otherwise
            known[name] = Value.exactly(name, 0.0)
    fit = found.fit
    limits = coordinates.limits(fit.names, bounds)
    lows, highs = (
        coordinates.to_values(fit.names, np.clip(fit.z + side * fit.half, *limits))
        for side in (-1, 1)
    )
    for name, value in fit.values.items():
        known[name] = Value(name, value, lows[name], highs[name])
    late = found.latency
    if late and "latency" not in found.left_alone:
        low, high = min(late.alike), max(late.alike)
        known["latency"] = Value("latency", float(late.best), float(low), float(high))
    if found.action_noise is not None:
        known["action_noise"] = Value.exactly("action_noise", found.action_noise)
    return tuple(known.values())
