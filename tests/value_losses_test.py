"""State-value losses: hand-worked numbers, float64 NumPy, limits, hostile inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2o_jax import value_losses
from h2o_jax.types import Hyper
from tests.strategies import floats, quick

N = 16
rows = floats(N, -50, 50)

expectile = jax.jit(value_losses.expectile)
sparse = jax.jit(value_losses.sparse)
exponential = jax.jit(value_losses.exponential)
backbones = pytest.mark.parametrize("name", value_losses.BACKBONES)


def _total(name):
    return lambda q, v: value_losses.BACKBONES[name].value_loss(q, v, Hyper()).sum()


LOSSES = {
    name: jax.jit(lambda q, v, loss=backbone.value_loss: loss(q, v, Hyper()))
    for name, backbone in value_losses.BACKBONES.items()
}
GRADIENTS = {
    name: jax.jit(jax.grad(_total(name), argnums=(0, 1)))
    for name in value_losses.BACKBONES
}


def test_expectile_by_hand():
    # y = 3 - 1 = 2: 0.7 * 4 = 2.8.  y = 1 - 3 = -2: 0.3 * 4 = 1.2.  y = 0: 0.
    q, v = jnp.array([3.0, 1.0, 5.0]), jnp.array([1.0, 3.0, 5.0])
    np.testing.assert_allclose(expectile(q, v, 0.7), [2.8, 1.2, 0.0], rtol=1e-6)


def test_sparse_by_hand():
    # alpha = 2.  y = 4: z = 1 + 4/4 = 2, 4 - 4/2 = 2.  y = -2: z = 1/2, 1/4 + 1.
    # y = -6: z = -1/2 is out, 0 + 3.
    q, v = jnp.array([5.0, 0.0, -6.0]), jnp.array([1.0, 2.0, 0.0])
    np.testing.assert_allclose(sparse(q, v, 2.0), [2.0, 1.25, 3.0], rtol=1e-6)


def test_exponential_by_hand():
    # scale 2, so z = 1, -1, 0 and m = 1; with e = exp(1):
    # exp(0) - 2/e, exp(-2) + 0/e, exp(-1) - 1/e = 0.
    q, v = jnp.array([2.0, 0.0, 1.0]), jnp.array([0.0, 2.0, 1.0])
    expected = [1 - 2 / np.e, np.exp(-2), 0.0]
    np.testing.assert_allclose(exponential(q, v, 2.0, 5.0), expected, atol=1e-7)


@quick
@given(q=rows, v=rows, tau=st.floats(0.01, 0.99))
def test_expectile_oracle(q, v, tau):
    y = q.astype(np.float64) - v
    expected = np.where(y > 0, tau, 1 - tau) * y**2
    np.testing.assert_allclose(expectile(q, v, tau), expected, rtol=1e-4, atol=1e-5)


@quick
@given(q=rows, v=rows, alpha=st.floats(0.25, 4))
def test_sparse_is_four_times_ivrs_form(q, v, alpha):
    """IVR: 1(z > 0) z^2 - y/al with z = y/al + 1/2, al = 4 alpha; ours is 4 of it."""
    y, al = q.astype(np.float64) - v, 4 * alpha
    z = y / al + 0.5
    expected = 4 * ((z > 0) * z**2 - y / al)
    np.testing.assert_allclose(
        sparse(q, v, alpha), expected, rtol=1e-4, atol=1e-4 / alpha**2
    )


@quick
@given(q=rows, v=rows, scale=st.floats(1, 8), clip=st.floats(1, 7))
def test_exponential_is_the_plain_form_divided_by_exp_m(q, v, scale, clip):
    z = np.minimum((q.astype(np.float64) - v) / scale, clip)
    shrink = np.exp(max(z.max(), -1))
    expected = (np.exp(z) - z - 1) / shrink
    ours = exponential(q, v, scale, clip)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tail", [0.0, 1.0])
def test_exponential_without_a_clip_is_finite(tail):
    """exp(100) is no float32; nothing is beyond such a clip."""
    q, v = jnp.array([2.0, 0.0, 1.0]), jnp.array([0.0, 2.0, 1.0])
    of = jax.value_and_grad(lambda v: exponential(q, v, 2.0, 100.0, tail).sum())
    value, gradient = of(v)
    assert value == pytest.approx(1 - 2 / np.e + np.exp(-2), abs=1e-6)
    assert np.isfinite(gradient).all()


def test_exponential_gradient_is_the_plain_one_divided_by_exp_m():
    q, v = np.linspace(-4, 9, 28), np.linspace(1, -1, 28)
    z = (q - v) / 2
    # d/dv [exp(z) - z - 1] = (1 - exp(z)) / scale below the clip, and none above.
    expected = np.where(z < 4, (1 - np.exp(z)) / 2, 0) / np.exp(4)
    gradient = jax.grad(lambda v: exponential(jnp.array(q), v, 2.0, 4.0).sum())
    np.testing.assert_allclose(gradient(jnp.array(v)), expected, atol=1e-6)


def test_exponential_tail_is_continuous_and_bounded():
    """Across the clip at z = 3 the loss and its slope join; far above it is linear."""
    y = jnp.array([2.999, 3.001, 10.0, 20.0, 1e6])

    def loss(v):
        return exponential(y, v, 1.0, 3.0, 1.0)

    values, slopes = loss(jnp.zeros(5)), jax.grad(lambda v: loss(v).sum())(jnp.zeros(5))
    assert values[1] - values[0] == pytest.approx(0.002, rel=0.1)
    # The slope at the clip, (1 - exp(3)) / exp(m), m = 3, is kept for ever.
    np.testing.assert_allclose(slopes, np.full(5, np.exp(-3) - 1), rtol=2e-3)
    assert values[3] - values[2] == pytest.approx(10 * (1 - np.exp(-3)), rel=1e-5)


def test_rows_above_the_clip_by_hand():
    # (9 - 1) / 2 is 4, the clip itself; (10 - 1) / 2 = 4.5; (1 + 8) / 2 = 4.5; 0.
    q, v = jnp.array([9.0, 10.0, 1.0, 4.0]), jnp.array([1.0, 1.0, -8.0, 4.0])
    above = value_losses.clipped(q, v, 2.0, 4.0)
    np.testing.assert_array_equal(above, [False, True, True, False])


def test_expectile_of_one_half_is_half_the_squared_error():
    q, v = jnp.linspace(-3, 3, N), jnp.zeros(N)
    np.testing.assert_allclose(expectile(q, v, 0.5), q**2 / 2, rtol=1e-6)


@backbones
@quick
@given(q=rows, v=rows)
def test_gradient_reaches_v_only(name, q, v):
    to_q, to_v = GRADIENTS[name](q, v)
    assert not to_q.any()
    assert np.isfinite(to_v).all()


@backbones
@quick
@given(q=rows, v=rows, order=st.permutations(range(N)))
def test_batch_permutation(name, q, v, order):
    order = np.array(order)
    loss = np.asarray(LOSSES[name](q, v))
    np.testing.assert_array_equal(LOSSES[name](q[order], v[order]), loss[order])


@backbones
def test_v_between_the_values_is_pulled_both_ways(name):
    """A value below q costs less when raised, one above it when lowered."""
    _, slope = GRADIENTS[name](jnp.array([1.0, -1.0]), jnp.zeros(2))
    assert slope[0] < 0 < slope[1]


@pytest.mark.fault
@backbones
@pytest.mark.parametrize("size", [1e4, -1e4, 1e8, -1e8])
def test_hostile_values_stay_finite(name, size):
    q, v = jnp.full(N, size).at[0].set(0), jnp.zeros(N)
    assert np.isfinite(LOSSES[name](q, v)).all()
    assert np.isfinite(GRADIENTS[name](q, v)[1]).all()


def test_eql_and_xql_are_one_function():
    assert value_losses.BACKBONES["eql"] is value_losses.BACKBONES["xql"]


# --- policy weights -----------------------------------------------------------------

HYPER = Hyper()
weights = {
    name: jax.jit(lambda q, v, f=backbone.policy_weight: f(q, v, HYPER))
    for name, backbone in value_losses.BACKBONES.items()
}


def test_policy_weights_by_hand():
    q, v = jnp.array([1.0, 0.0, 9.0]), jnp.array([0.5, 1.0, 1.0])
    # y = 0.5, -1, 8.  exp(3 y) = e^1.5, e^-3, and e^24, clipped at 100.
    expected = [np.exp(1.5), np.exp(-3), 100]
    np.testing.assert_allclose(weights["iql"](q, v), expected, rtol=1e-5)
    # max(y, 0).
    np.testing.assert_allclose(weights["sql"](q, v), [0.5, 0, 8], rtol=1e-6)
    # exp(10 y / 2): e^2.5, e^-5, and e^40, clipped at 100.
    expected = [np.exp(2.5), np.exp(-5), 100]
    np.testing.assert_allclose(weights["eql"](q, v), expected, rtol=1e-5)


@quick
@given(q=rows, v=rows)
def test_policy_weights_oracle(q, v):
    y = q.astype(np.float64) - v
    for name, expected in {
        "iql": np.exp(3 * y),
        "sql": y,
        "xql": np.exp(10 * y / 2),
    }.items():
        ours = weights[name](q, v)
        expected = np.clip(expected, 0, 100)
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.fault
@backbones
def test_policy_weights_are_finite_and_constant(name):
    q, v = jnp.array([1e8, -1e8, 0.0]), jnp.zeros(3)
    weight = value_losses.BACKBONES[name].policy_weight
    assert np.isfinite(weight(q, v, HYPER)).all()
    slopes = jax.grad(lambda q, v: weight(q, v, HYPER).sum(), argnums=(0, 1))(q, v)
    assert not np.any(slopes)
