"""Temporal-difference error: hand-worked numbers, oracle, gradient routing."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from h2o_jax import critic_losses
from tests.strategies import floats, quick

N, K = 8, 2
rows = floats(N, -100, 100)
pairs = floats((N, K), -100, 100)
weights = floats(N, 0, 1)
td = jax.jit(critic_losses.td)


def test_td_by_hand():
    # 0.5 * ((1 - 3)^2 + (4 - 3)^2) = 2.5;  2 * (1 + 1) = 4.
    q = jnp.array([[1.0, 4.0], [0.0, 2.0]])
    loss = td(q, jnp.array([3.0, 1.0]), jnp.array([0.5, 2.0]))
    np.testing.assert_allclose(loss, [2.5, 4.0])


@quick
@given(q=pairs, target=rows, weight=weights)
def test_td_is_the_published_form(q, target, weight):
    """MSE of sqrt(w) Q against sqrt(w) T, one critic at a time, in float64."""
    root = np.sqrt(weight.astype(np.float64))
    expected = sum((root * q[:, i] - root * target) ** 2 for i in range(K))
    np.testing.assert_allclose(td(q, target, weight), expected, rtol=1e-3, atol=1e-3)


@quick
@given(q=pairs, target=rows, weight=weights, order=st.permutations(range(N)))
def test_batch_permutation(q, target, weight, order):
    order = np.array(order)
    loss = np.asarray(td(q, target, weight))
    np.testing.assert_array_equal(
        td(q[order], target[order], weight[order]), loss[order]
    )


def test_gradient_reaches_the_critics_only():
    q, target = jnp.array([[1.0, 4.0]]), jnp.array([3.0])
    gradients = jax.grad(lambda *x: td(*x).sum(), argnums=(0, 1, 2))(
        q, target, jnp.array([0.5])
    )
    # 2 * 0.5 * (1 - 3) and 2 * 0.5 * (4 - 3).
    np.testing.assert_allclose(gradients[0], [[-2.0, 1.0]])
    assert not gradients[1].any() and not gradients[2].any()


def test_a_row_of_no_weight_teaches_nothing():
    gradient = jax.grad(lambda q: td(q, jnp.zeros(2), jnp.array([0.0, 1.0])).sum())
    np.testing.assert_array_equal(gradient(jnp.ones((2, K))), [[0, 0], [2, 2]])
