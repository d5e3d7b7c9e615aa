"""Families of policies over the action box [-1, 1]^A.

The tanh-Gaussian squashes a Gaussian into the box; `gaussian_*` squash its mean alone,
so that logged actions on the bound keep an ordinary density.
"""

import math

import chex
import jax
import jax.numpy as jnp

from h2o_jax.types import Distribution

# Keeps arctanh finite for logged actions that sit on the bound.
EDGE = 1e-6


def sample(
    mean: jax.Array, log_std: jax.Array, noise: jax.Array
) -> tuple[jax.Array, jax.Array]:
    r"""Reparameterised action and its log-probability.

    .. math:: a = \tanh(u), \quad u = \mu + \sigma \epsilon

    Args:
        mean: `[..., A]` of the Gaussian before squashing.
        log_std: `[..., A]` log standard deviation before squashing.
        noise: `[..., A]` standard normal draws.

    Returns:
        `[..., A]` actions and `[...]` their log-probabilities.

    References:
        Haarnoja et al., 2018, Appendix C (arXiv 1801.01290).
    """
    chex.assert_equal_shape([mean, log_std, noise])
    u = mean + jnp.exp(log_std) * noise
    return jnp.tanh(u), _log_density(u, noise, log_std)


def log_prob(mean: jax.Array, log_std: jax.Array, action: jax.Array) -> jax.Array:
    """Log-probability of given actions, `[..., A]` -> `[...]`.

    Actions are moved `EDGE` inside the box, where the density is finite.
    """
    chex.assert_equal_shape([mean, log_std, action])
    u = jnp.arctanh(jnp.clip(action, -1 + EDGE, 1 - EDGE))
    return _log_density(u, (u - mean) * jnp.exp(-log_std), log_std)


def mode(mean: jax.Array) -> jax.Array:
    """Deterministic action `tanh(mean)`, `[..., A]`."""
    return jnp.tanh(mean)


def gaussian_sample(
    mean: jax.Array, log_std: jax.Array, noise: jax.Array
) -> tuple[jax.Array, jax.Array]:
    r"""Action around a squashed mean, clipped to the box, and its log-probability.

    .. math:: a = clip(\tanh(\mu) + \sigma \epsilon, -1, 1)

    Args:
        mean: `[..., A]` before its tanh.
        log_std: `[..., A]` log standard deviation of the action.
        noise: `[..., A]` standard normal draws.

    Returns:
        `[..., A]` actions and `[...]` the log-probabilities of the unclipped ones.

    References:
        Kostrikov et al., 2021 (arXiv 2110.06169), the policy of its code.
    """
    chex.assert_equal_shape([mean, log_std, noise])
    action = jnp.tanh(mean) + jnp.exp(log_std) * noise
    density = jnp.sum(_gaussian_log_density(noise, log_std), axis=-1)
    return jnp.clip(action, -1.0, 1.0), density


def gaussian_log_prob(
    mean: jax.Array, log_std: jax.Array, action: jax.Array
) -> jax.Array:
    """Log-probability of actions around a squashed mean, `[..., A]` -> `[...]`."""
    chex.assert_equal_shape([mean, log_std, action])
    noise = (action - jnp.tanh(mean)) * jnp.exp(-log_std)
    return jnp.sum(_gaussian_log_density(noise, log_std), axis=-1)


TANH_GAUSSIAN = Distribution(sample, log_prob, mode)
GAUSSIAN = Distribution(gaussian_sample, gaussian_log_prob, mode)


def _gaussian_log_density(noise: jax.Array, log_std: jax.Array) -> jax.Array:
    return -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)


def _log_density(u: jax.Array, noise: jax.Array, log_std: jax.Array) -> jax.Array:
    # log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)) stays exact for large |u|,
    # where 1 - tanh(u)^2 rounds to zero.
    gaussian = _gaussian_log_density(noise, log_std)
    squash = 2 * (math.log(2) - u - jax.nn.softplus(-2 * u))
    return jnp.sum(gaussian - squash, axis=-1)
