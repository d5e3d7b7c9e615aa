"""Many runs as one program: on any devices, compiled once, without collectives."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax import Hyper, packing, sac
from h2o_jax.program import make_program
from h2o_jax.types import unit_scales

pytestmark = pytest.mark.usefixtures("fast_compile")
OBS, ACTIONS, UPDATES, ROWS = 3, 2, 4, 6


@pytest.fixture(scope="module")
def method():
    return sac(OBS, ACTIONS, learn_rows=slice(0, 8), hidden=(8,))


def rows(*shape):
    width = packing.width(OBS, ACTIONS)
    packed = np.random.default_rng(0).normal(size=(*shape, width)).astype(np.float32)
    packing.unpack(packed, OBS, ACTIONS).discount_t[...] = 1.0
    return packed


def started(method, runs, devices, capacity=20):
    """A program, its first states and empty replay, and rows to store."""
    program = make_program(method, OBS, ACTIONS, runs, UPDATES, devices)
    hyper = jax.tree.map(lambda x: jnp.full(program.runs, x), Hyper())
    keys = jax.vmap(jax.random.key)(jnp.minimum(jnp.arange(program.runs), runs - 1))
    states = program.init(keys, hyper, unit_scales(OBS, ACTIONS))
    each = np.minimum(np.arange(program.runs), runs - 1)
    simulated = program.place(rows(runs, ROWS)[each])
    return program, states, program.init_replay(capacity), simulated


def learned(method, runs, devices):
    program, states, replay, simulated = started(method, runs, devices)
    replay = program.store(replay, simulated)
    states, metrics = program.learn(states, replay, None)
    return jax.tree.map(lambda x: np.asarray(x)[:runs], (states.params, metrics))


def test_devices_change_no_bit(method):
    one, both = (learned(method, 3, jax.devices()[:n]) for n in (1, 2))
    chex.assert_trees_all_equal(one, both)


def test_a_run_does_not_depend_on_the_others(method):
    one, many = learned(method, 1, jax.devices()[:1]), learned(method, 3, None)
    chex.assert_trees_all_equal(one, jax.tree.map(lambda x: x[:1], many))


def test_nothing_crosses_devices(method):
    program, states, replay, _ = started(method, 4, jax.devices()[:2])
    text = program.learn.compiled(states, replay, None).as_text()
    collectives = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
    assert not [name for name in collectives if name in text]
    # The states are spread, not copied.
    assert len(states.step.sharding.device_set) == 2
    assert {x.data.shape for x in states.step.addressable_shards} == {(2,)}


@pytest.mark.parametrize("runs", [1, 3])
def test_no_replay_is_copied(method, runs):
    program, states, replay, _ = started(method, runs, jax.devices()[:1], 100_000)
    needed = program.learn.compiled(states, replay, None).memory_analysis()
    assert needed.temp_size_in_bytes < replay.rows.nbytes / runs / 10


def test_the_replay_is_donated_and_nothing_compiles_again(method, caplog):
    program, states, replay, simulated = started(method, 2, None)
    for call in range(3):
        before = replay.rows
        caplog.clear()
        with jax.log_compiles():
            replay = program.store(replay, simulated)
            states, _ = program.learn(states, replay, None)
        compiled = [x for x in caplog.messages if x.startswith("Compiling jit(_block)")]
        assert len(compiled) == (call == 0)
        assert before.is_deleted()
    assert states.step.tolist() == [3 * UPDATES] * 2
    assert states.step.sharding.device_set == replay.rows.sharding.device_set
