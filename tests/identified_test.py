"""Whether what was identified is worth using."""

import pytest

from h2o_jax.sim.identify.identified import Judged


@pytest.mark.parametrize(
    ("before", "after", "better"),
    [
        ({1: 0.2, 10: 0.5}, {1: 0.1, 10: 0.5}, True),
        ({1: 0.2, 10: 0.5}, {1: 0.1, 10: 0.51}, False),
        ({1: 0.2, 10: 0.5}, {1: 0.2, 10: 0.5}, False),
        ({1: 0.2}, {1: float("nan")}, False),
        ({}, {}, False),
    ],
)
def test_a_fit_is_better_somewhere_and_worse_nowhere(before, after, better):
    assert Judged(before, after).better is better


@pytest.mark.parametrize(
    ("before", "after", "as_good"),
    [
        ({1: 0.0, 10: 0.1}, {1: 5e-4, 10: 0.1}, True),
        ({1: 0.0, 10: 0.1}, {1: 0.0, 10: 0.11}, False),
        ({}, {}, False),
    ],
)
def test_rounding_makes_no_fit_worse(before, after, as_good):
    assert Judged(before, after).as_good is as_good
