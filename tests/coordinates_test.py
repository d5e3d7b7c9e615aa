"""Where least squares look for a field: hand-worked places, and there and back."""

import math

import numpy as np
import pytest

from h2o_jax.sim.identify import coordinates, fitting

MIXED = {"gravity": 2.0, "dry_friction": 0.1, "joint_spring:bfoot": 0.0}


def test_places_by_hand():
    z = coordinates.of_values(MIXED)
    np.testing.assert_allclose(z, [math.log(2), 1, -1])
    assert coordinates.to_values(MIXED, z) == pytest.approx(MIXED)
    none = coordinates.to_values(MIXED, np.array([0.0, -1.2, 0.0]))
    assert [*none.values()] == [1, 0, 0.5]
    assert not coordinates.of_values({}).size


def test_limits_by_hand():
    low, high = coordinates.limits(MIXED, (0.1, 5.0))
    np.testing.assert_allclose(low, [math.log(0.1), -1, -1])
    np.testing.assert_allclose(high, [math.log(5), 4, 4])
    far = {"gravity": 0.0, "dry_friction": 9.0}
    near = coordinates.within(far, (0.1, 5.0))
    assert near == pytest.approx({"gravity": 0.1, "dry_friction": 0.25})


def test_random_starts_reach_from_none_to_four_typical_values():
    shares = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 0.0]])
    few, many = coordinates.scattered(MIXED, shares)
    assert coordinates.to_values(MIXED, few) == pytest.approx(
        {"gravity": 0.5, "dry_friction": 0, "joint_spring:bfoot": 0}
    )
    assert coordinates.to_values(MIXED, many) == pytest.approx(
        {"gravity": 8, "dry_friction": 0.2, "joint_spring:bfoot": 1}
    )


@pytest.mark.parametrize("z", [-1.0, -0.96, -0.9, 0.5])
def test_derivatives_stop_at_none(z):
    """Of a straight line, wherever it begins."""

    def f(z):
        (value,) = coordinates.to_values(("dry_friction",), z).values()
        return np.array([3.0, -2.0]) * value

    names = ("dry_friction",)
    (up,), (down,), apart = fitting.around(f, names, np.array([z]), 0.1)
    np.testing.assert_allclose((up - down) / apart, [0.15, -0.1])
