"""How many control steps a command waits: what a log says of it.

Steps have no derivative, so that each number is tried.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from h2o_jax.sim.identify import fitting
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.windows import Windows

_LAGS = range(6)


def lags(own: int) -> list[int]:
    """Latencies that are tried: up to five steps, and the simulator's own."""
    return sorted({*_LAGS, own})


class Latency(NamedTuple):
    """The simulator's error with each latency."""

    errors: dict[int, float]
    """Control steps -> root mean square of the residuals."""
    best: int
    alike: tuple[int, ...]
    """Those that are not worse than the best in nearly all blocks of rows."""

    def tells(self, own: int) -> bool:
        """Whether the log rules out all but the best, or a simulator's own."""
        return self.alike == (self.best,) or own not in self.alike


def profile(
    predict: Predictor, chosen: Windows, values: Mapping[str, float]
) -> Latency:
    """The error with each latency.

    Args:
        predict: the simulator.
        chosen: windows; a command that comes late moves a noisy robot less in one step
            than the noise does, so that several steps tell more.
        values: of the other fields.
    """
    squares, tried = [], lags(predict.latency)
    for lag in tried:
        f = fitting.residuals(predict, chosen, {**values, "latency": float(lag)})
        squares.append(np.square(f).mean(axis=(1, 2)))
    mean = [float(x.mean()) for x in squares]
    best = int(np.argmin(mean))
    both = list(zip(tried, squares, strict=True))
    alike = tuple(lag for lag, x in both if not _worse(x - squares[best]))
    errors = {lag: math.sqrt(x) for lag, x in zip(tried, mean, strict=True)}
    return Latency(errors, tried[best], alike)


def _worse(more: Array) -> bool:
    """Whether errors of windows are larger, by `more`, in nearly all blocks of them."""
    blocks = np.array_split(more, fitting.BLOCKS)
    return sum(x.mean() > 0 for x in blocks) >= 0.9 * fitting.BLOCKS
