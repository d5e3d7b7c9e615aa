"""Saves a training to the checkpoint of its run folder, and restores it from there."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import run_folder
from experiments.hosts import ALONE, Gathering
from experiments.run_folder import BEST, CHECKPOINT, POLICY, STATE, checkpoints
from experiments.run_folder.checkpoints import Checkpoint
from experiments.training import Collected, Training, unpadded
from h2o_jax.errors import CheckpointError, ConfigError

_ROWS, _ADDED = "['replay']['rows']", "['replay']['added']"
_HYPER = "['learner'].hyper."
_POLICY, _AVERAGE = "['learner'].params['policy']", "['learner'].average_policy"


def save(folder: pathlib.Path, training: Training, hosts: Gathering = ALONE) -> None:
    """Writes the checkpoint of a run folder, policies included; every host calls it.

    Two things are not stored: runs that only pad the devices, and unwritten rows of the
    replay.
    """
    state, runs = training.state, len(training.experiment.runs)
    tree = _tree(training)
    if state.replay is not None:
        written = min(int(state.replay.added[0]), state.replay.rows.shape[1])
        rows = np.asarray(state.replay.rows)[:runs, :written]
        tree["replay"] = {"rows": rows, "added": state.replay.added[:runs]}
    info = {
        "epoch": state.epoch,
        "sha256": training.dataset and training.dataset.sha256,
        "run": run_folder.identity(folder),
    }
    last = unpadded(state.learner.average_actor, runs)
    trees = {STATE: tree, POLICY: last, BEST: state.best}
    items = {name: hosts.gather(checkpoints.flatten(x)) for name, x in trees.items()}
    if hosts.writes:
        checkpoints.save(folder / CHECKPOINT, items, info)


def read(folder: pathlib.Path, item: str = STATE) -> Checkpoint:
    """An item of the newest checkpoint of a run folder.

    Raises:
        CheckpointError: it is absent, damaged, or of another run.
    """
    found = checkpoints.read(folder / CHECKPOINT, item)
    if found.info["run"] != run_folder.identity(folder):
        raise CheckpointError(f"{folder / CHECKPOINT}: is another run's; remove it")
    return found


def restore(folder: pathlib.Path, training: Training, hosts: Gathering = ALONE) -> None:
    """Fills the state and the simulators from the checkpoint of a run folder.

    A damaged checkpoint is set aside by the host that writes, which comes first, and
    the one before it is used.

    Raises:
        CheckpointError: there is no readable checkpoint, it is of another run, or the
            dataset has changed.
        ConfigError: `--epochs` is below the epochs that the run has done.
    """
    experiment, program, worlds, dataset, state = training
    runs = len(experiment.runs)
    if hosts.writes:
        for note in checkpoints.recover(folder / CHECKPOINT):
            print(note)
    arrays, info = read(folder)
    epoch = info["epoch"]
    if info["sha256"] != (dataset and dataset.sha256):
        log = dataset.source if dataset else "its log"
        raise CheckpointError(
            f"--resume={folder}: {log} is another log now; restore it, or start a "
            "fresh run"
        )
    if epoch > experiment.epochs:
        raise ConfigError(
            f"--epochs={experiment.epochs}: the run is at epoch {epoch}; give at least "
            "that many"
        )
    arrays = {name: hosts.own_shard(array) for name, array in arrays.items()}
    if state.replay is not None:
        _fill_replay(arrays, runs, state.replay.rows.shape)
    wanted = _tree(training)
    _fill_hyper(arrays, wanted)
    _fill_average(arrays)
    tree = checkpoints.fit(arrays, wanted)

    def padded(stored: Any) -> Any:
        return program.place(jax.tree.map(lambda x: _fill(x, program.runs), stored))

    state.epoch = epoch
    state.learner = padded(tree["learner"])
    if state.replay is not None:
        state.replay = state.replay._replace(**padded(tree["replay"]))
    state.best, state.best_return = tree["best"], tree["best_return"]
    if state.ahead is not None:
        state.ahead = Collected(**tree["ahead"])
    if worlds.sim is not None:
        worlds.sim.restore(tree["sim"])
        state.sim = tree["sim"]


def _fill_replay(
    arrays: dict[str, np.ndarray], runs: int, shape: tuple[int, ...]
) -> None:
    """Makes the stored rows `[R, n, D]` as many as a replay of this shape has."""
    _, capacity, width = shape
    if not arrays[_ADDED].any():  # arrays without elements are not stored
        arrays[_ROWS] = np.zeros((runs, 0, width), np.float32)
    if _ROWS in arrays:
        unwritten = max(0, capacity - arrays[_ROWS].shape[1])
        arrays[_ROWS] = np.pad(arrays[_ROWS], ((0, 0), (0, unwritten), (0, 0)))


def _fill_hyper(arrays: dict[str, np.ndarray], wanted: dict[str, Any]) -> None:
    """Gives hyperparameters that are newer than a checkpoint the flags' values."""
    for name, value in vars(wanted["learner"].hyper).items():
        arrays.setdefault(f"{_HYPER}{name}", np.asarray(value))


def _fill_average(arrays: dict[str, np.ndarray]) -> None:
    """Gives a checkpoint from before moving averages its policy as the average."""
    for name in [x for x in arrays if x.startswith(_POLICY)]:
        arrays.setdefault(name.replace(_POLICY, _AVERAGE), arrays[name])


def _tree(training: Training) -> dict[str, Any]:
    """The arrays that a resumed run needs, besides its flags and its log."""
    state = training.state
    runs = len(training.experiment.runs)
    learner, replay = jax.tree.map(lambda x: x[:runs], (state.learner, state.replay))
    return {
        "learner": learner,
        "replay": replay and replay._asdict(),
        "best": state.best,
        "best_return": state.best_return,
        "sim": state.sim,
        "ahead": state.ahead and state.ahead._asdict(),
    }


def _fill(x: Any, runs: int) -> Any:
    """`[R, ...]` -> `[R', ...]`: repeats the last run to fill the devices."""
    x = jnp.asarray(x)
    return jnp.concatenate([x] + [x[-1:]] * (runs - len(x)))
