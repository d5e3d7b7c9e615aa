"""Packed rows: one layout for NumPy's and JAX's arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax import packing, with_next_action
from h2o_jax.types import Transition

OBS, A = 3, 2


def steps(*shape):
    """Every number differs."""
    sizes = (OBS,), (A,), (), (), (OBS,)
    shapes = [(*shape, *size) for size in sizes]
    starts = np.cumsum([0, *map(np.prod, shapes)])
    return Transition(
        *(
            np.arange(start, start + np.prod(s), dtype=np.float32).reshape(s)
            for start, s in zip(starts, shapes, strict=False)
        )
    )


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_pack_and_unpack_are_inverse(shape, kind):
    batch = jax.tree.map(kind, steps(*shape))
    rows = packing.pack(batch)
    assert rows.shape == (*shape, packing.width(OBS, A)) == (*shape, 2 * OBS + A + 2)
    assert_same(packing.unpack(rows, OBS, A), batch)
    complete = batch._replace(a_t=-batch.a_tm1)
    rows = packing.pack(complete)
    assert rows.shape == (*shape, 2 * OBS + 2 * A + 2)
    assert_same(packing.unpack(rows, OBS, A), complete)


def assert_same(ours, given):
    """The same numbers in the same kind of array."""
    assert jax.tree.structure(ours) == jax.tree.structure(given)
    assert jax.tree.map(type, ours) == jax.tree.map(type, given)
    jax.tree.map(np.testing.assert_array_equal, ours, given)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_the_next_action_is_known_only_where_the_log_goes_on(kind):
    log = steps(5)
    s_t = np.append(log.s_tm1[1:], log.s_tm1[:1], axis=0)
    s_t[2] += 1  # a stall, or the next episode
    log = jax.tree.map(kind, log._replace(s_t=s_t))
    a_t = with_next_action(log).a_t
    assert isinstance(a_t, type(log.a_tm1)) and a_t.dtype == np.float32
    a_t, actions = np.asarray(a_t), np.asarray(log.a_tm1)
    np.testing.assert_array_equal(a_t[[0, 1, 3]], actions[[1, 2, 4]])
    assert np.isinf(a_t[[2, 4]]).all()


def test_states_follow_each_other_as_float32():
    log = steps(5)
    exact = np.float64(log.s_tm1) + 1e-12  # as one that computes in float64 has it
    s_t = np.append(exact[1:], exact[:1], axis=0)
    a_t = with_next_action(log._replace(s_tm1=exact, s_t=np.float32(s_t))).a_t
    np.testing.assert_array_equal(a_t[:-1], log.a_tm1[1:])


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_a_log_of_one_row_has_no_next_action(kind):
    a_t = with_next_action(jax.tree.map(kind, steps(1))).a_t
    assert a_t.shape == (1, A) and np.isinf(a_t).all()


def test_fields_of_packed_numpy_rows_are_views():
    rows = packing.pack(steps(4))
    packing.unpack(rows, OBS, A).discount_t[...] = -1.0
    np.testing.assert_array_equal(packing.unpack(rows, OBS, A).discount_t, -np.ones(4))


def test_the_next_action_has_its_width():
    assert packing.width(OBS, A, next_action=True) == packing.width(OBS, A) + A
