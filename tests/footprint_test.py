"""What a program holds is said before it is built, and refused if it does not fit."""

import jax
import pytest

from experiments import build, footprint, run
from h2o_jax.errors import ConfigError, MemoryLimitError
from tests.commands import TINY, call, experiment_of

SAC = (*TINY, "--algorithm=sac", "--seed=0..3", "--epochs=5")


def parts(*arguments):
    experiment = experiment_of(*arguments)
    return experiment, build.algorithm(experiment)


def size(tree):
    leaves = [
        x
        for x in jax.tree.leaves(tree)
        if not jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
    ]
    return sum(x.nbytes for x in leaves)


def test_the_estimate_is_what_is_allocated():
    experiment, method = parts(*SAC)
    program = build.program(experiment, method)
    needed = footprint.estimate(experiment, None)
    state = build.state(experiment, method, program, None)
    assert needed.learner == size(state.learner)
    assert needed.replay == state.replay.rows.nbytes
    assert needed.replay == 4 * 300 * 27 * 4  # runs, steps, floats in a row, bytes
    assert needed.data == 0 and needed.runs == 4
    # An epoch's updates go on from a state that is kept, block by block.
    assert needed.total == 3 * needed.learner + needed.replay


def test_replay_rows_bounds_the_replay():
    experiment, _ = parts(*SAC, "--replay_rows=100")
    needed = footprint.estimate(experiment, None)
    assert needed.replay == 4 * 100 * 27 * 4
    experiment, _ = parts(*SAC, "--replay_rows=10")
    with pytest.raises(ConfigError, match="--replay_rows=10: an epoch adds --steps=60"):
        build.replay_rows(experiment, None)


@pytest.mark.fault
def test_what_does_not_fit_is_refused():
    needed = footprint.Estimate(learner=10, replay=70, data=0, runs=2)
    footprint.check(needed, 100)
    footprint.check(needed, None)
    with pytest.raises(MemoryLimitError, match="lower --replay_rows"):
        footprint.check(needed, 99)
    with pytest.raises(MemoryLimitError, match="do shards of the grid"):
        footprint.check(needed._replace(learner=95), 99)


@pytest.mark.fault
def test_the_command_refuses_before_it_compiles(monkeypatch, tmp_path):
    monkeypatch.setattr(footprint, "available", lambda devices: 1000)
    with pytest.raises(MemoryLimitError, match="4 runs need") as caught:
        call(run.main, monkeypatch, *SAC, f"--run_dir={tmp_path / 'run'}")
    assert caught.value.exit_code == 6
    assert not (tmp_path / "run").exists()


def test_free_memory_is_known_here():
    free = footprint.available(jax.local_devices())
    assert free is None or free > 1e6


@pytest.mark.fault
def test_an_accelerator_may_be_required(monkeypatch, tmp_path):
    if jax.default_backend() != "cpu":
        pytest.skip("there is one")
    with pytest.raises(ConfigError, match="--require_accelerator: JAX found only"):
        call(run.main, monkeypatch, *SAC, "--require_accelerator")
