"""What of a running experiment goes into a checkpoint, and back."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import checkpoints, simulate
from experiments.build import Block, State, Worlds
from experiments.experiment import Experiment
from experiments.hosts import ALONE, Share
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.program import Program

_ROWS, _ADDED = "['memory']['rows']", "['memory']['added']"


def save(
    folder: pathlib.Path,
    experiment: Experiment,
    state: State,
    worlds: Worlds,
    dataset: Dataset | None,
    share: Share = ALONE,
) -> None:
    """Writes the checkpoint and the policies of a run folder, for all hosts.

    Neither the runs that only fill devices nor unwritten rows of the replay are stored.
    """
    runs = len(experiment.runs)
    tree = _tree(state, worlds, runs)
    if state.memory is not None:
        written = min(int(state.memory.added[0]), state.memory.rows.shape[1])
        rows = np.asarray(state.memory.rows)[:runs, :written]
        tree["memory"] = {"rows": rows, "added": state.memory.added[:runs]}
    info = {"sha256": dataset and dataset.sha256}
    parts = {
        "checkpoint": tree,
        "policy": simulate.actors(state, runs),
        "best": state.best,
    }
    for name, part in parts.items():
        arrays = share.gather(checkpoints.flatten(part))
        if share.writes:
            checkpoints.save(folder / name, state.epoch, arrays, info)


def restore(
    folder: pathlib.Path,
    experiment: Experiment,
    program: Program,
    state: State,
    worlds: Worlds,
    dataset: Dataset | None,
    share: Share = ALONE,
) -> None:
    """Fills `state` and the simulators from the checkpoint of a run folder.

    Raises:
        CheckpointError: see `checkpoints`; or the dataset has changed.
        ConfigError: fewer epochs are asked for than the run has done.
    """
    arrays, epoch, info = checkpoints.read(folder / "checkpoint")
    if info["sha256"] != (dataset and dataset.sha256):
        raise CheckpointError(f"--resume={folder}: the dataset is another one now")
    if epoch > experiment.epochs:
        raise ConfigError(
            f"--epochs={experiment.epochs}: the run is at epoch {epoch}; give at least "
            "that many"
        )
    arrays = {name: share.own(array) for name, array in arrays.items()}
    if state.memory is not None:
        _, capacity, width = state.memory.rows.shape
        if not arrays[_ADDED].any():  # arrays without elements are not stored
            arrays[_ROWS] = np.zeros((len(experiment.runs), 0, width), np.float32)
        if _ROWS in arrays:
            unwritten = max(0, capacity - arrays[_ROWS].shape[1])
            arrays[_ROWS] = np.pad(arrays[_ROWS], ((0, 0), (0, unwritten), (0, 0)))
    tree = checkpoints.fit(arrays, _tree(state, worlds, len(experiment.runs)))

    def padded(stored: Any) -> Any:
        return program.place(jax.tree.map(lambda x: _fill(x, program.runs), stored))

    state.epoch = epoch
    state.learner = padded(tree["learner"])
    if state.memory is not None:
        state.memory = state.memory._replace(**padded(tree["memory"]))
    state.best, state.best_return = tree["best"], tree["best_return"]
    if state.ahead is not None:
        state.ahead = Block(**tree["ahead"])
    if worlds.sim is not None:
        worlds.sim.restore(tree["sim"])


def _tree(state: State, worlds: Worlds, runs: int) -> dict[str, Any]:
    """Everything that a continuation depends on, besides the flags and the data."""
    learner, memory = jax.tree.map(lambda x: x[:runs], (state.learner, state.memory))
    return {
        "learner": learner,
        "memory": memory and memory._asdict(),
        "best": state.best,
        "best_return": state.best_return,
        "sim": worlds.sim and worlds.sim.state(),
        "ahead": state.ahead and state.ahead._asdict(),
    }


def _fill(x: Any, runs: int) -> Any:
    """`[R, ...]` -> `[R', ...]`: the last run fills the devices, as at first."""
    x = jnp.asarray(x)
    return jnp.concatenate([x] + [x[-1:]] * (runs - len(x)))
