"""Every check of `validation`, by example and by property."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2o_jax.data import validation
from h2o_jax.errors import DatasetError
from h2o_jax.types import Transition

pytestmark = pytest.mark.fault

N, OBS, A = 8, 3, 2
DIMS = {"obs_dim": OBS, "action_dim": A}


def steps(rows=N, **changes):
    rng = np.random.default_rng(0)
    fields = {
        "s_tm1": rng.normal(size=(rows, OBS)),
        "a_tm1": rng.uniform(-1, 1, (rows, A)),
        "r_t": rng.normal(size=rows),
        "discount_t": np.ones(rows),
        "s_t": rng.normal(size=(rows, OBS)),
    }
    return Transition(**fields | changes)


BAD = {
    "object": (steps(r_t=np.full(N, None)), "rewards holds object"),
    "text": (steps(r_t=np.full(N, "1")), "rewards holds <U1, not numbers"),
    "words": (
        steps(s_tm1=np.array([["1", "2", "3"]] * 7 + [["1", "oops", "3"]])),
        "observations_1, row 7: 'oops' is no number",
    ),
    "record": (steps(r_t=np.zeros(N, [("a", "f4")])), "rewards holds .*not numbers"),
    "complex": (steps(r_t=np.zeros(N, complex)), "rewards holds complex128"),
    "scalar": (steps(r_t=np.float32(0)), r"rewards has shape \(\)"),
    "rank": (steps(r_t=np.zeros((N, 1))), r"rewards has shape \(8, 1\)"),
    "width": (steps(s_tm1=np.zeros((N, 17))), r"\(8, 17\), the task wants \(N, 3\)"),
    "transposed": (steps(s_t=np.zeros((OBS, N))), "transpose it"),
    "flat": (steps(a_tm1=np.zeros(N)), r"actions has shape \(8,\)"),
    "length": (steps(r_t=np.zeros(N - 1)), "observations has 8 rows, rewards has 7"),
    "empty": (steps(0), "^log: 0 transitions, 1 are needed"),
    "huge": (steps(r_t=np.full(N, 1e39)), "rewards has 8 values.*finite in float32"),
    "sums": (
        steps(r_t=np.full(N, 1e19)),
        "rewards is 1e.19 in row 0, which no float32",
    ),
    "counts": (steps(r_t=np.full(N, 2**63)), "rewards is 9.223e.18 in row 0, which"),
    "discount": (steps(discount_t=np.full(N, 0.99)), "discounts is 0.99 in row 0"),
    "unscaled": (steps(a_tm1=np.full((N, A), 10.0)), "100% .*10.*action_bounds"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_in_one_line(name):
    transition, message = BAD[name]
    with pytest.raises(DatasetError, match=message) as caught:
        validation.validate(transition, "log", **DIMS)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("log: ") and "; " in str(caught.value)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i2", "u1", "?", ">f4"])
def test_any_number_becomes_float32(dtype):
    rewards = np.arange(N).astype(dtype)
    checked = validation.validate(steps(r_t=rewards), "log", **DIMS)
    assert all(x.dtype == np.float32 for x in jax.tree.leaves(checked))
    np.testing.assert_array_equal(checked.r_t, rewards.astype(np.float32))


def test_one_action_of_many_in_other_units_is_refused():
    """A hundredth of the values is far off, all of them in one column."""
    actions = np.full((N, 100), 0.5)
    actions[:, 42] = 30.0
    message = r"100% of the values in actions, column 42, lie .*from 30 to 30"
    with pytest.raises(DatasetError, match=message):
        validation.validate(steps(a_tm1=actions), "log", obs_dim=OBS, action_dim=100)


def test_rounded_actions_are_clipped():
    actions = np.full((N, A), 1 + 1e-6)
    checked = validation.validate(steps(a_tm1=actions), "log", **DIMS)
    assert checked.a_tm1.max() == 1


@pytest.mark.parametrize("rows", [1, 7, 8, 9])
def test_min_rows(rows):
    if rows < 8:
        with pytest.raises(DatasetError, match=f"{rows} transitions, 8 are needed"):
            validation.validate(steps(rows), "log", **DIMS, min_rows=8)
    else:
        validation.validate(steps(rows), "log", **DIMS, min_rows=8)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_finds_every_non_finite_value(data):
    """Key, count and first row are those of the values that were spoilt."""
    field = data.draw(st.sampled_from(["s_tm1", "a_tm1", "r_t", "s_t"]))
    values = getattr(steps(), field).copy()
    places = data.draw(st.sets(st.integers(0, values.size - 1), min_size=1))
    bad = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    values.flat[list(places)] = bad
    row, column = divmod(min(places), values.size // N)
    place = f"row {row}" + (f", column {column}" if values.ndim == 2 else "")
    message = f"{len(places)} values that are not finite.* first in {place};"
    with pytest.raises(DatasetError, match=message):
        validation.validate(steps(**{field: values}), "log", **DIMS)


def test_one_cell_that_would_flatten_its_column_is_refused_with_its_place():
    observations = steps(1000).s_tm1
    observations[17, 2] = 1e25
    # What a run with --normalise would have learned from: nothing.
    with np.errstate(over="ignore"):
        std = observations.astype(np.float32).std(axis=0)
    assert np.isinf(std[2]) and np.isfinite(std[:2]).all()
    message = "^log: observations is 1e.25 in row 17, column 2, which no float32 scale"
    with pytest.raises(DatasetError, match=message):
        validation.validate(steps(1000, s_tm1=observations), "log", **DIMS)
    observations[17, 2] = 1e15  # strange, but it has a scale
    validation.validate(steps(1000, s_tm1=observations), "log", **DIMS)
