"""What a checkpoint holds of a training, and what comes back from it."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import build, run_folder
from experiments.hosts import Gathering
from experiments.run_folder import checkpoints, saving
from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.sim import rollout
from tests.commands import TINY, experiment_of, write_run

pytestmark = pytest.mark.usefixtures("fast_compile")
CAPACITY = 80
SAC = (*TINY, "--algorithm=sac", "--seed=0..2", "--epochs=4", "--hidden=4,4")
ROWS, ADDED = "['replay']['rows']", "['replay']['added']"


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path)
    return tmp_path


def begun(*arguments):
    return build.training(experiment_of(*SAC, f"--replay_rows={CAPACITY}", *arguments))


def moved(added, *arguments):
    """A training of three runs whose every number is its own, after three epochs.

    Two devices make them four: the last of them is repeated.
    """
    training = begun(*arguments)
    state, program = training.state, training.program
    rng = np.random.default_rng(0)

    def drawn(x):
        if not jnp.issubdtype(x.dtype, jnp.floating):
            return x
        rows = rng.normal(size=x.shape).astype(x.dtype)
        rows[3:] = rows[2:3]
        return program.place(rows)

    state.epoch = 3
    state.learner = jax.tree.map(drawn, state.learner)
    rows = np.array(drawn(state.replay.rows))
    rows[:, added:] = 0
    counts = np.full(program.runs, added, np.uint32)
    state.replay = state.replay._replace(
        rows=program.place(rows), added=program.place(counts)
    )
    state.best_return = np.array([1.0, 2.0, 3.0])
    rollout.collect(
        training.worlds.sim, lambda obs, t: np.full((*obs.shape[:-1], 3), 0.1), 7
    )
    state.sim = training.worlds.sim.state()
    if state.ahead is not None:
        state.ahead.rows[...] = rng.normal(size=state.ahead.rows.shape)
    return training


def numbers(training):
    """The bits of all that training changes, by path."""
    tree = {**vars(training.state), "world": training.worlds.sim.state()}
    return {
        jax.tree_util.keystr(path): np.asarray(checkpoints._raw(x))
        for path, x in jax.tree_util.tree_leaves_with_path(tree)
    }


@pytest.mark.parametrize("added", [0, 1, 5, CAPACITY - 1, CAPACITY, CAPACITY + 3])
def test_everything_comes_back(folder, added):
    before, after = moved(added), begun()
    saving.save(folder, before)
    stored = saving.read(folder).arrays
    # Neither what only pads the devices is stored, nor rows that are unwritten.
    written = min(added, CAPACITY)
    assert stored[ADDED].shape == (3,)
    assert (ROWS in stored) == bool(written)
    if written:
        assert stored[ROWS].shape[:2] == (3, written)
    saving.restore(folder, after)
    assert after.state.epoch == 3
    wanted, found = numbers(before), numbers(after)
    assert wanted.keys() == found.keys()
    for name, x in wanted.items():
        np.testing.assert_array_equal(found[name], x, err_msg=name)


def test_the_average_of_an_older_checkpoint_begins_with_the_policy(folder, monkeypatch):
    before, after = moved(5), begun()
    saving.save(folder, before)
    stored = saving.read(folder)
    older = {k: v for k, v in stored.arrays.items() if ".average_policy" not in k}
    assert older.keys() < stored.arrays.keys()
    monkeypatch.setattr(saving, "read", lambda _: stored._replace(arrays=older))
    saving.restore(folder, after)
    learner = after.state.learner
    chex.assert_trees_all_equal(learner.average_policy, learner.params["policy"])


def test_rows_of_the_epoch_to_come_come_back(folder):
    before, after = moved(5, "--overlap"), begun("--overlap")
    saving.save(folder, before)
    saving.restore(folder, after)
    np.testing.assert_array_equal(after.state.ahead.rows, before.state.ahead.rows)


@pytest.mark.fault
def test_a_run_may_end_where_it_is_and_not_before(folder):
    saving.save(folder, moved(5))
    for epochs in (2, 3):
        training = begun()
        shorter = dataclasses.replace(training.experiment, epochs=epochs)
        training = training._replace(experiment=shorter)
        if epochs == 3:
            saving.restore(folder, training)
            continue
        with pytest.raises(ConfigError, match="--epochs=2: the run is at epoch 3"):
            saving.restore(folder, training)


@pytest.mark.fault
def test_the_checkpoint_of_another_run_is_refused(folder):
    saving.save(folder, moved(5))
    write_run(folder)  # draws another name
    with pytest.raises(CheckpointError, match="is another run's"):
        saving.read(folder)


@pytest.mark.fault
def test_one_host_writes_and_sets_damage_aside(folder):
    leaves_it = Gathering(writes=False)
    training = moved(5)
    saving.save(folder, training, leaves_it)
    assert not (folder / run_folder.CHECKPOINT).exists()
    for _ in range(2):
        saving.save(folder, training)
    (folder / run_folder.CHECKPOINT / "1" / "record" / "metadata").write_text("{")
    with pytest.raises(CheckpointError):
        saving.restore(folder, begun(), leaves_it)
    assert (folder / run_folder.CHECKPOINT / "1").is_dir()
    saving.restore(folder, begun())
    assert not (folder / run_folder.CHECKPOINT / "1").exists()
