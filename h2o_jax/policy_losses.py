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
