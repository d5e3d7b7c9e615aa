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
    chex.assert_rank(q_tm1, target_tm1.ndim + 1)
    chex.assert_equal_shape_prefix([q_tm1, target_tm1], target_tm1.ndim)
    target_tm1, weight = jax.lax.stop_gradient((target_tm1, weight))
    error = q_tm1 - target_tm1[..., None]
    return weight * jnp.sum(error**2, axis=-1)


def cql_penalty(
    q_sampled: jax.Array,
    log_prob: jax.Array,
    q_tm1: jax.Array,
    temperature: chex.Numeric = 1.0,
) -> jax.Array:
    r"""Difference between values of sampled actions and the logged action's (CQL).

    .. math:: \sum_i T \log \sum_m e^{(Q_i(s, a_m) - \log p(a_m)) / T} - Q_i(s, a)

    Dividing by the density `p` that each action was drawn from makes the sum an
    estimate of the integral over all actions, up to a constant.

    Args:
        q_sampled: `[..., M, K]` values of sampled actions.
        log_prob: `[..., M]` their log-densities; held constant.
        q_tm1: `[..., K]` values of the logged actions.
        temperature: T, > 0.

    Returns:
        `[...]` the penalty of each example, summed over the critics.

    References:
        Kumar et al., 2020, Appendix F (arXiv 2006.04779).
    """
    chex.assert_rank(q_sampled, log_prob.ndim + 1)
    chex.assert_equal_shape_prefix([q_sampled, log_prob], log_prob.ndim)
    chex.assert_shape(q_tm1, (*log_prob.shape[:-1], q_sampled.shape[-1]))
    exponent = q_sampled - jax.lax.stop_gradient(log_prob)[..., None]
    soft_max = jax.nn.logsumexp(exponent / temperature, axis=-2)
    return jnp.sum(temperature * soft_max - q_tm1, axis=-1)


def gap_penalty(q_sim: jax.Array, gap_sim: jax.Array, q_real: jax.Array) -> jax.Array:
    r"""Lower simulated values where the simulator is wrong, raise real ones (H2O).

    .. math:: \sum_i clip(\log \sum_j \omega_j e^{Q_i(s_j, a_j)} - mean Q_i, \pm 1000),
              \quad \omega_j = u_j / \sum_k u_k

    with `u` the dynamics gap clipped to [1e-30, 10]. The published floor of 1e-45 is a
    denormal that accelerators flush to zero. Both leave a row at the floor no weight
    beside the others, unless its value exceeds theirs by tens; 1e-6 would not.

    Args:
        q_sim: `[B, K]` values of simulated rows, j above.
        gap_sim: `[B]` dynamics gap of these rows; held constant.
        q_real: `[N, K]` values of real rows, which the mean runs over.

    Returns:
        `[]` the penalty of the batch, summed over the critics.

    References:
        Niu et al., 2022, Eq. 6 (arXiv 2206.13464).
    """
    chex.assert_rank([q_sim, gap_sim, q_real], [2, 1, 2])
    chex.assert_equal_shape_prefix([q_sim, gap_sim], 1)
    log_gap = jnp.log(jax.lax.stop_gradient(jnp.clip(gap_sim, 1e-30, 10.0)))
    log_omega = jax.nn.log_softmax(log_gap)
    soft_max = jax.nn.logsumexp(q_sim + log_omega[:, None], axis=0)
    excess = soft_max - jnp.mean(q_real, axis=0)
    return jnp.sum(jnp.clip(excess, -1000.0, 1000.0))


def diversity(slope_tm1: jax.Array) -> jax.Array:
    r"""Scaled sum of cosines between the critics' action gradients (EDAC).

    .. math:: \frac{1}{K - 1} \sum_{i \ne j} \cos(\nabla_a Q_i, \nabla_a Q_j)

    Args:
        slope_tm1: `[..., K, A]` gradient of each critic in the logged action.

    Returns:
        `[...]` the penalty of each example.

    References:
        An et al., 2021, Eq. 7 (arXiv 2110.01548).
    """
    critics = slope_tm1.shape[-2]
    # The largest entry first, so that squares neither overflow nor vanish.
    largest = jnp.max(jnp.abs(slope_tm1), axis=-1, keepdims=True)
    scaled = slope_tm1 / (jax.lax.stop_gradient(largest) + 1e-20)
    unit = scaled / jnp.sqrt(jnp.sum(scaled**2, axis=-1, keepdims=True) + 1e-10)
    # The sum over all pairs, i = j included, is the squared length of the sum.
    total = jnp.sum(jnp.sum(unit, axis=-2) ** 2, axis=-1)
    own = jnp.sum(unit**2, axis=(-2, -1))
    return (total - own) / max(critics - 1, 1)
