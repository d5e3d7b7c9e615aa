"""A ring buffer of packed transitions, from which a batch is a single gather.

Every function is pure; the caller maps it over runs. `full` makes a buffer of a log.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from h2o_jax.packing import width


class Replay(NamedTuple):
    """A ring buffer of packed transitions."""

    rows: jax.Array
    """`[capacity, D]` packed transitions; unwritten rows are zero."""
    added: jax.Array
    """`[]` uint32, rows ever written; beyond 2^31, fewer by a multiple of capacity."""


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
    added = replay.added + jnp.uint32(rows.shape[0])
    # The next slot and whether it is full stay the same, and nothing overflows.
    wrapped = capacity + added % jnp.uint32(capacity)
    return Replay(written, jnp.where(added < jnp.uint32(2**31), added, wrapped))


def sample(replay: Replay, key: jax.Array, n: int) -> jax.Array:
    """`[n, D]` rows drawn uniformly, with replacement, from those written."""
    return replay.rows[_slots(replay.added, replay.rows.shape[0], key, n)]


def sample_of(replays: Replay, run: jax.Array, key: jax.Array, n: int) -> jax.Array:
    """`sample` from buffer `run` of `R` buffers, `[R, capacity, D]`, without a copy.

    A loop over runs that first selected a run's buffer would copy the whole buffer.
    """
    slots = _slots(replays.added[run], replays.rows.shape[1], key, n)
    return replays.rows[run, slots]


def _slots(added: jax.Array, capacity: int, key: jax.Array, n: int) -> jax.Array:
    filled = jnp.minimum(added, jnp.uint32(capacity))
    return jax.random.randint(key, (n,), 0, filled.astype(jnp.int32))
