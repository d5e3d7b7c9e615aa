r"""Least squares over a simulator's fields, on windows of a log.

Residuals are in units of the log's own change and go through an arctangent, so that a
few contacts that jump do not own the fit; derivatives are central differences of 0.1
in `coordinates` (10 % of a scale), as those of small steps only see such jumps and
stall where they begin:

.. math:: f = c \arctan\frac{\hat s - s}{c \, \mathrm{rms}(s - s_0)}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.stats

from h2o_jax.sim import replay_log
from h2o_jax.sim.identify import coordinates
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.windows import Windows

BLOCKS = 20
"""Blocks of rows that intervals come from."""
_CAP = 0.3
_STEP = 0.1
_UNFELT = 1e-6
"""Size of a column of derivatives, over that of the largest, that tells nothing."""


def unit(windows: Windows) -> Array:
    """`[h, O]` rms of the log's change since a window's start.

    Infinite where nothing changes but by float32's rounding, so that it weighs nothing.
    """
    change = windows.logged - windows.start[:, None]
    size = np.sqrt(np.square(change).mean(axis=0))
    return np.where(replay_log.moves(size, windows.logged), size + 1e-6, np.inf)


def residuals(
    predict: Predictor, windows: Windows, values: Mapping[str, float]
) -> Array:
    """`[n, h, O]`; see the module."""
    replayed = predict.replayed(windows, values)
    error = (replayed.s_t - windows.logged) / unit(windows)
    # Physics that diverged, and began anew, is as wrong as can be from there on.
    error[np.logical_or.accumulate(replayed.unstable, axis=1)] = np.inf
    return _CAP * np.arctan(np.where(np.isnan(error), np.inf, error) / _CAP)


def rms(f: Array) -> float:
    """Root mean square of residuals, the cost of a fit."""
    return float(np.sqrt(np.square(f).mean()))


def function(
    predict: Predictor,
    windows: Windows,
    names: Sequence[str],
    others: Mapping[str, float],
) -> Callable[[Array], Array]:
    """The residuals `[n h O]` as a function of coordinates `z [p]`."""

    def f(z: Array) -> Array:
        values = coordinates.to_values(names, z)
        return residuals(predict, windows, {**others, **values}).ravel()

    return f


def jacobian(
    predict: Predictor,
    windows: Windows,
    names: Sequence[str],
    z: Array,
    others: Mapping[str, float],
    step: float = _STEP,
) -> Array:
    """`[n h O, p]` derivatives of the residuals by coordinates `z [p]`."""
    f = function(predict, windows, names, others)
    up, down, apart = around(f, names, z, step)
    return np.stack([a - b for a, b in zip(up, down, strict=True)], axis=1) / apart


def around(
    f: Callable[[Array], Array], names: Sequence[str], z: Array, step: float
) -> tuple[list[Array], list[Array], Array]:
    """Residuals a step above and below each coordinate, and how far apart, `[p]`.

    Less far where nothing is added, as no less can be.
    """
    below, above = np.maximum(z - step, coordinates.lowest(names)), z + step
    here = np.eye(len(z), dtype=bool)
    up, down = ([f(np.where(i, moved, z)) for i in here] for moved in (above, below))
    return up, down, above - below


class Fit(NamedTuple):
    """Where a fit ended."""

    names: tuple[str, ...]
    z: Array
    """`[p]` coordinates; see `coordinates`."""
    half: Array
    """`[p]` half of the 95 % interval of `z`; from blocks of rows."""
    bound: Array
    """`[p]` -1 or 1 at the lower or upper bound, else 0."""
    cost: float
    """Root mean square of the residuals."""
    converged: bool

    @property
    def values(self) -> dict[str, float]:
        """Field -> value."""
        return coordinates.to_values(self.names, self.z)


def fit(
    predict: Predictor,
    windows: Windows,
    start: Mapping[str, float],
    bounds: tuple[float, float],
    evaluations: int,
    others: Mapping[str, float] | None = None,
    tolerance: float = 1e-6,
) -> Fit:
    """Least squares from one start.

    Args:
        predict: the simulator.
        windows: of the log.
        start: field -> value to begin with.
        bounds: of all fields; see `coordinates`.
        evaluations: most evaluations but for derivatives.
        others: fields that stay as they are.
        tolerance: relative gain of the cost at which it ends. A standard error of a
            field changes the cost by no more than one part in the number of residuals.
    """
    names, fixed = tuple(start), others or {}
    low, high = coordinates.limits(names, bounds)
    f = function(predict, windows, names, fixed)
    if not names:
        none = np.zeros(0)
        return Fit((), none, none, none, rms(f(none)), True)
    found = scipy.optimize.least_squares(
        f,
        np.clip(coordinates.of_values(start), low, high),
        lambda z: jacobian(predict, windows, names, z, fixed),
        (low, high),
        xtol=1e-4,
        ftol=tolerance,
        max_nfev=evaluations,
    )
    return Fit(
        names,
        found.x,
        half_intervals(found.fun, found.jac, len(windows.first)),
        at_bounds(names, found.x, bounds),
        rms(found.fun),
        found.status > 0,
    )


def starts(
    values: Mapping[str, float], bounds: tuple[float, float], count: int, seed: int
) -> list[dict[str, float]]:
    """The values as given, then random ones within the bounds."""
    if not values:
        return [{}]
    rng = np.random.default_rng(seed)
    shares = rng.uniform(-1, 1, (count - 1, len(values)))
    random = coordinates.scattered(values, shares)
    every = np.vstack([coordinates.of_values(values), random])
    limits = coordinates.limits(values, bounds)
    return [coordinates.to_values(values, z) for z in np.clip(every, *limits)]


def at_bounds(names: Sequence[str], z: Array, bounds: tuple[float, float]) -> Array:
    """`[p]` -1 or 1 for coordinates at the lower or upper bound, else 0."""
    low, high = coordinates.limits(names, bounds)
    return (z > high - 5e-3) * 1 - (z < low + 5e-3) * 1


def half_intervals(
    f: Array, jac: Array, n: int, curvature: Array | None = None
) -> Array:
    """Sandwich over blocks of consecutive windows, `[p]` in coordinates.

    Neighbouring rows share what no field explains; intervals that take them as
    independent are two to four times narrower than the truth.

    Args:
        f: `[n h O]` residuals.
        jac: `[n h O, p]` their derivatives.
        n: windows.
        curvature: `[p, p]` of half the sum of squares; by default that of a fit whose
            residuals are straight.
    """
    p = jac.shape[1]
    pieces = zip(
        np.array_split(f.reshape(n, -1), BLOCKS),
        np.array_split(jac.reshape(n, -1, p), BLOCKS),
        strict=True,
    )
    scores = np.stack([np.einsum("wi,wip->p", r, j) for r, j in pieces])
    inverse = np.linalg.pinv(jac.T @ jac if curvature is None else curvature)
    spread = inverse @ (scores.T @ scores) @ inverse * BLOCKS / (BLOCKS - 1)
    variance = np.diag(spread)
    size = np.linalg.norm(jac, axis=0)
    unfelt = size <= _UNFELT * size.max(initial=0.0)
    # Below 0 by rounding, where the curvature tells next to nothing of a field.
    variance = np.where(unfelt | (variance < 0), np.inf, variance)
    return scipy.stats.t.ppf(0.975, BLOCKS - 1) * np.sqrt(variance)


def condition(jac: Array) -> tuple[float, Array]:
    """How far from proportional the columns are: 1 at best; and the worst mixture.

    Returns:
        The condition number of the columns at unit length, and `[p]` by how much
        each coordinate moves, the most being 1, in the mixture that the residuals
        tell least.
    """
    norm = np.maximum(np.linalg.norm(jac, axis=0), 1e-12)
    _, s, v = np.linalg.svd(jac / norm, full_matrices=False)
    mixture = np.abs(v[-1]) / norm
    return float(s[0] / max(s[-1], 1e-12)), mixture / mixture.max()
