"""What takes part in a training, and what it changes."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.experiment import Experiment
from h2o_jax.data.datasets import Dataset
from h2o_jax.program import Program
from h2o_jax.replay import Replay
from h2o_jax.sim.environments import Environments
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.residual import Residual
from h2o_jax.types import Actor, LearnerState

DIVERGED = "sim/diverged"
"""Metric: share of a run's episodes so far that blew up, of ten at least."""


def reported(corrected: bool) -> tuple[str, ...]:
    """Names of the metrics of simulators.

    The mean return of an epoch's episodes, nan where none ended, and `DIVERGED`. Of
    corrected ones also the share of the episodes that were cut because their simulator
    went astray, and the mean share of the corrections that counted.
    """
    names = ("sim/return", DIVERGED)
    return (*names, "sim/strayed", "sim/trust") if corrected else names


class Simulator(NamedTuple):
    """What a run learns in, or has its policy chosen by."""

    gap: Gaps
    """How the model differs from the stock one."""
    residual: Residual | None = None
    """What corrects it after every control step."""
    right: bool = False
    """Whether the audit rates it accurate enough to select the best checkpoint in."""


class Worlds(NamedTuple):
    """The environments of all runs."""

    sim: Environments | None
    """One per run; None for a method that learns from data alone."""
    real: Environments
    """`episodes` per run; each run's own simulator where no real system is at hand."""
    own: Environments | None
    """As many in each run's own simulator; None where `real` alone scores."""
    right: np.ndarray
    """`[R]` whether a run's simulator is right, and chooses its best policy."""


class Collected(NamedTuple):
    """One epoch of every run's simulator."""

    rows: np.ndarray
    """`[R, n, D]` packed transitions."""
    metrics: dict[str, np.ndarray]
    """`[R]` what the simulators report, by name."""


@dataclasses.dataclass
class State:
    """All that training changes. Arrays are `[R', ...]`, the padded runs."""

    epoch: int
    learner: LearnerState
    replay: Replay | None
    best: Actor
    """Each run's actor at its best evaluation: in its own simulator if that is right,
    in the real system otherwise."""
    best_return: np.ndarray
    """`[R]` that evaluation's mean return."""
    sim: dict[str, np.ndarray] | None = None
    """Of all simulators, at the end of the epoch."""
    ahead: Collected | None = None
    """With `--overlap`, the rows of the epoch to come; of no meaning at epoch 0."""

    @property
    def untrained(self) -> bool:
        """Whether nothing was done yet, not even the first evaluation."""
        return self.epoch == 0 and not np.isfinite(self.best_return).any()

    def held(self) -> "State":
        """What `return_to` needs: an epoch gives away nothing but the replay."""
        replay = self.replay
        if replay is not None:
            replay = replay._replace(added=jnp.copy(replay.added))
        return dataclasses.replace(self, replay=replay)

    def return_to(self, held: "State") -> None:
        """Gives up what came after `held`.

        New rows stay in the replay; the same rows will be stored in their places.
        """
        replay = self.replay
        if replay is not None and held.replay is not None:
            replay = replay._replace(added=held.replay.added)
        vars(self).update({**vars(held), "replay": replay})


class Training(NamedTuple):
    """All that takes part in a training."""

    experiment: Experiment
    program: Program
    worlds: Worlds
    dataset: Dataset | None
    """Log of the real system, or None if the method needs none."""
    state: State
    """Before the first epoch, or restored."""


def unpadded(actor: Actor, runs: int) -> Actor:
    """Actors `[R, ...]` of the runs without the padding, as NumPy arrays."""
    return jax.tree.map(lambda x: np.asarray(x)[:runs], actor)
