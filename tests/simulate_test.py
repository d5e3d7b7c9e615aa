"""Simulators in turn with learning, and an epoch ahead of it."""

import time

import chex
import numpy as np
import pytest

from experiments import build, loop, run, run_folder, simulate
from experiments.training import unpadded
from h2o_jax import numpy_policy, packing
from h2o_jax.errors import ConfigError
from h2o_jax.sim.world import World
from tests.commands import TINY, call, experiment_of

pytestmark = pytest.mark.usefixtures("fast_compile")
SAC = (*TINY, "--algorithm=sac", "--seed=0..1", "--epochs=3")


def trained(epochs, *arguments):
    """Rows `[R, n, D]` that runs of SAC stored, and their actors after each epoch."""
    experiment = experiment_of(*SAC, *arguments)
    training = build.training(experiment)
    state, actors = training.state, []
    for _ in loop.train(training):
        actors.append(unpadded(state.learner.actor, 2))
        if state.epoch == epochs:
            break
    return np.asarray(state.replay.rows)[:, : epochs * experiment.steps], actors


def kernel(actor):
    return actor.policy["params"]["MLP_0"]["Dense_0"]["kernel"]


def test_overlapped_rows_come_from_the_policy_of_two_epochs_before():
    rows, actors = trained(3, "--overlap")
    experiment = experiment_of(*SAC)
    training = build.training(experiment)
    state, world = training.state, training.worlds.sim
    expected = []
    for epoch, policy in ((1, actors[0]), (2, actors[0]), (3, actors[1])):
        params = {**state.learner.params, "policy": policy.policy}
        state.learner = state.learner.replace(params=params)
        expected.append(simulate.prepare(experiment, world, state, epoch)().rows)
    np.testing.assert_array_equal(rows, np.concatenate(expected, axis=1))
    assert not np.array_equal(kernel(actors[0]), kernel(actors[1]))


def test_in_turn_differs_only_from_the_second_epoch_on():
    overlapped, _ = trained(2, "--overlap")
    in_turn, _ = trained(2)
    steps = overlapped.shape[1] // 2
    np.testing.assert_array_equal(overlapped[:, :steps], in_turn[:, :steps])
    assert not np.array_equal(overlapped, in_turn)


def test_random_steps_are_uniform_and_end_with_their_epoch():
    plain, _ = trained(2)
    rows, _ = trained(2, "--random_steps=110")
    rows, usual = (packing.unpack(x, 11, 3).a_tm1 for x in (rows, plain))
    first, then = rows[:, :60], rows[:, 60:]
    assert np.abs(first).max() < 1
    # Half of the uniform actions are beyond 0.5; an untrained policy, whose std is
    # exp(-1), takes few of those.
    assert 0.35 < (np.abs(first) > 0.5).mean() < 0.65
    assert (np.abs(then) > 0.5).mean() < 0.35
    assert not np.array_equal(first, usual[:, :60])


def test_timing_changes_no_bit(monkeypatch):
    rows, _ = trained(2, "--overlap")
    step = World.step

    def slow(world, *arguments):
        time.sleep(0.002)
        return step(world, *arguments)

    monkeypatch.setattr(World, "step", slow)
    slowed, _ = trained(2, "--overlap")
    np.testing.assert_array_equal(rows, slowed)


def test_an_overlapped_run_resumes_bit_for_bit(tmp_path, monkeypatch):
    places = [f"--run_dir={tmp_path / name}" for name in "ab"]
    # A replay that does not grow: one program for runs of any length.
    arguments = (*SAC, "--gap=gravity:2", "--overlap", "--replay_rows=60")
    call(run.main, monkeypatch, *arguments, places[0])
    call(run.main, monkeypatch, *arguments, places[1], "--epochs=1")
    call(run.main, monkeypatch, f"--resume={tmp_path / 'b'}", "--epochs=3")
    whole, resumed = (
        [
            {k: v for k, v in line.items() if k != "seconds"}
            for line in run_folder.metrics(tmp_path / name)
        ]
        for name in "ab"
    )
    assert whole == resumed


@pytest.mark.fault
def test_overlap_needs_a_simulator():
    experiment = experiment_of(*TINY, "--algorithm=iql", "--overlap")
    with pytest.raises(ConfigError, match="--overlap: iql steps no simulator"):
        build.algorithm(experiment)


def test_the_policy_explores_and_its_average_is_evaluated(monkeypatch):
    training = build.training(experiment_of(*SAC, "--policy_ema=0.5"))
    state, made, make = training.state, [], numpy_policy.make
    monkeypatch.setattr(numpy_policy, "make", lambda x: made.append(x) or make(x))
    learned = []
    for _ in loop.train(training):
        learned.append(unpadded(state.learner.actor, 2))
        averages = unpadded(state.learner.average_actor, 2)
        chex.assert_trees_all_equal(made[-1], averages)
    # The evaluation before the first epoch; then each epoch explores, and is scored.
    assert len(made) == 7
    chex.assert_trees_all_equal(made[3], learned[1])
    assert (kernel(made[4]) != kernel(learned[2])).any()
