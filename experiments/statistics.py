"""Statistics of few runs: intervals, interquartile means, who is better.

`[S]` are the scores of S seeds; a stratum is a task, whose seeds are drawn among
themselves. The percentile bootstrap of five seeds holds the true mean in 82 % of cases
where it promises 95 %, so that a mean over a task's few seeds has Student's interval
(94 %). Over several tasks the bootstrap is better, not good: of eight tasks of five
seeds it holds the interquartile mean in 91 %, of five tasks of three seeds in 87 %.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

LEVEL = 0.95
_RESAMPLES = 2000
_CUT = 0.25
"""Share of the scores that an interquartile mean leaves out at either end."""

Strata = Sequence[np.ndarray]


class Interval(NamedTuple):
    """A number and what it may be; nan where too few seeds tell."""

    value: float
    low: float
    high: float


def mean(scores: np.ndarray) -> Interval:
    r"""Mean `[S]` with Student's interval.

    .. math:: \bar x \pm t_{S - 1} \, s / \sqrt{S}
    """
    value = float(np.mean(scores))
    if len(scores) < 2:
        return Interval(value, np.nan, np.nan)
    half = float(
        scipy.stats.t.ppf((1 + LEVEL) / 2, len(scores) - 1) * scipy.stats.sem(scores)
    )
    return Interval(value, value - half, value + half)


def spread(
    scores: Sequence[float], digits: int = 1, sign: str = "+-", width: int = 0
) -> str:
    """Mean and standard deviation over seeds as text; of one seed, its score alone.

    Args:
        scores: of the seeds.
        digits: behind the point.
        sign: between the two numbers.
        width: of the mean, to which it is aligned on the right.
    """
    mean = f"{np.mean(scores):{width}.{digits}f}"
    return mean if len(scores) < 2 else f"{mean} {sign} {np.std(scores):.{digits}f}"


def best_so_far(values: Sequence[float], judged: Sequence[float]) -> list[float]:
    """At each place, the value where the judgement was highest until then."""
    found: list[float] = []
    value, highest = np.nan, -np.inf
    for one, score in zip(values, judged, strict=True):
        if score > highest:
            value, highest = one, score
        found.append(value)
    return found


def interquartile_mean(strata: Strata) -> Interval:
    """Mean of the middle half of all scores, with a stratified bootstrap interval.

    References:
        Agarwal et al., 2021 (arXiv 2108.13264).
    """

    def middle(*drawn: np.ndarray, axis: int = -1) -> Any:
        together = np.concatenate(drawn, axis=axis)
        return scipy.stats.trim_mean(together, _CUT, axis=axis)

    return _bootstrapped(middle, strata)


def improvement(ours: Strata, others: Strata) -> Interval:
    r"""Probability that a run of ours beats one of the others', mean over tasks.

    .. math:: P = \frac{1}{T} \sum_t \frac{U_t}{n_t m_t}

    with a tie counted half and a stratified bootstrap interval. An array that stands
    for several tasks, the very same object, is drawn once for all of them: the runs of
    a method that reads no simulator are the same at every gap.

    Args:
        ours: one `[S]` per task.
        others: of the same tasks; their seeds need not be as many.

    References:
        Agarwal et al., 2021 (arXiv 2108.13264).
    """
    strata = {id(x): x for x in (*ours, *others)}
    place = {key: i for i, key in enumerate(strata)}
    pairs = [(place[id(x)], place[id(y)]) for x, y in zip(ours, others, strict=True)]

    def probability(*drawn: np.ndarray, axis: int = -1) -> Any:
        by_task = [
            np.sign(drawn[i][..., :, None] - drawn[j][..., None, :]).mean(axis=(-2, -1))
            for i, j in pairs
        ]
        return (1 + np.mean(by_task, axis=0)) / 2

    return _bootstrapped(probability, list(strata.values()))


def _bootstrapped(statistic: Callable[..., Any], strata: Strata) -> Interval:
    """A statistic of strata, each of which is drawn from with replacement."""
    value = float(statistic(*strata))
    if min(map(len, strata)) < 2:
        return Interval(value, np.nan, np.nan)
    if np.ptp(np.concatenate(strata)) == 0:  # scipy warns of it
        return Interval(value, value, value)
    low, high = scipy.stats.bootstrap(
        tuple(strata),
        statistic,
        n_resamples=_RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(value, float(low), float(high))
