"""Limits of a log's actions, and its rate, against those of the drawing."""

import pytest

from experiments import data, motors
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.data.signals import Signal
from h2o_jax.sim import tasks

HOPPER = tasks.get("hopper")
"""Its motors go from -1 to 1, with a gear of 200."""


def doubts(low, high, unit, task=HOPPER):
    first = Signal("cmd", unit, low, high)
    others = (Signal("x", "", -1.0, 1.0),) * 2
    file = ColumnsFile((), (first, *others), path="columns.toml")
    return motors.doubts(task, file, "modern")


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [
        (-1.0, 1.0, ""),
        (-200.0, 200.0, "N m"),  # at the joint
        (-12.0, 12.0, "A"),  # the drawing counts in another unit
        (-1.01, 1.0, "N m"),
    ],
)
def test_limits_that_fit(low, high, unit):
    assert doubts(low, high, unit) == []


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [(0.0, 2.0, "rad"), (0.0, 12.0, "A"), (-0.9, 0.9, "N m"), (-0.9, 0.9, "Nm")],
)
def test_limits_that_ask_for_another_command(low, high, unit):
    (line,) = doubts(low, high, unit)
    said = f"cmd has limits {low:g} and {high:g} {unit} in columns.toml, its motor -1 "
    assert line.startswith(said) and line.endswith("mend one of them")


def test_where_nothing_says_limits_there_is_no_doubt():
    assert motors.doubts(HOPPER, None, "modern") == []
    timeless = tasks.get("gymnasium:MountainCarContinuous-v0")
    assert doubts(0.0, 2.0, "rad", timeless) == []


@pytest.mark.parametrize(("rate", "said"), [(50, 0), (50.5, 0), (100, 1)])
def test_two_rates(rate, said):
    lines = data.two_rates(rate, 50.0)
    assert len(lines) == said
    assert all(x.startswith("the log has 100 rows per second, the t") for x in lines)
