"""What a report computes, says and draws, without a training."""

import html

import numpy as np
import pytest

import h2o_jax
from experiments.reporting import figures, logs, numbers, page, robustness, verdict
from experiments.reporting.numbers import Bin
from experiments.reporting.page import Section, Table
from experiments.statistics import Interval

# --- numbers --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "simulated", "wanted"),
    [
        ([3, 4], [1, 2], 1.0),
        ([1, 2], [3, 4], 0.0),
        ([1, 1], [1], 0.5),
        # Pairs: 2 > 1, 2 = 2, 3 > 1, 3 > 2: 3.5 of 4.
        ([2, 3], [1, 2], 0.875),
    ],
)
def test_area_under_the_curve(real, simulated, wanted):
    assert numbers.area(np.array(real), np.array(simulated)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        ([2, 2, 2, 2], 1.0),
        ([0, 0, 0, 5], 0.25),
        # (1 + 3)^2 / (2 (1 + 9))
        ([1, 3], 0.8),
        ([0, 0], 0.0),
    ],
)
def test_effective_sample_size(weights, wanted):
    assert numbers.effective(np.array(weights)) == pytest.approx(wanted)


def test_calibration():
    probability = np.array([0.1, 0.12, 0.9, 0.94, 1.0])
    is_real = np.array([False, True, True, True, False])
    low, high = numbers.reliability(probability, is_real, bins=2)
    assert low == pytest.approx(Bin(0.11, 0.5, 2))
    assert high == pytest.approx(Bin(2.84 / 3, 2 / 3, 3))
    # (2 |.11 - .5| + 3 |.94667 - .66667|) / 5
    assert numbers.calibration_error([low, high]) == pytest.approx(0.324)


def test_where_a_policy_leaves_the_log(tiny_rows):
    log, policy = tiny_rows
    rows = logs.beyond(log, policy)
    # The log is 0, 2 and 4, 4: std 1 and 0; of four states one is above, by 3.
    np.testing.assert_allclose(rows, [[0, 0.25, 3], [0.5, 0, 1]])
    assert logs.advice(["x", "y"], rows).startswith(
        "Record episodes with x above what it has, y below what it has:"
    )
    assert logs.advice(["x", "y"], np.zeros((2, 3))).startswith("No observation leaves")


@pytest.fixture
def tiny_rows():
    def rows(s):
        s = np.array(s, np.float32)
        n = len(s)
        return h2o_jax.Transition(s, np.zeros((n, 1)), np.zeros(n), np.ones(n), s)

    return rows([[0, 4], [2, 4]]), rows([[5, 4], [1, 3], [1, 3], [1, 4]])


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (Interval(5, 4, 6), "more than its log's 3.0"),
        (Interval(2, 1, 2.5), "less than its log's 3.0"),
        (Interval(4, 1, 7), "not clearly more or less than its log's 3.0"),
        (Interval(4, np.nan, np.nan), "more than its log's 3.0, as far as one seed"),
        (Interval(1, np.nan, np.nan), "not more than its log's 3.0, as far as one"),
    ],
)
def test_a_return_beside_the_logs(found, wanted):
    assert verdict.beside(found, 3.0).startswith(wanted)


def test_what_draws_do_to_returns():
    said = robustness.sentence(np.array([4.0, 6.0]), np.array([1.0, 3.0, 8.0]))
    assert "In 3 simulators" in said and "earns 4.0 (1.0 to 8.0)" in said
    assert said.endswith("with the fitted values 5.0 (4.0 to 6.0).")


# --- the page -------------------------------------------------------------------


def test_every_text_stays_text():
    evil = "<script>alert(1)</script> & <b>"
    section = Section([evil], [evil], [Table((evil,), [(evil,)])])
    made = page.render(evil, evil, {evil: section})
    assert "<script" not in made and "<b>" not in made
    assert made.count(html.escape(evil, quote=False)) == 9


def test_labels_of_figures_stay_text_and_bytes_are_the_same():
    lines = [{"steps": i, "seed": s, "return": i + s} for i in (0, 1) for s in (0, 1)]
    one, two = (figures.curves({"<b>$x$": lines}, {"&": 1.0}, "y") for _ in range(2))
    assert one == two and one.startswith("<svg")
    assert "&lt;b&gt;$x$" in one and "<b>" not in one
