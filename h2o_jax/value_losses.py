"""State-value losses: how V(s) climbs towards the best action in the data.

Each maps `q_tm1`, the critics' value of the logged action (held constant), and
`v_tm1`, the state value being trained, to one loss per example. With the advantage
`y = q - v` they are the functions L(y) of H2O+ (arXiv 2309.12716, Eq. 4).
"""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from h2o_jax.types import Hyper


def expectile(q_tm1: jax.Array, v_tm1: jax.Array, tau: chex.Numeric) -> jax.Array:
    r"""Expectile regression of state values onto action values (IQL).

    .. math:: \ell = |\tau - 1\{y < 0\}| \, y^2, \quad y = q - v

    With `tau` above one half, a value below the logged action's costs more than one
    above it. So `v` climbs towards the best action in the data, while the critic never
    evaluates an action outside the data.

    Args:
        q_tm1: `[...]` action values of logged actions; held constant.
        v_tm1: `[...]` state values being trained.
        tau: expectile, in (0, 1).

    Returns:
        `[...]` the loss of each example.

    References:
        Kostrikov et al., 2021, Eq. 5 (arXiv 2110.06169).
    """
    chex.assert_equal_shape([q_tm1, v_tm1])
    advantage = jax.lax.stop_gradient(q_tm1) - v_tm1
    return jnp.abs(tau - (advantage < 0)) * advantage**2


def sparse(q_tm1: jax.Array, v_tm1: jax.Array, alpha: chex.Numeric) -> jax.Array:
    r"""Sparse value learning (SQL).

    .. math:: \ell = 1\{z > 0\} \, z^2 - y / \alpha, \quad z = 1 + y / (2 \alpha)

    Actions far below `v` (y < -2 alpha) leave the quadratic part altogether, which
    is where the name comes from. IVR's code writes the same loss with `4 alpha`.

    Args:
        q_tm1: `[...]` action values of logged actions; held constant.
        v_tm1: `[...]` state values being trained.
        alpha: scale, > 0.

    Returns:
        `[...]` the loss of each example.

    References:
        Xu et al., 2023, Eq. 15 (arXiv 2303.15810).
    """
    chex.assert_equal_shape([q_tm1, v_tm1])
    advantage = jax.lax.stop_gradient(q_tm1) - v_tm1
    z = 1 + advantage / (2 * alpha)
    return jnp.where(z > 0, z**2, 0.0) - advantage / alpha


def exponential(
    q_tm1: jax.Array,
    v_tm1: jax.Array,
    scale: chex.Numeric,
    clip: chex.Numeric,
    tail: chex.Numeric = 0.0,
) -> jax.Array:
    r"""Exponential (Gumbel) regression, shared by EQL and XQL.

    .. math:: \ell = e^{z - m} - z e^{-m} - e^{-m}, \quad z = \min(y / a, c)

    This is `exp(y/a) - y/a - 1` divided by `exp(m)`, where the constant
    `m = max(max_batch z, -1)` keeps every exponent below one; it couples the batch.
    Rows above the clip have no gradient; `tail` adds :math:`t (1 - e^{-m}) (y / a - c)`
    to their loss. With 1 the exponential goes on linearly there, and they keep a
    bounded gradient.

    Args:
        q_tm1: `[...]` action values of logged actions; held constant.
        v_tm1: `[...]` state values being trained.
        scale: a, > 0.
        clip: c, the largest exponent.
        tail: t in [0, 1], from 0 (published: flat) to 1 (linear) above the clip.

    Returns:
        `[...]` the loss of each example.

    References:
        Garg et al., 2023, Eq. 10 (arXiv 2301.02328); Xu et al., 2023
        (arXiv 2303.15810), whose code normalises this way.
    """
    chex.assert_equal_shape([q_tm1, v_tm1])
    exponent = (jax.lax.stop_gradient(q_tm1) - v_tm1) / scale
    z = jnp.minimum(exponent, clip)
    m = jax.lax.stop_gradient(jnp.maximum(jnp.max(z), -1.0))
    excess = jnp.maximum(exponent - clip, 0.0)
    # Where any exponent is beyond the clip, m is the clip.
    slope = 1.0 - jnp.exp(-m)
    return jnp.exp(z - m) - (z + 1) * jnp.exp(-m) + tail * slope * excess


def clipped(
    q_tm1: jax.Array, v_tm1: jax.Array, scale: chex.Numeric, clip: chex.Numeric
) -> jax.Array:
    """`[...]` bool, rows whose exponent in `exponential` lies above the clip."""
    return (q_tm1 - v_tm1) / scale > clip


def exponential_weight(
    q_tm1: jax.Array,
    v_tm1: jax.Array,
    temperature: chex.Numeric,
    high: chex.Numeric,
) -> jax.Array:
    r"""Weight of a logged action in the policy's likelihood (IQL, EQL, XQL).

    .. math:: w = \min(e^{\beta y}, w_{max}), \quad y = q - v

    Args:
        q_tm1: `[...]` action values of logged actions.
        v_tm1: `[...]` state values.
        temperature: beta, >= 0; 0 clones the log.
        high: largest weight, > 0.

    Returns:
        `[...]` weights, constant under differentiation.

    References:
        Peng et al., 2019, Eq. 8 (arXiv 1910.00177).
    """
    chex.assert_equal_shape([q_tm1, v_tm1])
    # Clipping the exponent keeps the exponential finite for any advantage.
    exponent = jnp.minimum(temperature * (q_tm1 - v_tm1), jnp.log(high))
    return jax.lax.stop_gradient(jnp.exp(exponent))


def sparse_weight(q_tm1: jax.Array, v_tm1: jax.Array, high: chex.Numeric) -> jax.Array:
    r"""Weight of a logged action in the policy's likelihood (SQL).

    .. math:: w = clip(q - v, 0, w_{max})

    Args:
        q_tm1: `[...]` action values of logged actions.
        v_tm1: `[...]` state values.
        high: largest weight, > 0.

    Returns:
        `[...]` weights, constant under differentiation.

    References:
        Xu et al., 2023 (arXiv 2303.15810), as in its code.
    """
    chex.assert_equal_shape([q_tm1, v_tm1])
    return jax.lax.stop_gradient(jnp.clip(q_tm1 - v_tm1, 0.0, high))


OfValues = Callable[[jax.Array, jax.Array, Hyper], jax.Array]


class Backbone(NamedTuple):
    """Value loss and policy weight of a method; their scales come from `Hyper`."""

    value_loss: OfValues
    """`(q_tm1, v_tm1, hyper) -> [...]` loss of the state value."""
    policy_weight: OfValues
    """`(q_tm1, v_tm1, hyper) -> [...]` weight of the action in the likelihood."""
    clipped: OfValues | None = None
    """`(q_tm1, v_tm1, hyper) -> [...]` bool, where its exponential is clipped; None
    without one."""


_IQL = Backbone(
    lambda q, v, hyper: expectile(q, v, hyper.expectile),
    lambda q, v, hyper: exponential_weight(
        q, v, hyper.iql_temperature, hyper.weight_high
    ),
)
_SQL = Backbone(
    lambda q, v, hyper: sparse(q, v, hyper.sparse_alpha),
    lambda q, v, hyper: sparse_weight(q, v, hyper.weight_high),
)
_EXPONENTIAL = Backbone(
    lambda q, v, hyper: exponential(
        q, v, hyper.exponential_scale, hyper.exponential_clip, hyper.exponential_tail
    ),
    lambda q, v, hyper: exponential_weight(
        q,
        v,
        hyper.exponential_temperature / hyper.exponential_scale,
        hyper.weight_high,
    ),
    lambda q, v, hyper: clipped(q, v, hyper.exponential_scale, hyper.exponential_clip),
)

BACKBONES: dict[str, Backbone] = {
    "iql": _IQL,
    "sql": _SQL,
    "eql": _EXPONENTIAL,
    "xql": _EXPONENTIAL,
}
"""Name -> value loss and policy weight."""
