"""What of a running experiment goes into a checkpoint, and back."""

import pathlib
from typing import Any

import numpy as np

from experiments import build, checkpoints, loop
from experiments.build import State, Worlds
from experiments.experiment import Experiment
from h2o_jax.errors import CheckpointError
from h2o_jax.sim.datasets import Dataset


def save(
    folder: pathlib.Path,
    experiment: Experiment,
    state: State,
    worlds: Worlds,
    dataset: Dataset | None,
) -> None:
    """Writes the checkpoint and the policies of a run folder.

    Of the replay only the rows written so far are stored.
    """
    tree = _tree(state, worlds)
    if state.memory is not None:
        written = min(int(state.memory.added[0]), state.memory.rows.shape[1])
        tree["memory"] = state.memory._replace(rows=state.memory.rows[:, :written])
    info = {"sha256": dataset and dataset.sha256}
    checkpoints.save(folder / "checkpoint", state.epoch, tree, info)
    final = loop.actors(state, len(experiment.runs))
    checkpoints.save(folder / "policy", state.epoch, final, info)
    checkpoints.save(folder / "best", state.epoch, state.best, info)


def restore(
    folder: pathlib.Path, state: State, worlds: Worlds, dataset: Dataset | None
) -> None:
    """Fills `state` and the simulators from the checkpoint of a run folder.

    Raises:
        CheckpointError: see `checkpoints`; or the dataset has changed.
    """
    arrays, epoch, info = checkpoints.read(folder / "checkpoint")
    if info["sha256"] != (dataset and dataset.sha256):
        raise CheckpointError(f"--resume={folder}: the dataset is another one now")
    if state.memory is not None:
        arrays["['memory'].rows"] = _grown(arrays, state.memory.rows.shape[1])
    tree = checkpoints.fit(arrays, _tree(state, worlds))
    state.epoch = epoch
    state.learner, state.memory = build.place_like(
        (tree["learner"], tree["memory"]), (state.learner, state.memory)
    )
    state.best, state.best_return = tree["best"], tree["best_return"]
    if worlds.sim is not None:
        worlds.sim.restore(tree["sim"])


def _tree(state: State, worlds: Worlds) -> dict[str, Any]:
    """Everything that a continuation depends on, besides the flags and the data."""
    return {
        "learner": state.learner,
        "memory": state.memory,
        "best": state.best,
        "best_return": state.best_return,
        "sim": worlds.sim and worlds.sim.state(),
    }


def _grown(arrays: dict[str, np.ndarray], capacity: int) -> np.ndarray:
    """Stored rows `[R', n, D]` at the head of a replay of this run's capacity.

    Raises:
        CheckpointError: the replay has come round, so that its oldest row is not the
            first, and is now to be larger.
    """
    rows, added = arrays["['memory'].rows"], int(arrays["['memory'].added"].max())
    missing = capacity - rows.shape[1]
    if missing > 0 and added > rows.shape[1]:
        raise CheckpointError(
            f"--epochs: the replay of {rows.shape[1]} rows has come round and cannot "
            "grow; choose the number of epochs when the run begins"
        )
    return np.pad(rows, ((0, 0), (0, max(missing, 0)), (0, 0)))
