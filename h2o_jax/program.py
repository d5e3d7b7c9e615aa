"""Many runs of one algorithm as one compiled program.

The run axis always exists; one seed is one run. Runs may differ in their key, float
hyperparameters and simulator rows; networks, method and offline data are shared. The
axis is spread over the devices, and inside one device it is mapped: one run after the
other on a CPU (faster there, and bit-identical to a single run), together on
accelerators.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from h2o_jax import replay
from h2o_jax.types import (
    Actor,
    Algorithm,
    Hyper,
    LearnerState,
    Metrics,
    Scales,
    Transition,
)

_AXIS = "run"


class Program(NamedTuple):
    """Functions over a leading run axis `R'`: the runs, padded to fill the devices."""

    init: Callable[[jax.Array, Hyper, Scales], LearnerState]
    """`(keys [R'], hyper of [R'] leaves, scales) -> states`."""
    init_memory: Callable[[int], replay.Replay]
    """`capacity -> ` empty replay of every run."""
    learn: Callable[..., tuple[LearnerState, replay.Replay | None, Metrics]]
    """`(states, memory, rows [R', n, D], data [N, D]) -> (states, memory, metrics)`.

    Stores the rows, then updates `updates` times; metrics are means over them.
    States and memory are donated. A domain that the method does not use is None.
    """
    explore: Callable[..., jax.Array]
    """`(actors [R], obs [R, O], keys [R], t) -> [R, A]` sampled actions."""
    exploit: Callable[..., jax.Array]
    """`(actors [R], obs [R, E, O]) -> [R, E, A]` deterministic actions."""
    runs: int
    """R', a multiple of the number of devices."""
    place: Callable[[Any], Any]
    """Spreads a tree of `[R', ...]` arrays over the devices."""


def make_program(
    algorithm: Algorithm,
    obs_dim: int,
    action_dim: int,
    runs: int,
    updates: int,
    devices: Sequence[jax.Device] | None = None,
) -> Program:
    """Compiles an algorithm for `runs` runs of blocks of `updates` updates.

    Args:
        algorithm: the method.
        obs_dim: O.
        action_dim: A.
        runs: R; the program's run axis is R rounded up to a multiple of the devices.
        updates: updates per call of `learn`.
        devices: devices to spread the runs over; all by default.
    """
    devices = jax.devices() if devices is None else devices
    mesh = jax.make_mesh(
        (len(devices),), (_AXIS,), axis_types=(AxisType.Auto,), devices=devices
    )
    over_runs = NamedSharding(mesh, P(_AXIS))
    padded = -(-runs // len(devices)) * len(devices)
    map_runs = _one_by_one if devices[0].platform == "cpu" else _together

    def init(keys: jax.Array, hyper: Hyper, scales: Scales) -> LearnerState:
        every = jax.vmap(algorithm.init, in_axes=(0, 0, None))
        return jax.jit(every, out_shardings=over_runs)(keys, hyper, scales)

    def init_memory(capacity: int) -> replay.Replay:
        def every() -> replay.Replay:
            one = replay.init(obs_dim, action_dim, capacity)
            return jax.tree.map(lambda x: jnp.stack([x] * padded), one)

        return jax.jit(every, out_shardings=over_runs)()

    def draw(memory: replay.Replay, key: jax.Array) -> Transition:
        rows = replay.sample(memory, key, algorithm.batch_size)
        return replay.unpack(rows, obs_dim, action_dim)

    def one_run(
        state: LearnerState, sources: dict[str, replay.Replay]
    ) -> tuple[LearnerState, Metrics]:
        def update(state: LearnerState, _: None) -> tuple[LearnerState, Metrics]:
            key = jax.random.fold_in(state.key, state.step)
            noise_key, real_key, sim_key = jax.random.split(key, 3)
            keys = {"real": real_key, "sim": sim_key}
            batches = {f"{d}_batch": draw(m, keys[d]) for d, m in sources.items()}
            noise = algorithm.noise(noise_key)
            return algorithm.step(state, noise=noise, **batches)

        state, metrics = jax.lax.scan(update, state, length=updates)
        return state, jax.tree.map(jnp.mean, metrics)

    def block(
        states: LearnerState,
        memory: replay.Replay | None,
        rows: jax.Array | None,
        data: jax.Array | None,
    ) -> tuple[LearnerState, replay.Replay | None, Metrics]:
        shared = {} if data is None else {"real": replay.full(data)}
        if memory is None or rows is None:
            states, metrics = map_runs(lambda s: one_run(s, shared), states)
        else:
            memory = jax.vmap(replay.extend)(memory, rows)
            states, metrics = map_runs(
                lambda s, m: one_run(s, {**shared, "sim": m}), states, memory
            )
        return states, memory, metrics

    # Nothing crosses runs, so nothing crosses devices; an automatically partitioned
    # program would gather the mapped axis.
    sharded = jax.shard_map(
        block,
        mesh=mesh,
        in_specs=(P(_AXIS), P(_AXIS), P(_AXIS), P()),
        out_specs=P(_AXIS),
        check_vma=False,
    )

    @jax.jit
    def explore(actors: Actor, obs: jax.Array, keys: jax.Array, t: int) -> jax.Array:
        keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, t)
        return jax.vmap(algorithm.act)(actors, obs, keys)

    return Program(
        init=init,
        init_memory=init_memory,
        learn=jax.jit(sharded, donate_argnums=(0, 1)),
        explore=explore,
        exploit=jax.jit(jax.vmap(algorithm.act)),
        runs=padded,
        place=lambda tree: jax.device_put(tree, over_runs),
    )


def _one_by_one(f: Callable[..., Any], *trees: Any) -> Any:
    return jax.lax.map(lambda xs: f(*xs), trees)


def _together(f: Callable[..., Any], *trees: Any) -> Any:
    return jax.vmap(f)(*trees)
