"""Transitions packed in one array, so that sampling a batch is a single gather.

`Replay` is a ring buffer of simulated rows; `pack` alone gives the fixed array that
offline data live in. Every function is pure and is mapped over runs by the caller.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from h2o_jax.types import Transition


class Replay(NamedTuple):
    """A ring buffer of packed transitions."""

    rows: jax.Array
    """`[capacity, 2 O + A + 2]` packed transitions; unwritten rows are zero."""
    added: jax.Array
    """`[]` uint32, rows ever written."""


def width(obs_dim: int, action_dim: int) -> int:
    """Floats in one packed transition."""
    return 2 * obs_dim + action_dim + 2


def pack(batch: Transition) -> jax.Array:
    """`Transition [..., *]` -> `[..., 2 O + A + 2]`: s, a, r, discount, s'."""
    scalars = jnp.stack([batch.r_t, batch.discount_t], axis=-1)
    parts = [batch.s_tm1, batch.a_tm1, scalars, batch.s_t]
    return jnp.concatenate(parts, axis=-1)


def unpack(rows: jax.Array, obs_dim: int, action_dim: int) -> Transition:
    """`[..., 2 O + A + 2]` -> `Transition [..., *]`."""
    a, r, d, s = obs_dim, obs_dim + action_dim, obs_dim + action_dim + 1, obs_dim
    return Transition(
        s_tm1=rows[..., :s],
        a_tm1=rows[..., a:r],
        r_t=rows[..., r],
        discount_t=rows[..., d],
        s_t=rows[..., d + 1 :],
    )


def init(obs_dim: int, action_dim: int, capacity: int) -> Replay:
    """An empty buffer of `capacity` rows."""
    rows = jnp.zeros((capacity, width(obs_dim, action_dim)), jnp.float32)
    return Replay(rows, jnp.zeros((), jnp.uint32))


def full(rows: jax.Array) -> Replay:
    """A buffer that holds exactly these packed rows `[N, D]`, such as offline data."""
    return Replay(rows, jnp.uint32(len(rows)))


def extend(replay: Replay, rows: jax.Array) -> Replay:
    """Writes packed `rows` `[n, D]`, n <= capacity, over the oldest ones."""
    capacity = replay.rows.shape[0]
    if rows.shape[0] > capacity:
        raise ValueError(f"{rows.shape[0]} rows do not fit a capacity of {capacity}")
    offset = jnp.arange(rows.shape[0], dtype=jnp.uint32)
    slots = (replay.added + offset) % jnp.uint32(capacity)
    written = replay.rows.at[slots].set(rows, unique_indices=True)
    return Replay(written, replay.added + jnp.uint32(rows.shape[0]))


def sample(replay: Replay, key: jax.Array, n: int) -> jax.Array:
    """`[n, D]` rows drawn uniformly, with replacement, from those written."""
    capacity = replay.rows.shape[0]
    filled = jnp.minimum(replay.added, jnp.uint32(capacity))
    return replay.rows[jax.random.randint(key, (n,), 0, filled.astype(jnp.int32))]
