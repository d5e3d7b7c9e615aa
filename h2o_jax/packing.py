"""Packs transitions into one array, a row each; no other module knows the layout.

A batch is then sampled by a single gather, and an epoch's simulated steps reach the
device in a single transfer. Every function takes NumPy or JAX arrays and returns the
same kind.
"""

from typing import Any

from h2o_jax.types import Array, Transition


def width(obs_dim: int, action_dim: int, next_action: bool = False) -> int:
    """Floats in one packed transition."""
    return 2 * obs_dim + action_dim + 2 + (action_dim if next_action else 0)


def pack(batch: Transition) -> Any:
    """`Transition [..., *]` -> `[..., D]`: s, a, r, discount, s' and, if any, a'.

    D is `width`.
    """
    xp = batch.s_tm1.__array_namespace__()
    scalars = xp.stack([batch.r_t, batch.discount_t], axis=-1)
    columns = [batch.s_tm1, batch.a_tm1, scalars, batch.s_t]
    if batch.a_t is not None:
        columns.append(batch.a_t)
    return xp.concatenate(columns, axis=-1)


def unpack(rows: Array, obs_dim: int, action_dim: int) -> Transition:
    """`[..., D]` -> `Transition [..., *]`; the inverse of `pack`.

    For a NumPy array the fields are views of it.
    """
    a, r = obs_dim, obs_dim + action_dim
    s_t, a_t = r + 2, width(obs_dim, action_dim)
    return Transition(
        s_tm1=rows[..., :a],
        a_tm1=rows[..., a:r],
        r_t=rows[..., r],
        discount_t=rows[..., r + 1],
        s_t=rows[..., s_t:a_t],
        a_t=rows[..., a_t:] if rows.shape[-1] > a_t else None,
    )
