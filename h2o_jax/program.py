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

from h2o_jax import learning, packing
from h2o_jax import replay as ring
from h2o_jax.learning import SKIPPED, Functions, Learn, Progress
from h2o_jax.types import (
    Algorithm,
    Hyper,
    LearnerState,
    Metrics,
    Scales,
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
    store: Callable[[ring.Replay, jax.Array], ring.Replay]
    """`(replay, rows [R', n, D]) -> replay` with the rows; donates the former."""
    learn: Learn
    """`(states, replay, data [N, D]) -> (states, metrics)` after an epoch's updates.

    A domain that the method does not use is None.
    """
    runs: int
    """R', a multiple of the number of devices."""
    devices: Sequence[jax.Device]
    """The devices that the runs are spread over."""
    place: Callable[[Any], Any]
    """Spreads a tree of `[R', ...]` arrays over the devices."""
    replicate: Callable[[Any], Any]
    """Copies a tree of arrays to every device, such as the log that all runs read."""


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
        updates: updates of an epoch, a call of `learn`.
        devices: devices of this process to spread the runs over; all by default.
    """
    devices = jax.local_devices() if devices is None else devices
    mesh = jax.make_mesh(
        (len(devices),), (_AXIS,), axis_types=(AxisType.Auto,), devices=devices
    )
    over_runs, everywhere = (NamedSharding(mesh, spec) for spec in (P(_AXIS), P()))
    padded = -(-runs // len(devices)) * len(devices)
    map_runs = _one_by_one if devices[0].platform == "cpu" else _together
    sizes = obs_dim, action_dim
    # Nothing crosses runs, so nothing crosses devices; an automatically partitioned
    # program would gather the mapped axis, and make every run's replay on each.
    spread = functools.partial(
        jax.shard_map, mesh=mesh, out_specs=P(_AXIS), check_vma=False
    )
    run, shared = P(_AXIS), P()
    block = functools.partial(_block, algorithm, sizes, map_runs)
    sift = functools.partial(learning.sift, algorithm.groups)

    names = functools.cache(functools.partial(_names, algorithm, sizes))

    def begin(states: LearnerState) -> Progress:
        zeros = {name: np.zeros(padded, np.float32) for name in names()}
        return Progress(states, jax.device_put(zeros, over_runs))

    functions = Functions(
        begin=begin,
        block=jax.jit(spread(block, in_specs=(run, run, shared, shared))),
        sift=jax.jit(
            spread(jax.vmap(sift, in_axes=(0, 0, None)), in_specs=(run, run, shared)),
            donate_argnums=1,
        ),
    )

    def init_replay(capacity: int) -> ring.Replay:
        empty = functools.partial(_empty, obs_dim, action_dim, capacity)
        return jax.jit(spread(empty, in_specs=P(_AXIS)))(np.arange(padded))

    return Program(
        init=jax.jit(
            jax.vmap(algorithm.init, in_axes=(0, 0, None)), out_shardings=over_runs
        ),
        init_replay=init_replay,
        store=jax.jit(
            spread(jax.vmap(ring.extend), in_specs=(run, run)), donate_argnums=0
        ),
        learn=Learn(functions, updates),
        runs=padded,
        devices=devices,
        place=lambda tree: jax.device_put(tree, over_runs),
        replicate=lambda tree: jax.device_put(tree, everywhere),
    )


def _block(
    method: Algorithm,
    sizes: tuple[int, int],
    map_runs: Callable[..., Any],
    progress: Progress,
    replay: ring.Replay | None,
    data: jax.Array | None,
    updates: jax.Array,
) -> Progress:
    """Some updates of every run on this device."""
    runs, n = jnp.arange(len(progress.states.step)), method.batch_size

    def learn(one: Progress, run: jax.Array) -> Progress:
        draws: dict[str, _Draw] = {}
        if data is not None:
            draws["real"] = lambda key: ring.sample(ring.full(data), key, n)
        if replay is not None:
            draws["sim"] = lambda key: ring.sample_of(replay, run, key, n)

        def update(_: jax.Array, one: Progress) -> Progress:
            return _update(method, sizes, draws, one)

        # Of a length that is no part of the program, which serves blocks of any.
        return jax.lax.fori_loop(0, updates, update, one)

    return map_runs(learn, progress, runs)


def _update(
    method: Algorithm,
    sizes: tuple[int, int],
    draws: Mapping[str, _Draw],
    one: Progress,
) -> Progress:
    """One update of one run, from its replay and the data."""
    state = one.states
    key = jax.random.fold_in(state.key, state.step)
    noise_key, real_key, sim_key = jax.random.split(key, 3)
    real, sim = (
        packing.unpack(draws[d](key), *sizes) if d in draws else None
        for d, key in (("real", real_key), ("sim", sim_key))
    )
    state, metrics = method.step(state, real, sim, noise=method.noise(noise_key))
    totals = {name: one.totals[name] + x for name, x in metrics.items()}
    return Progress(state, one.totals | totals)


def _names(method: Algorithm, sizes: tuple[int, int]) -> list[str]:
    """Of the totals; found by tracing an update."""

    def report(key: jax.Array, rows: jax.Array) -> Metrics:
        state, batch = method.init(key), packing.unpack(rows, *sizes)
        return method.update(state, batch, batch)[1]

    width = packing.width(*sizes, method.needs_next_action)
    rows = jax.ShapeDtypeStruct((method.batch_size, width), jnp.float32)
    return [*jax.eval_shape(report, jax.random.key(0), rows), SKIPPED]


def _empty(
    obs_dim: int, action_dim: int, capacity: int, runs: jax.Array
) -> ring.Replay:
    """Empty replay of each of `runs [r]`."""
    return jax.vmap(lambda _: ring.init(obs_dim, action_dim, capacity))(runs)


def _one_by_one(f: Callable[..., Any], *trees: Any) -> Any:
    return jax.lax.map(lambda xs: f(*xs), trees)


def _together(f: Callable[..., Any], *trees: Any) -> Any:
    return jax.vmap(f)(*trees)
