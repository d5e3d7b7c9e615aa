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
    """`[capacity, D]` packed transitions; unwritten rows are zero."""
    added: jax.Array
    """`[]` uint32, rows ever written."""


def width(obs_dim: int, action_dim: int) -> int:
    """Floats in one packed transition without its next action."""
    return 2 * obs_dim + action_dim + 2


def with_next_action(log: Transition) -> Transition:
    """Adds to rows `[N, *]` in a log's order the action logged next, `a_t`.

    A row whose successor does not begin the following row (an episode's end, a stall)
    has no such action: inf.
    """
    known = jnp.all(log.s_t[:-1] == log.s_tm1[1:], axis=-1, keepdims=True)
    a_t = jnp.where(known, log.a_tm1[1:], jnp.inf)
    return log._replace(a_t=jnp.concatenate([a_t, jnp.full_like(a_t[:1], jnp.inf)]))


def pack(batch: Transition) -> jax.Array:
    """`Transition [..., *]` -> `[..., D]`: s, a, r, discount, s' and, if any, a'.

    D is `width`, and A more with the next action.
    """
    scalars = jnp.stack([batch.r_t, batch.discount_t], axis=-1)
    parts = [batch.s_tm1, batch.a_tm1, scalars, batch.s_t]
    if batch.a_t is not None:
        parts.append(batch.a_t)
    return jnp.concatenate(parts, axis=-1)


def unpack(rows: jax.Array, obs_dim: int, action_dim: int) -> Transition:
    """`[..., D]` -> `Transition [..., *]`; the inverse of `pack`."""
    r, d, end = (
        obs_dim + action_dim,
        obs_dim + action_dim + 1,
        width(obs_dim, action_dim),
    )
    return Transition(
        s_tm1=rows[..., :obs_dim],
        a_tm1=rows[..., obs_dim:r],
        r_t=rows[..., r],
        discount_t=rows[..., d],
        s_t=rows[..., d + 1 : end],
        a_t=rows[..., end:] if rows.shape[-1] > end else None,
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
    return replay.rows[_slots(replay.added, replay.rows.shape[0], key, n)]


def sample_of(replays: Replay, run: jax.Array, key: jax.Array, n: int) -> jax.Array:
    """`sample` from one of `R` buffers, `[R, capacity, D]`, where they are.

    A loop over runs that took one buffer after the other would copy each.
    """
    slots = _slots(replays.added[run], replays.rows.shape[1], key, n)
    return replays.rows[run, slots]


def _slots(added: jax.Array, capacity: int, key: jax.Array, n: int) -> jax.Array:
    filled = jnp.minimum(added, jnp.uint32(capacity))
    return jax.random.randint(key, (n,), 0, filled.astype(jnp.int32))
