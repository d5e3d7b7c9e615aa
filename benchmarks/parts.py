"""What an update does besides matrix products, each part alone.

In the update itself a part can cost less, where XLA fuses it with its neighbours, or
more, where it finds its operands no longer in the cache.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.timing import Measure
from h2o_jax import replay
from h2o_jax.types import Algorithm, LearnerState

NORMALS = "normals alone"
BATCHES = "batches alone"
ADAM = "Adam and averages alone"
PARTS = (NORMALS, BATCHES, ADAM)
_Carry = Any


def measures(
    method: Algorithm, state: LearnerState, rows: jax.Array, updates: int
) -> dict[str, Measure]:
    """Every part, as updates per second.

    Args:
        method: the algorithm.
        state: a state of it.
        rows: `[N, D]` packed rows, from which each domain draws its batches.
        updates: how many a call.
    """
    memory = {domain: replay.full(rows) for domain in method.domains}
    optimised = state.params, state.target_params, state.opt_state
    # Gradients come from memory, as they do after a backward pass.
    gradients = jax.tree.map(lambda x: 1e-3 * x, state.params)

    def normals(key: jax.Array, last: jax.Array) -> jax.Array:
        return _one_number(method.noise(key), last)

    def batches(key: jax.Array, last: jax.Array) -> jax.Array:
        keys = jax.random.split(key)
        drawn = [
            replay.sample(memory[domain], k, method.batch_size)
            for domain, k in zip(memory, keys, strict=False)
        ]
        return _one_number(drawn, last)

    def adam(_: jax.Array, last: _Carry) -> _Carry:
        params, average, opt_state = last
        steps, moved = {}, {}
        for group, gradient in gradients.items():
            steps[group], moved[group] = optax.scale_by_adam().update(
                gradient, opt_state[group]
            )
        steps = jax.tree.map(lambda x: -3e-4 * x, steps)
        params = optax.apply_updates(params, steps)
        now = {group: params[group] for group in average}
        return params, optax.incremental_update(now, average, 0.005), moved

    zero = jnp.zeros(())
    return {
        NORMALS: _repeated(normals, zero, updates),
        BATCHES: _repeated(batches, zero, updates),
        ADAM: _repeated(adam, optimised, updates),
    }


def _one_number(tree: Any, last: jax.Array) -> jax.Array:
    """A number that needs every array of a tree, written out in full."""
    written = jax.lax.optimization_barrier(tree)
    return last + sum(x.ravel()[0] for x in jax.tree.leaves(written))


def _repeated(
    part: Callable[[jax.Array, _Carry], _Carry], carry: _Carry, updates: int
) -> Measure:
    @jax.jit
    def run(carry: _Carry) -> _Carry:
        def once(carry: _Carry, i: jax.Array) -> tuple[_Carry, None]:
            return part(jax.random.fold_in(jax.random.key(0), i), carry), None

        return jax.lax.scan(once, carry, jnp.arange(updates))[0]

    def measure() -> float:
        began = time.perf_counter()
        jax.block_until_ready(run(carry))
        return updates / (time.perf_counter() - began)

    return measure
