"""Many runs of one algorithm as one compiled program.

The run axis always exists; one seed is one run. Runs may differ in their key, float
hyperparameters and simulator rows; networks, method and offline data are shared. The
axis is spread over the devices, and inside one device it is mapped: one run after the
other on a CPU (faster there, and bit-identical to a single run), together on
accelerators.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from h2o_jax import packing
from h2o_jax import replay as ring
from h2o_jax.types import (
    Algorithm,
    Hyper,
    LearnerState,
    Metrics,
    Scales,
    Transition,
)

_AXIS = "run"
_Draw = Callable[[jax.Array], jax.Array]
"""Key -> packed rows of a batch."""


class Program(NamedTuple):
    """Functions over a leading run axis `R'`: the runs, padded to fill the devices."""

    init: Callable[[jax.Array, Hyper, Scales], LearnerState]
    """`(keys [R'], hyper of [R'] leaves, scales) -> states`."""
    init_replay: Callable[[int], ring.Replay]
    """`capacity ->` empty replay of every run."""
    learn: Callable[..., tuple[LearnerState, ring.Replay | None, Metrics]]
    """`(states, replay, rows [R', n, D], data [N, D]) -> (states, replay, metrics)`.

    Stores the rows, then updates `updates` times; metrics are means over them.
    States and replay are donated. A domain that the method does not use is None.
    """
    runs: int
    """R', a multiple of the number of devices."""
    devices: Sequence[jax.Device]
    """The devices that the runs are spread over."""
    place: Callable[[Any], Any]
    """Spreads a tree of `[R', ...]` arrays over the devices."""
    replicate: Callable[[Any], Any]
    """Copies a tree of arrays to every device, such as the log that all runs read."""


class _Sizes(NamedTuple):
    """Sizes of a block, the updates of one call of `learn`."""

    obs_dim: int
    action_dim: int
    updates: int


def make_program(
    algorithm: Algorithm,
    obs_dim: int,
    action_dim: int,
    runs: int,
    updates: int,
    devices: Sequence[jax.Device] | None = None,
) -> Program:
    """The program of an algorithm; its functions compile when they are first called.

    Args:
        algorithm: the method.
        obs_dim: O.
        action_dim: A.
        runs: R; the program's run axis is R rounded up to a multiple of the devices.
        updates: updates per call of `learn`.
        devices: devices of this process to spread the runs over; all by default.
    """
    devices = jax.local_devices() if devices is None else devices
    mesh = jax.make_mesh(
        (len(devices),), (_AXIS,), axis_types=(AxisType.Auto,), devices=devices
    )
    over_runs, everywhere = (NamedSharding(mesh, spec) for spec in (P(_AXIS), P()))
    padded = -(-runs // len(devices)) * len(devices)
    map_runs = _one_by_one if devices[0].platform == "cpu" else _together
    block = functools.partial(
        _block, algorithm, _Sizes(obs_dim, action_dim, updates), map_runs
    )
    # Nothing crosses runs, so nothing crosses devices; an automatically partitioned
    # program would gather the mapped axis, and make every run's replay on each.
    spread = functools.partial(
        jax.shard_map, mesh=mesh, out_specs=P(_AXIS), check_vma=False
    )
    learn = spread(block, in_specs=(P(_AXIS), P(_AXIS), P(_AXIS), P()))

    def init_replay(capacity: int) -> ring.Replay:
        empty = functools.partial(_empty, obs_dim, action_dim, capacity)
        return jax.jit(spread(empty, in_specs=P(_AXIS)))(np.arange(padded))

    return Program(
        init=jax.jit(
            jax.vmap(algorithm.init, in_axes=(0, 0, None)), out_shardings=over_runs
        ),
        init_replay=init_replay,
        learn=jax.jit(learn, donate_argnums=(0, 1)),
        runs=padded,
        devices=devices,
        place=lambda tree: jax.device_put(tree, over_runs),
        replicate=lambda tree: jax.device_put(tree, everywhere),
    )


def _block(
    algorithm: Algorithm,
    sizes: _Sizes,
    map_runs: Callable[..., Any],
    states: LearnerState,
    replay: ring.Replay | None,
    rows: jax.Array | None,
    data: jax.Array | None,
) -> tuple[LearnerState, ring.Replay | None, Metrics]:
    """One block of updates of every run on this device."""
    if replay is not None and rows is not None:
        replay = jax.vmap(ring.extend)(replay, rows)
    runs, n = jnp.arange(len(states.step)), algorithm.batch_size

    def learn(state: LearnerState, run: jax.Array) -> tuple[LearnerState, Metrics]:
        draws: dict[str, _Draw] = {}
        if data is not None:
            draws["real"] = lambda key: ring.sample(ring.full(data), key, n)
        if replay is not None:
            draws["sim"] = lambda key: ring.sample_of(replay, run, key, n)
        return _one_run(algorithm, sizes, state, draws)

    states, metrics = map_runs(learn, states, runs)
    return states, replay, metrics


def _one_run(
    algorithm: Algorithm,
    sizes: _Sizes,
    state: LearnerState,
    draws: Mapping[str, _Draw],
) -> tuple[LearnerState, Metrics]:
    """One block of updates of one run, from its replay and the data."""

    def batch(draw: _Draw, key: jax.Array) -> Transition:
        return packing.unpack(draw(key), sizes.obs_dim, sizes.action_dim)

    def update(state: LearnerState, _: None) -> tuple[LearnerState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        noise_key, real_key, sim_key = jax.random.split(key, 3)
        keys = {"real": real_key, "sim": sim_key}
        batches = {f"{d}_batch": batch(draw, keys[d]) for d, draw in draws.items()}
        return algorithm.step(state, noise=algorithm.noise(noise_key), **batches)

    state, metrics = jax.lax.scan(update, state, length=sizes.updates)
    return state, jax.tree.map(jnp.mean, metrics)


def _empty(
    obs_dim: int, action_dim: int, capacity: int, runs: jax.Array
) -> ring.Replay:
    """Empty replay of each of `runs [r]`."""
    return jax.vmap(lambda _: ring.init(obs_dim, action_dim, capacity))(runs)


def _one_by_one(f: Callable[..., Any], *trees: Any) -> Any:
    return jax.lax.map(lambda xs: f(*xs), trees)


def _together(f: Callable[..., Any], *trees: Any) -> Any:
    return jax.vmap(f)(*trees)
