"""Critic losses: how far action values are from their targets."""

import chex
import jax
import jax.numpy as jnp


def td(q_tm1: jax.Array, target_tm1: jax.Array, weight: jax.Array) -> jax.Array:
    r"""Weighted squared temporal-difference error, summed over the critics.

    .. math:: w \sum_i (Q_i(s, a) - T)^2

    Args:
        q_tm1: `[..., K]` values of the taken actions by each critic.
        target_tm1: `[...]` targets shared by the critics; held constant.
        weight: `[...]` importance weights; held constant.

    Returns:
        `[...]` the loss of each example.

    References:
        Niu et al., 2023, Eq. 8 (arXiv 2309.12716).
    """
    chex.assert_equal_shape([target_tm1, weight])
    chex.assert_equal_shape_prefix([q_tm1, target_tm1], target_tm1.ndim)
    target_tm1, weight = jax.lax.stop_gradient((target_tm1, weight))
    error = q_tm1 - target_tm1[..., None]
    return weight * jnp.sum(error**2, axis=-1)
