"""Bellman targets: values of the next state, and what one step adds to them."""

import chex
import jax
import jax.numpy as jnp


def min_value(q_t: jax.Array) -> jax.Array:
    r"""Pessimistic value of an action: the smallest critic, :math:`\min_i Q_i`.

    Args:
        q_t: `[..., K]` one action's value by each critic.

    Returns:
        `[...]` the smallest.

    References:
        Fujimoto et al., 2018, Eq. 10 (arXiv 1802.09477).
    """
    return jnp.min(q_t, axis=-1)


def mean_value(q_t: jax.Array) -> jax.Array:
    r"""Value of an action without pessimism, :math:`\frac1K \sum_i Q_i`.

    Args:
        q_t: `[..., K]` one action's value by each critic.

    Returns:
        `[...]` the mean.

    References:
        Le et al., 2019, fitted Q evaluation (arXiv 1903.08738).
    """
    return jnp.mean(q_t, axis=-1)


def soft_value(q_t: jax.Array, log_pi_t: jax.Array, alpha: chex.Numeric) -> jax.Array:
    r"""Entropy-regularised value of a state from one sampled action.

    .. math:: \min_i Q_i(s', a') - \alpha \log \pi(a' | s'), \quad a' \sim \pi

    Args:
        q_t: `[..., K]` the sampled action's value by each critic.
        log_pi_t: `[...]` its log-probability.
        alpha: temperature.

    Returns:
        `[...]` the soft value.

    References:
        Haarnoja et al., 2018, Eq. 3 (arXiv 1801.01290).
    """
    value = min_value(q_t)
    chex.assert_equal_shape([value, log_pi_t])
    return value - alpha * log_pi_t


def mixed_value(
    exploit_v_t: jax.Array, explore_v_t: jax.Array, mix: chex.Numeric
) -> jax.Array:
    r"""H2O+'s mixture of the data's value and the policy's value of a state.

    .. math:: \lambda V(s') + (1 - \lambda) V_\pi(s')

    Args:
        exploit_v_t: `[...]` state value learned on real data only.
        explore_v_t: `[...]` soft value of the policy's own action.
        mix: lambda in [0, 1]; 0 is SAC's target, 1 the in-sample one.

    Returns:
        `[...]` the mixed value.

    References:
        Niu et al., 2023, Eq. 7 (arXiv 2309.12716).
    """
    chex.assert_equal_shape([exploit_v_t, explore_v_t])
    return mix * exploit_v_t + (1 - mix) * explore_v_t


def cloned_value(
    q_t: jax.Array, action: jax.Array, a_t: jax.Array, weight: chex.Numeric
) -> jax.Array:
    r"""Value of the policy's next action, less for straying from the logged one.

    .. math:: \min_i Q_i(s', a') - w \lVert a' - a'_{log} \rVert^2

    Args:
        q_t: `[..., K]` the policy's action's value by each critic.
        action: `[..., A]` that action.
        a_t: `[..., A]` the logged one; a row of inf, where unknown, costs nothing.
        weight: w, >= 0.

    Returns:
        `[...]` the value.

    References:
        Tarasov et al., 2023, Eq. 4 (arXiv 2305.09836).
    """
    chex.assert_equal_shape([action, a_t])
    # Not a `where` around the distance, whose gradient would be nan at inf.
    known = jnp.where(jnp.isfinite(a_t), a_t, action)
    return min_value(q_t) - weight * jnp.sum((action - known) ** 2, axis=-1)


def bellman(
    r_t: jax.Array, discount_t: jax.Array, v_t: jax.Array, gamma: chex.Numeric
) -> jax.Array:
    r"""One-step target, :math:`r + \gamma (1 - d) V(s')`; the gradient stops here.

    Args:
        r_t: `[...]` rewards.
        discount_t: `[...]` 0 at a true terminal state, else 1 (`1 - d`).
        v_t: `[...]` values of the next states.
        gamma: discount factor.

    Returns:
        `[...]` targets, constant under differentiation.

    References:
        Niu et al., 2023, Eq. 7 (arXiv 2309.12716).
    """
    chex.assert_equal_shape([r_t, discount_t, v_t])
    return jax.lax.stop_gradient(r_t + gamma * discount_t * v_t)
