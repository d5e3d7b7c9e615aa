"""Policy and temperature losses."""

import chex
import jax
import jax.numpy as jnp


def entropy_regularised(
    log_pi: jax.Array, value: jax.Array, alpha: chex.Numeric
) -> jax.Array:
    r"""Maximise value and entropy of reparameterised actions.

    .. math:: \alpha \log \pi(a|s) - \min_i Q_i(s, a), \quad a \sim \pi

    Args:
        log_pi: `[...]` log-probability of the sampled actions.
        value: `[...]` their value, the minimum over the online critics.
        alpha: temperature; held constant.

    Returns:
        `[...]` the loss of each example.

    References:
        Niu et al., 2023, Eq. 10 (arXiv 2309.12716); Haarnoja et al., 2018, Eq. 7
        (arXiv 1812.05905).
    """
    chex.assert_equal_shape([log_pi, value])
    return jax.lax.stop_gradient(alpha) * log_pi - value


def weighted_likelihood(log_prob_tm1: jax.Array, weight: jax.Array) -> jax.Array:
    r"""Repeat logged actions, each as much as it counts.

    .. math:: -w \log \pi(a | s)

    With every weight one it is behaviour cloning, with a weight that grows with the
    advantage it is advantage-weighted regression.

    Args:
        log_prob_tm1: `[...]` log-probability of the logged actions.
        weight: `[...]` how much each counts; held constant.

    Returns:
        `[...]` the loss of each example.

    References:
        Peng et al., 2019, Eq. 8 (arXiv 1910.00177).
    """
    chex.assert_equal_shape([log_prob_tm1, weight])
    return -jax.lax.stop_gradient(weight) * log_prob_tm1


def cloning_regularised(
    value: jax.Array, action: jax.Array, a_tm1: jax.Array, weight: chex.Numeric
) -> jax.Array:
    r"""Maximise value in units of its own size, close to the logged action.

    .. math:: w \lVert \pi(s) - a \rVert^2 - Q(s, \pi(s)) / mean |Q|

    Args:
        value: `[B]` value of the policy's actions; the mean runs over this batch.
        action: `[B, A]` the policy's actions.
        a_tm1: `[B, A]` the logged ones.
        weight: w, >= 0.

    Returns:
        `[B]` the loss of each example.

    References:
        Fujimoto and Gu, 2021, Eq. 5 (arXiv 2106.06860); Tarasov et al., 2023, Eq. 3
        (arXiv 2305.09836).
    """
    chex.assert_rank([value, action], [1, 2])
    chex.assert_equal_shape([action, a_tm1])
    chex.assert_equal_shape_prefix([value, action], 1)
    size = jax.lax.stop_gradient(jnp.mean(jnp.abs(value)))
    distance = jnp.sum((action - a_tm1) ** 2, axis=-1)
    return weight * distance - value / (size + 1e-8)


def temperature(
    log_alpha: jax.Array, log_pi: jax.Array, target_entropy: chex.Numeric
) -> jax.Array:
    r"""Drive the policy's entropy towards a target.

    .. math:: -\log \alpha \, (\log \pi(a|s) + \bar H)

    Args:
        log_alpha: `[]` log of the temperature, being trained.
        log_pi: `[...]` log-probability of the policy's actions; held constant.
        target_entropy: :math:`\bar H`, usually minus the number of action dimensions.

    Returns:
        `[...]` the loss of each example.

    References:
        Haarnoja et al., 2018, Eq. 18 (arXiv 1812.05905), with the logarithm as in
        the published H2O+ code.
    """
    return -log_alpha * jax.lax.stop_gradient(log_pi + target_entropy)
