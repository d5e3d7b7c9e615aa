"""A log of the real system, and how simulators are mended with it."""

import dataclasses
import pathlib
from typing import NamedTuple

from experiments.experiment import Experiment
from experiments.mending_settings import MendingSettings
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.tasks.task import Task


class Mending(NamedTuple):
    """What mending any of an experiment's simulators needs."""

    task: Task
    """Of the log."""
    dataset: Dataset
    """Log of the real system."""
    settings: MendingSettings = MendingSettings()
    """Its `fields` and `residual_*`; an `Experiment` has them."""
    inertia: Inertia = "modern"
    """See `models.compile_model`."""
    cache: pathlib.Path = pathlib.Path()
    """Folder in which what was learned is kept."""
    threads: int = 0
    """Threads of the physics; 0 for one per core."""

    @property
    def fitting(self) -> Fitting:
        """How a simulator is fitted: the default way, but for fields that are named."""
        usual = Fitting()
        return dataclasses.replace(usual, fields=self.settings.fields or usual.fields)


def of(
    experiment: Experiment, dataset: Dataset, cache: pathlib.Path, threads: int
) -> Mending:
    """The record of an experiment that learns from this log."""
    own = experiment.model, dataset, experiment, experiment.inertia
    return Mending(*own, cache, threads)
