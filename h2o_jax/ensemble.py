"""Regression by an ensemble of small networks, whose disagreement tells the unknown.

Arrays in, arrays out: what is learned, and from whom, is the caller's.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

BATCH = 256
"""Rows of an update."""
_STEP, _DECAY, _NORM = 1e-3, 1e-4, 10.0
"""First step size, weight decay and largest gradient norm."""
_LAST = 0.1
"""Scale of the last layer at first, so that nothing is predicted before learning."""

Layers = list[tuple[Any, Any]]


def fit(
    key: jax.Array,
    x: np.ndarray,
    y: np.ndarray,
    *,
    hidden: Sequence[int],
    members: int,
    updates: int,
) -> Layers:
    r"""Fits `y` by `members` networks that differ in their start and their batches.

    Each minimises the Huber loss of its output, by AdamW with a step size that falls
    to zero as a cosine. Layers but the last end in SiLU.

    Args:
        key: of starts and batches.
        x: `[N, I]` inputs, standardised.
        y: `[N, O]` targets, standardised.
        hidden: widths.
        members: K networks.
        updates: of each, on `BATCH` rows.

    Returns:
        Of each layer, the weights `[K, in, out]` and the biases `[K, out]`.
    """
    sizes = (x.shape[1], *hidden, y.shape[1])
    layers = _fit(
        jax.random.split(key, members),
        jnp.asarray(x, jnp.float32),
        jnp.asarray(y, jnp.float32),
        sizes,
        updates,
    )
    return [(np.asarray(w), np.asarray(b)) for w, b in layers]


def predict(layers: Layers, x: jax.Array) -> jax.Array:
    """One network's output `[..., O]` for `x [..., I]`."""
    for w, b in layers[:-1]:
        x = jax.nn.silu(jnp.dot(x, w) + jnp.expand_dims(b, range(x.ndim - 1)))
    w, b = layers[-1]
    return jnp.dot(x, w) + jnp.expand_dims(b, range(x.ndim - 1))


@functools.partial(jax.jit, static_argnums=(3, 4))
def _fit(
    keys: jax.Array,
    x: jax.Array,
    y: jax.Array,
    sizes: tuple[int, ...],
    updates: int,
) -> Layers:
    optimiser = optax.chain(
        optax.clip_by_global_norm(_NORM),
        optax.adamw(optax.cosine_decay_schedule(_STEP, updates), weight_decay=_DECAY),
    )

    def loss(layers: Layers, rows: jax.Array) -> jax.Array:
        return optax.huber_loss(predict(layers, x[rows]), y[rows]).mean()

    def update(carry: Any, key: jax.Array) -> tuple[Any, None]:
        layers, state = carry
        rows = jax.random.randint(key, (BATCH,), 0, len(x))
        step, state = optimiser.update(jax.grad(loss)(layers, rows), state, layers)
        return (optax.apply_updates(layers, step), state), None

    def member(key: jax.Array) -> Layers:
        start, draws = jax.random.split(key)
        layers = _start(start, sizes)
        carry = layers, optimiser.init(layers)
        return jax.lax.scan(update, carry, jax.random.split(draws, updates))[0][0]

    # One after the other: on a CPU small products are faster so.
    return jax.lax.map(member, keys)


def _start(key: jax.Array, sizes: Sequence[int]) -> Layers:
    """Normal weights of variance 1 / in, zero biases."""
    layers: Layers = []
    keys = jax.random.split(key, len(sizes) - 1)
    for i, (k, into, out) in enumerate(zip(keys, sizes[:-1], sizes[1:], strict=True)):
        scale = (_LAST if i + 2 == len(sizes) else 1.0) / into**0.5
        layers.append((scale * jax.random.normal(k, (into, out)), jnp.zeros(out)))
    return layers
