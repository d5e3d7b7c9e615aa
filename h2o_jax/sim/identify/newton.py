r"""Where a fit really ends, and how sure it is: by the curvature of its cost.

Least squares takes residuals as straight lines of the fields. Under noise those of
contacts are not: friction then looks far better known than it is, and its fit stops on
the way. Here steps and intervals come from differences of the cost itself, 10 % apart:

.. math:: H_{ij} = \partial_i \partial_j \tfrac12 |f|^2, \quad
    z \leftarrow z - H^{-1} \nabla \tfrac12 |f|^2
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from h2o_jax.sim.identify import coordinates, fitting
from h2o_jax.sim.identify.fitting import Fit
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.windows import Windows

_STEP = 0.1
_ROUNDS = 4
_FLATTEST = 0.02
"""Least curvature, as a share of that of straight residuals."""
_FEW = 12
"""Fields up to which each pair's curvature is measured; of more, that of straight
residuals is taken, since the pairs grow with the square."""
_LONGEST = 0.5
"""Largest change of a coordinate at once."""


def refine(
    predict: Predictor,
    windows: Windows,
    fit: Fit,
    bounds: tuple[float, float],
    others: Mapping[str, float],
) -> Fit:
    """The fit carried on by Newton steps; intervals from the curvature of the cost.

    It has not converged where there is still a way down after the last of the rounds.

    Args:
        predict: the simulator.
        windows: that the fit belongs to.
        fit: where least squares ended.
        bounds: of all fields.
        others: fields that stay as they are.
    """
    if not fit.names:
        return fit
    z, n = fit.z, len(windows.first)
    low, high = coordinates.limits(fit.names, bounds)
    f = fitting.function(predict, windows, fit.names, others)
    for left in reversed(range(_ROUNDS)):
        here = f(z)
        slope, jac, curvature = _expand(f, fit.names, z, here)
        half = fitting.half_intervals(here, jac, n, curvature)
        step = np.clip(-np.linalg.solve(curvature, slope), -_LONGEST, _LONGEST)
        moved = _downhill(f, z, step, here, low, high)
        if moved is None or not left:
            break
        z = moved
    converged = fit.converged and moved is None
    bound = fitting.at_bounds(fit.names, z, bounds)
    return Fit(fit.names, z, half, bound, fitting.rms(here), converged)


def _expand(
    f: Callable[[Array], Array], names: Sequence[str], z: Array, here: Array
) -> tuple[Array, Array, Array]:
    """Slope `[p]` of half the sum of squares, jacobian of `f`, curvature `[p, p]`."""
    up, down, apart = fitting.around(f, names, z, _STEP)
    above, below = (np.array([_half(x) for x in side]) for side in (up, down))
    jac = np.stack([a - b for a, b in zip(up, down, strict=True)], axis=1) / apart
    straight, middle = jac.T @ jac, _half(here)
    curvature = straight.copy()
    # Residuals are taken as straight where the step down was cut short.
    whole = np.isclose(apart, 2 * _STEP)
    slope = np.where(whole, (above - below) / apart, jac.T @ here)
    bend = (above + below - 2 * middle) / _STEP**2
    np.fill_diagonal(curvature, np.where(whole, bend, np.diag(straight)))
    steps = _STEP * np.eye(len(z))
    for i, j in itertools.combinations(range(len(z)), 2) if len(z) <= _FEW else ():
        both = _half(f(z + steps[i] + steps[j]))
        bend = (both - above[i] - above[j] + middle) / _STEP**2
        curvature[i, j] = curvature[j, i] = bend
    return slope, jac, _bent(curvature, straight)


def _bent(curvature: Array, straight: Array) -> Array:
    """The curvature, in no direction below a share of that of straight residuals."""
    size, axes = np.linalg.eigh(straight)
    # Where no field is felt, any root will do: the slope is zero, too.
    root = axes * np.sqrt(np.maximum(size, 1e-12 * (size.max() or 1.0)))
    inverse = np.linalg.inv(root)
    size, axes = np.linalg.eigh(inverse @ curvature @ inverse.T)
    axes = root @ axes
    bent: Array = axes * np.maximum(size, _FLATTEST) @ axes.T
    return bent


def _downhill(
    f: Callable[[Array], Array],
    z: Array,
    step: Array,
    here: Array,
    low: Array,
    high: Array,
) -> Array | None:
    """Coordinates at the first of the whole, half and quarter step that fit better."""
    if np.abs(step).max() < 1e-3:
        return None
    for share in (1.0, 0.5, 0.25):
        moved = np.clip(z + share * step, low, high)
        if _half(f(moved)) < (1 - 1e-6) * _half(here):
            return moved
    return None


def _half(f: Array) -> float:
    return float(f @ f) / 2
