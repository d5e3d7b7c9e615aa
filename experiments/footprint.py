"""How many bytes a program will hold, said before anything is compiled."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from experiments import build
from experiments.experiment import Experiment
from h2o_jax import packing
from h2o_jax.data import files
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import MemoryLimitError

_COPIES = 3
"""Copies of the learner held at once: at the epoch's start, at the block's start, and
the current one."""


class Estimate(NamedTuple):
    """Bytes on this host's devices, all together; working memory is not in it."""

    learner: int
    """Parameters, their averages and optimisers of every run."""
    replay: int
    """Simulated rows of every run."""
    data: int
    """The log, once on each device."""
    runs: int
    """R', the padded runs."""

    @property
    def total(self) -> int:
        """Of everything, while the runs learn."""
        return _COPIES * self.learner + self.replay + self.data

    def __str__(self) -> str:
        learner, kept = self.learner / self.runs, self.replay / self.runs
        return (
            f"memory    {_size(self.total)}: {self.runs} run{'s' * (self.runs > 1)} of "
            f"{_size(kept)} replay and {_COPIES} times {_size(learner)} learner, "
            f"{_size(self.data)} data"
        )


def _size(count: float) -> str:
    """Bytes as kB or MB, whichever leaves a number that says something."""
    if count < 1e6:
        return f"{count / 1e3:,.0f} kB"
    return f"{count / 1e6:,.1f} MB"


def fitting(experiment: Experiment, dataset: Dataset | None) -> str:
    """A line on what the program will hold.

    Raises:
        MemoryLimitError: it is more than there is.
    """
    needed, devices = estimate(experiment, dataset), build.devices(experiment)
    check(needed, available(devices))
    where = f"{len(devices)} x {devices[0].device_kind}"
    if jax.process_count() > 1:
        where += " of each host"
    return f"{needed}, on {where}; JAX itself and the compiled program come on top"


def estimate(experiment: Experiment, dataset: Dataset | None) -> Estimate:
    """What the runs of this host will take; nothing is compiled for it.

    Args:
        experiment: what to do.
        dataset: log of the real system, if any.
    """
    method, devices = build.algorithm(experiment), build.devices(experiment)
    runs = -(-len(experiment.runs) // len(devices)) * len(devices)
    state = jax.eval_shape(method.init, jax.random.key(0))
    # Random keys have no size of their own.
    leaves = jax.tree.leaves(state.replace(key=None))
    learner = sum(math.prod(x.shape) * x.dtype.itemsize for x in leaves)
    width = packing.width(experiment.model.obs_dim, experiment.model.action_dim)
    kept, data = 0, 0
    if "sim" in method.domains:
        kept = 4 * width * build.replay_rows(experiment, dataset)
    if dataset is not None:
        rows = [x for x in dataset.transition if x is not None]
        data = len(devices) * sum(4 * np.size(x) for x in rows)
    return Estimate(runs * learner, runs * kept, data, runs)


def check(needed: Estimate, available: int | None) -> None:
    """Refuses what cannot fit.

    Args:
        needed: the estimate.
        available: bytes; None where nobody knows.

    Raises:
        MemoryLimitError: it needs more than that.
    """
    if available is None or needed.total <= available:
        return
    lower = {
        needed.replay: "lower --replay_rows, or do shards of the grid (--shard)",
        _COPIES * needed.learner: "do shards of the grid (--shard)",
        needed.data: "give a shorter log",
    }
    raise MemoryLimitError(
        f"{needed.runs} runs need {needed.total / 1e9:.1f} GB and "
        f"{available / 1e9:.1f} GB are free; {lower[max(lower)]}, or spread the "
        "runs over more devices or hosts"
    )


def available(devices: Sequence[jax.Device]) -> int | None:
    """Free bytes of these devices, or of the machine where they are its CPU."""
    if devices[0].platform != "cpu":
        free = [x.memory_stats() for x in devices]
        if not all(free):
            return None
        return sum(x["bytes_limit"] - x["bytes_in_use"] for x in free)
    return files.available_memory()
