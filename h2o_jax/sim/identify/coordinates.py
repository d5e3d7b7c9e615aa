r"""Where least squares look for a field.

A scale by its logarithm. What is added may be 0, which has none, so by its share of a
typical value:

.. math:: z = \log x \quad \text{or} \quad z = x / x_{typical} - 1 \ge -1

Without the 1 a field that starts at 0 would not move: SciPy's first step is as long as
the start is far from 0.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from h2o_jax.sim import fields
from h2o_jax.sim.tasks.task import Array

_TINY = 1e-12
_FACTOR = 4.0


def of_values(values: Mapping[str, float]) -> Array:
    """`[p]` coordinates of fields; no scale is so small that it has none."""
    x, unit, added = np.array([*values.values()], float), *_units(values)
    z: Array = np.where(added, x / unit - 1, np.log(np.maximum(x, _TINY)))
    return z


def to_values(names: Iterable[str], z: Array) -> dict[str, float]:
    """Field -> value at coordinates `[p]`; no less than nothing is added."""
    names = tuple(names)
    unit, added = _units(names)
    x = np.where(added, unit * np.maximum(1 + z, 0), np.exp(np.where(added, 0.0, z)))
    return dict(zip(names, x.tolist(), strict=True))


def lowest(names: Iterable[str]) -> Array:
    """Coordinates `[p]` below which a field has no value."""
    _, added = _units(names)
    return np.where(added, -1.0, -np.inf)


def limits(names: Iterable[str], bounds: tuple[float, float]) -> tuple[Array, Array]:
    """Least and largest coordinates `[p]` of a fit.

    Args:
        names: fields.
        bounds: of scales; of what is added only the upper one, in typical values.
    """
    _, added = _units(names)
    low, high = bounds
    return np.where(added, -1, np.log(low)), np.where(added, high - 1, np.log(high))


def scattered(values: Mapping[str, float], shares: Array) -> Array:
    """Coordinates `[k, p]` for `shares [k, p]` in -1..1 of what is likely.

    Scales within a factor of 4 of these values; what is added up to 4 typical ones.
    """
    _, added = _units(values)
    around = of_values(values) + shares * np.log(_FACTOR)
    return np.where(added, (shares + 1) / 2 * _FACTOR - 1, around)


def within(
    values: Mapping[str, float], bounds: tuple[float, float]
) -> dict[str, float]:
    """The nearest values within the bounds of a fit."""
    z = np.clip(of_values(values), *limits(values, bounds))
    return to_values(values, z)


def _units(names: Iterable[str]) -> tuple[Array, Array]:
    """`[p]` typical values, and `[p]` bool whether a field is added."""
    every = [fields.find(name) for name in names]
    unit = np.array([field.typical for field in every])
    return unit, np.array([field.unit is not None for field in every], bool)
