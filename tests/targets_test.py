"""Bellman targets: hand-worked numbers, limits, and where no gradient may pass."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from h2o_jax import targets
from tests.strategies import floats, quick

N = 8
rows = floats(N, -100, 100)
soft, mixed, bellman = map(
    jax.jit, (targets.soft_value, targets.mixed_value, targets.bellman)
)


def test_one_row_by_hand():
    # min(3, 5) - 0.5 * (-2) = 4.  0.25 * 8 + 0.75 * 4 = 5.  1 + 0.9 * 5 = 5.5.
    value = soft(jnp.array([[3.0, 5.0]]), jnp.array([-2.0]), 0.5)
    np.testing.assert_allclose(value, [4.0])
    value = mixed(jnp.array([8.0]), value, 0.25)
    np.testing.assert_allclose(value, [5.0])
    target = bellman(jnp.array([1.0]), jnp.array([1.0]), value, 0.9)
    np.testing.assert_allclose(target, [5.5])


@quick
@given(r=rows, v=rows, q=rows, log_pi=rows, going=arrays(bool, N), mix=st.floats(0, 1))
def test_oracle(r, v, q, log_pi, going, mix):
    """Equation 7 in float64, with d = 1 at a terminal state."""
    q = np.stack([q, q[::-1], v], -1)
    wide = [x.astype(np.float64) for x in (r, v, q, log_pi)]
    d = 1.0 - going
    expected = wide[0] + 0.97 * (1 - d) * (
        mix * wide[1] + (1 - mix) * (wide[2].min(-1) - 0.3 * wide[3])
    )
    value = mixed(v, soft(q, log_pi, 0.3), mix)
    target = bellman(r, going.astype(np.float32), value, 0.97)
    np.testing.assert_allclose(target, expected, rtol=1e-4, atol=1e-4)


@quick
@given(exploit=rows, explore=rows)
def test_lambda_spans_sac_to_in_sample(exploit, explore):
    np.testing.assert_array_equal(mixed(exploit, explore, 0.0), explore)
    np.testing.assert_array_equal(mixed(exploit, explore, 1.0), exploit)


@quick
@given(r=rows, v=rows)
def test_a_terminal_row_is_worth_its_reward(r, v):
    np.testing.assert_array_equal(bellman(r, np.zeros(N, np.float32), v, 0.99), r)


def test_min_is_over_critics():
    q = jnp.array([[1.0, -2.0, 3.0], [5.0, 4.0, 6.0]])
    np.testing.assert_array_equal(targets.min_value(q), [-2.0, 4.0])


def test_cloned_value_by_hand():
    # min(3, 5) - 0.5 * (1 + 4) = 0.5; no logged action costs nothing.
    q = jnp.array([[3.0, 5.0], [3.0, 5.0]])
    action = jnp.array([[1.0, -1.0], [1.0, -1.0]])
    a_t = jnp.array([[0.0, 1.0], [jnp.inf, jnp.inf]])
    value, slope = jax.value_and_grad(
        lambda *x: targets.cloned_value(*x, a_t, 0.5).sum(), argnums=(0, 1)
    )(q, action)
    np.testing.assert_allclose(value, 0.5 + 3)
    np.testing.assert_allclose(slope[0], [[1, 0], [1, 0]])
    np.testing.assert_allclose(slope[1], [[-1, 2], [0, 0]])


def test_targets_are_constant():
    ones = jnp.ones(N)
    gradients = jax.grad(lambda *x: targets.bellman(*x, 0.99).sum(), argnums=(0, 1, 2))(
        ones, ones, ones
    )
    assert not any(g.any() for g in gradients)
