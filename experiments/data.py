"""The log that an experiment learns from: read, or made when none is given."""

import dataclasses

import numpy as np

from experiments import flags, from_flags
from experiments.collect import ensure_dataset
from experiments.experiment import Experiment
from h2o_jax import with_next_action
from h2o_jax.data import datasets, hdf5
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.types import Algorithm


def reads(experiment: Experiment, method: Algorithm) -> bool:
    """Whether the method needs a log.

    One that learns from the simulator alone does only for `--normalise`, so that all
    methods see the same observations.
    """
    return "real" in method.domains or experiment.normalise


def load(experiment: Experiment, method: Algorithm) -> Dataset | None:
    """The log that `--dataset` names, or a collected one; None if none is needed.

    Raises:
        ConfigError: `--pairing` asks for another pairing than the log's.
        DatasetError: in one line, the file, the finding and the fix.
    """
    if not reads(experiment, method):
        return None
    dataset = _read(experiment, method.batch_size)
    return (
        _with_next_action(dataset, experiment.algorithm)
        if method.needs_next_action
        else dataset
    )


def _with_next_action(dataset: Dataset, algorithm: str) -> Dataset:
    """The log with each row's next action, and a note of how many are known.

    Raises:
        DatasetError: hardly any is, as in a shuffled log.
    """
    rows = with_next_action(dataset.transition)
    unknown = float(np.isinf(np.asarray(rows.a_t)[:, 0]).mean())
    if unknown > 0.5:
        raise DatasetError(
            f"{dataset.source}: {algorithm} needs the next action, which {unknown:.0%} "
            "of the rows lack; give the log in the order in which it was recorded"
        )
    note = f"{unknown:.2%} of rows: the next action is unknown"
    return dataclasses.replace(dataset, transition=rows, notes=(*dataset.notes, note))


def _read(experiment: Experiment, rows: int) -> Dataset:
    """The log, with at least `rows` rows."""
    task = experiment.model
    if task.robot == "wheel_legged" and experiment.dataset.endswith(".txt"):
        return robot_log.load(experiment.dataset, task, from_flags.pairing(), rows)
    dataset = datasets.load(
        experiment.dataset or str(ensure_dataset(experiment)),
        obs_dim=task.obs_dim,
        action_dim=task.action_dim,
        columns=from_flags.columns(),
        action_bounds=from_flags.action_bounds(),
        max_episode_steps=flags.FLAGS.max_episode_steps,
        min_rows=rows,
        download=flags.FLAGS.download,
    )
    if experiment.dataset:
        _check_pairing(experiment.dataset)
    return dataset


def _check_pairing(source: str) -> None:
    """Refuses a `--pairing` other than the one that a log states.

    A log that states none is taken as its owner paired it, so that a preset with a
    pairing serves any log.

    Raises:
        ConfigError: in one line, the flag, the finding and the fix.
    """
    asked, found = flags.FLAGS.pairing, hdf5.attribute(source, "pairing")
    if asked is not None and found not in (None, asked):
        raise ConfigError(
            f"--pairing={asked}: the rows of {source} are paired {found}; drop the flag"
        )
