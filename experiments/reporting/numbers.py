"""How well classifiers tell two kinds of rows apart, and what weights are worth."""

from typing import NamedTuple

import numpy as np
import scipy.stats

Array = np.ndarray


class Bin(NamedTuple):
    """Rows to which a classifier gives about the same probability."""

    predicted: float
    """Their mean probability of being real."""
    observed: float
    """Share of them that is."""
    rows: int


def area(real: Array, simulated: Array) -> float:
    r"""Area under the curve: how often a real row scores above a simulated one.

    .. math:: P(x > y) + \tfrac{1}{2} P(x = y)

    0.5 where the scores tell nothing, 1 where they tell every pair.

    Args:
        real: `[n]` scores.
        simulated: `[m]` scores.
    """
    ranks = scipy.stats.rankdata(np.concatenate([real, simulated]))
    n, m = len(real), len(simulated)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def effective(weights: Array) -> float:
    r"""Effective sample size as a share of the rows `[n]`.

    .. math:: \frac{(\sum_i w_i)^2}{n \sum_i w_i^2}

    1 where all weigh the same, 1/n where one row has all the weight; 0 for no weight.
    """
    squares = float(np.sum(np.square(weights, dtype=float)))
    total = float(np.sum(weights, dtype=float))
    return total**2 / (len(weights) * squares) if squares else 0.0


def reliability(probability: Array, is_real: Array, bins: int = 10) -> list[Bin]:
    """Predicted against observed shares, in equal bins of probability; empty ones none.

    Args:
        probability: `[n]` of being real.
        is_real: `[n]` bool.
        bins: how many.
    """
    place = np.minimum((probability * bins).astype(int), bins - 1)
    return [
        Bin(
            float(probability[place == i].mean()),
            float(is_real[place == i].mean()),
            int(np.sum(place == i)),
        )
        for i in np.unique(place)
    ]


def calibration_error(found: list[Bin]) -> float:
    """Mean distance of predicted and observed shares, each bin by its rows."""
    rows = [x.rows for x in found]
    return float(
        np.average([abs(x.predicted - x.observed) for x in found], weights=rows)
    )
