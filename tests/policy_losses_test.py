"""Policy and temperature losses: hand-worked numbers and gradient routing."""

import jax
import jax.numpy as jnp
import numpy as np

from h2o_jax import policy_losses


def test_entropy_regularised_by_hand():
    # 0.5 * (-2) - 3 = -4;  0.5 * 1 + 1 = 1.5.
    loss = policy_losses.entropy_regularised(
        jnp.array([-2.0, 1.0]), jnp.array([3.0, -1.0]), 0.5
    )
    np.testing.assert_allclose(loss, [-4.0, 1.5])


def test_policy_does_not_train_the_temperature():
    gradients = jax.grad(
        lambda *x: policy_losses.entropy_regularised(*x).sum(), argnums=(0, 1, 2)
    )(jnp.array([2.0]), jnp.array([3.0]), jnp.array(0.5))
    np.testing.assert_allclose(gradients[0], [0.5])
    np.testing.assert_allclose(gradients[1], [-1.0])
    assert gradients[2] == 0


def test_temperature_by_hand():
    # -0.5 * (3 - 1) = -1;  -0.5 * (-1 - 1) = 1.
    loss = policy_losses.temperature(jnp.array(0.5), jnp.array([3.0, -1.0]), -1.0)
    np.testing.assert_allclose(loss, [-1.0, 1.0])


def test_temperature_rises_while_entropy_is_too_low():
    """Descending the gradient: up below the target entropy, down above it."""

    def slope(log_pi):
        loss = lambda x, y: policy_losses.temperature(x, y, -1.0)  # noqa: E731
        # Not at 0, where the policy would have no gradient in any case.
        return jax.grad(loss, argnums=(0, 1))(jnp.array(0.5), jnp.array(log_pi))

    # Entropy -3 < -1: log pi + target = 2, so the gradient is -2; at entropy 3, 4.
    assert slope(3.0) == (-2.0, 0.0)
    assert slope(-3.0) == (4.0, 0.0)


def test_weighted_likelihood_by_hand():
    # -2 * (-1.5) = 3;  -0 * 4 = 0;  and cloning is weight one.
    log_prob, weight = jnp.array([-1.5, 4.0]), jnp.array([2.0, 0.0])
    loss = policy_losses.weighted_likelihood(log_prob, weight)
    np.testing.assert_allclose(loss, [3.0, 0.0])
    clone = policy_losses.weighted_likelihood(log_prob, jnp.ones(2))
    np.testing.assert_allclose(clone, -log_prob)


def test_weighted_likelihood_trains_the_policy_only():
    slopes = jax.grad(
        lambda *x: policy_losses.weighted_likelihood(*x).sum(), argnums=(0, 1)
    )(jnp.array([-1.5]), jnp.array([2.0]))
    assert slopes == (-2.0, 0.0)


def test_cloning_regularised_by_hand():
    # Mean |Q| is 3: 0.5 * (1 + 4) - 2 / 3, and 0.5 * 0 + 4 / 3.
    value, action = jnp.array([2.0, -4.0]), jnp.array([[1.0, -1.0], [0.5, 0.5]])
    logged = jnp.array([[0.0, 1.0], [0.5, 0.5]])
    loss = policy_losses.cloning_regularised(value, action, logged, 0.5)
    np.testing.assert_allclose(loss, [2.5 - 2 / 3, 4 / 3], rtol=1e-6)
    # Values in other units are worth the same, and their size is held constant.
    scaled = policy_losses.cloning_regularised(100 * value, action, logged, 0.5)
    np.testing.assert_allclose(scaled, loss, rtol=1e-6)
    slope = jax.grad(
        lambda x: policy_losses.cloning_regularised(x, action, logged, 0.5).sum()
    )(value)
    np.testing.assert_allclose(slope, [-1 / 3, -1 / 3], rtol=1e-6)
