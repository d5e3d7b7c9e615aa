"""Policy and temperature losses."""

import chex
import jax


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
