"""A run folder that is reported on, and what could be opened of its making."""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import numpy as np

from experiments import environments, learned, policies
from experiments.experiment import Experiment
from experiments.reporting.page import Missing
from experiments.training import Simulator
from h2o_jax import packing
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import rollout
from h2o_jax.sim.environments import Environments
from h2o_jax.types import Transition

STEPS, COPIES = 500, 4
"""Control steps of fresh episodes, and environments in which they are stepped."""
_SEEDS = range(20_000, 20_000 + COPIES)
"""Of fresh episodes; no training and no evaluation has begun with one."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """One run folder. What concerns one policy concerns that of one run, see `run`.

    What cannot be had raises `Missing`, with the reason.
    """

    folder: pathlib.Path
    facts: dict[str, Any]
    """Its versions.json."""
    experiment: Experiment
    log: Dataset | None
    simulators: tuple[Simulator, ...]
    """What each run learned in; empty where the log is needed to tell, and absent."""
    why: str
    """Why there is no log."""
    threads: int = 0
    outside: tuple[str, ...] = ()
    """Flags that a command which reads the folder is given again."""

    @property
    def dataset(self) -> Dataset:
        """The log."""
        if self.log is None:
            raise Missing(self.why)
        return self.log

    @functools.cached_property
    def run(self) -> int:
        """The run that `experiments.export` takes, see `policies.recommended`."""
        return policies.recommended(self.folder)

    @property
    def simulator(self) -> Simulator:
        """What that run learned in, or is evaluated in."""
        if not self.simulators:
            raise Missing(self.why)
        return self.simulators[self.run]

    @property
    def act(self) -> policies.Act:
        """Its chosen policy."""
        return policies.load(self.folder, self.run)

    @functools.cached_property
    def kept(self) -> Transition:
        """Simulated rows `[n, ...]` that the run kept."""
        rows = learned.simulated_rows(self.folder, self.run)
        if rows is None or not len(rows):
            raise Missing("its method keeps no simulated rows")
        task = self.experiment.model
        return packing.unpack(np.asarray(rows), task.obs_dim, task.action_dim)

    @functools.cached_property
    def simulated(self) -> Transition:
        """Fresh rows `[n, ...]` of the policy in its simulator."""
        same = [self.simulator] * COPIES
        return self._fresh(
            environments.simulated(self.experiment, same, self.threads, _SEEDS)
        )

    @functools.cached_property
    def real(self) -> Transition:
        """Fresh rows `[n, ...]` of the policy in the real system."""
        if not self.experiment.knows_real:
            raise Missing("no real system is at hand")
        return self._fresh(
            environments.real(self.experiment, COPIES, self.threads, _SEEDS)
        )

    def _fresh(self, world: Environments) -> Transition:
        act = self.act
        world.reset(np.arange(COPIES))
        rows = rollout.collect(world, lambda obs, t: act(obs), STEPS).transitions
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
