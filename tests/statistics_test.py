"""Statistics of few runs against numbers worked by hand and by others."""

import numpy as np
import pytest

from experiments import statistics


def test_student_interval_of_a_mean():
    # Mean 3, s = sqrt(2.5), t(.975, 4) = 2.776: 3 +- 2.776 sqrt(2.5 / 5) = 1.963.
    found = statistics.mean(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert found == pytest.approx((3.0, 1.037, 4.963), abs=1e-3)
    alone = statistics.mean(np.array([7.0]))
    assert alone.value == 7.0 and np.isnan(alone.low) and np.isnan(alone.high)


def test_interquartile_mean_leaves_a_quarter_out_at_either_end():
    # Of 0 to 7 the middle four are 2, 3, 4 and 5, whichever task they are of.
    strata = [np.array([0.0, 7.0, 2.0, 5.0]), np.array([1.0, 6.0, 3.0, 4.0])]
    assert statistics.interquartile_mean(strata).value == 3.5
    outlier = [np.array([0.0, 7000.0, 2.0, 5.0]), strata[1]]
    assert statistics.interquartile_mean(outlier).value == 3.5


def test_the_bootstrap_draws_each_task_among_its_own_seeds():
    """With equal seeds in each task there is nothing to draw: no spread at all.

    Were seeds drawn from all tasks together, the interval would reach from 0 to 10.
    """
    strata = [np.full(4, x) for x in (0.0, 5.0, 5.0, 10.0)]
    assert statistics.interquartile_mean(strata) == (5.0, 5.0, 5.0)


def test_the_bootstrap_agrees_with_a_plain_one():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(10, 6)) + np.arange(6)  # seeds, tasks
    index = rng.integers(0, 10, (4000, 10, 6))
    drawn = np.take_along_axis(scores[None], index, 1).reshape(4000, -1)
    drawn.sort(axis=1)
    low, high = np.quantile(drawn[:, 15:45].mean(axis=1), [0.025, 0.975])
    found = statistics.interquartile_mean(list(scores.T))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05)
    assert found.low < found.value < found.high


def test_probability_of_improvement():
    # Task 1: of 2 x 2 pairs three are won and one is a tie: 3.5 / 4. Task 2: one of 2.
    ours = [np.array([2.0, 3.0]), np.array([1.0])]
    others = [np.array([2.0, 1.0]), np.array([0.0, 2.0])]
    found = statistics.improvement(ours, others)
    assert found.value == pytest.approx((3.5 / 4 + 1 / 2) / 2)
    assert np.isnan(found.low)  # one seed
    assert statistics.improvement([others[0]], [ours[0]]).value == 0.5 / 4


def test_runs_that_stand_for_several_tasks_are_drawn_once():
    """The same array in every task: the interval covers what it should."""
    rng = np.random.default_rng(0)
    once, anew = [], []
    for _ in range(150):
        shared = rng.normal(size=5)
        ours = [rng.normal(size=5) for _ in range(5)]
        copies = [shared.copy() for _ in ours]
        once.append(statistics.improvement(ours, [shared] * 5))
        anew.append(statistics.improvement(ours, copies))
    assert [x.value for x in once] == pytest.approx([x.value for x in anew])
    inside, outside = (
        np.mean([x.low <= 0.5 <= x.high for x in found]) for found in (once, anew)
    )
    # Drawn anew in each task, the shared runs look like five times as many.
    assert inside > 0.85 > 0.8 > outside


def test_who_always_wins_has_a_narrow_interval():
    better = [np.array([5.0, 6.0, 7.0])]
    worse = [np.array([1.0, 2.0])]
    assert statistics.improvement(better, worse) == (1.0, 1.0, 1.0)
    assert statistics.improvement(worse, better) == (0.0, 0.0, 0.0)


def test_coverage_of_the_interval_of_a_mean():
    """Student's holds what it promises with five seeds, to two standard errors."""
    rng = np.random.default_rng(0)
    intervals = [statistics.mean(rng.normal(size=5)) for _ in range(2000)]
    inside = np.mean([x.low < 0 < x.high for x in intervals])
    assert inside == pytest.approx(0.95, abs=0.01)


def test_the_spread_of_one_seed_is_none():
    assert statistics.spread([1.26]) == "1.3"
    assert statistics.spread([1.0, 3.0], digits=2, sign="±") == "2.00 ± 1.00"
    assert statistics.spread([1.0, 3.0], width=6) == "   2.0 +- 1.0"


def test_the_best_so_far_is_by_another_judgement():
    judged = [np.nan, 2.0, 1.0, 2.0, 3.0]
    found = statistics.best_so_far([5.0, 1.0, 9.0, 8.0, 0.0], judged)
    assert np.isnan(found[0]) and found[1:] == [1.0, 1.0, 1.0, 0.0]
