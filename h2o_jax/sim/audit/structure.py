"""How errors hang on state and action: where they sit, and what explains them."""

import dataclasses

import numpy as np

from h2o_jax.sim.tasks.task import Array

CAP = 3.0
"""Errors beyond count as this much, so that a few hard contacts do not decide."""
_PLACES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles at which rows are split."""
_FEATURES = 300
_FITTED = 20_000
"""Rows that the smooth function is fitted to and tried on."""


@dataclasses.dataclass(frozen=True)
class Place:
    """The half-space of one state or action dimension in which the error is largest."""

    name: str
    """Such as `s[3]` or `a[0]`, counted from 0."""
    above: bool
    threshold: float
    share: float
    """Of the rows."""
    times: float
    """Mean error there over the mean of all rows."""

    def __str__(self) -> str:
        sign = ">" if self.above else "<"
        return (
            f"most where {self.name} {sign} {self.threshold:.3g} "
            f"({self.times:.1f} times the mean, {self.share:.0%} of the rows)"
        )


def place(at: dict[str, Array], size: Array) -> Place | None:
    """The split of one dimension with the largest mean error on one side.

    Args:
        at: letter -> `[m, D]` where the rows are.
        size: `[m]` their errors.
    """
    size = np.minimum(size, CAP)
    best, mean = None, max(float(size.mean()), 1e-300)
    for letter, values in at.items():
        for i, column in enumerate(values.T):
            for threshold in np.unique(np.quantile(column, _PLACES)):
                for above in (True, False):
                    inside = column > threshold if above else column < threshold
                    share = float(inside.mean())
                    if share < _PLACES[0] / 2:
                        continue
                    times = float(size[inside].mean()) / mean
                    if best is None or times > best.times:
                        name = f"{letter}[{i}]"
                        best = Place(name, above, float(threshold), share, times)
    return best if best is not None and best.times > 1.25 else None


def explained(inputs: Array, errors: Array) -> float:
    r"""Share of errors that a smooth function of the inputs explains, held out.

    Ridge regression on the inputs and on random features of them, tried on blocks of
    rows that it was not fitted to:

    .. math:: 1 - \sum |e - f(x)|^2 / \sum |e|^2

    A bias counts as explained; noise has 0, which is the least that is returned.

    Args:
        inputs: `[m, D]`.
        errors: `[m, O]`, capped at +-3.
    """
    chosen = spread(np.arange(len(errors)), _FITTED)
    inputs, errors = inputs[chosen], np.clip(errors[chosen], -CAP, CAP)
    x = (inputs - inputs.mean(axis=0)) / positive(inputs)
    m, d = x.shape
    rng = np.random.default_rng(0)
    weights = rng.normal(0.0, 1.0 / np.sqrt(d), (d, min(_FEATURES, m // 20)))
    hidden = np.tanh(x @ weights + rng.uniform(-2, 2, weights.shape[1]))
    features = np.concatenate([np.ones((m, 1)), x, hidden], axis=1)
    held_out = np.arange(m) // max(1, min(200, m // 10)) % 5 == 4
    fit, y = features[~held_out], errors[~held_out]
    ridge = 1e-3 * len(fit) * np.eye(features.shape[1])
    solution = np.linalg.solve(fit.T @ fit + ridge, fit.T @ y)
    rest = errors[held_out] - features[held_out] @ solution
    total = max(float(np.sum(errors[held_out] ** 2)), 1e-300)
    return max(0.0, 1.0 - float(np.sum(rest**2)) / total)


def spread(rows: Array, count: int) -> Array:
    """At most `count` of the rows, a sample with a fixed seed, in their order."""
    if len(rows) <= count:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, count, replace=False))


def of_rows(errors: Array) -> Array:
    """Root mean square over dimensions, `[m]`, of errors `[m, O]`."""
    return np.asarray(np.sqrt(np.mean(errors**2, axis=1)))


def positive(values: Array) -> Array:
    """Std over rows; 1 for what never changes."""
    std = np.asarray(values, np.float64).std(axis=0)
    return np.where(std > 0, std, 1.0)
