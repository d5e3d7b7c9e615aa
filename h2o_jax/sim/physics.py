"""The physics of many environments of one task, stepped as one batch."""

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco import batch

from h2o_jax.sim.motors import Motors
from h2o_jax.sim.tasks.task import Array, Task

# MuJoCo answers these by putting the robot back to its initial pose and going on.
_FATAL = [
    int(mujoco.mjtWarning.mjWARN_BADQPOS),
    int(mujoco.mjtWarning.mjWARN_BADQVEL),
    int(mujoco.mjtWarning.mjWARN_BADQACC),
    int(mujoco.mjtWarning.mjWARN_BADCTRL),
]


class Physics:
    """`n` models with their states; views into memory that MuJoCo steps.

    Attributes:
        models: `n` compiled models; `use` swaps them.
        qpos: `[n, nq]` positions.
        qvel: `[n, nv]` velocities.
        time: `[n]` simulated seconds since the reset.
        force: `[n, bodies, 6]` forces and torques on bodies from outside.
        state: `[n, S]` everything that MuJoCo's future depends on.
    """

    def __init__(self, task: Task, models: Sequence[mujoco.MjModel], nthread: int = 0):
        """Builds the batch.

        Args:
            task: what all environments do.
            models: `n`, of one layout.
            nthread: threads; 0 for one per core.
        """
        _log_to_console()
        self.models = list(models)
        self._frame_skip = task.frame_skip
        self._batch = batch.Batch(models[0], len(models), nthread)
        if any(model is not models[0] for model in models):
            self._batch.set_models(self.models)
        self.qpos, self.qvel = self._batch.qpos, self._batch.qvel
        self.time, self.state = self._batch.time, self._batch.state
        self.force, self._ctrl = self._batch.xfrc_applied, self._batch.ctrl
        self._warnings = self._batch.warning[..., 1]
        self._motors = Motors(models, task.action_dim)

    def use(self, models: Sequence[mujoco.MjModel]) -> None:
        """Swaps the models `[n]` for others of the same layout."""
        self.models = list(models)
        self._batch.set_models(self.models)

    def reset(self, ids: Array | None = None) -> None:
        """Puts environments, by default all, into the models' initial state."""
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)

    def forward(self, ids: Array) -> None:
        """Computes all that follows from positions and velocities."""
        self._batch.forward(ids)

    def command(self, actions: Array, rows: Array | slice) -> Array:
        """Actions `[k, A]`, clipped to [-1, 1], as control signals of the motors."""
        return self._motors.command(actions, rows)

    def move(self, command: Array, ids: Array | None) -> None:
        """Steps environments `ids [k]`, or all, for one control period of the task.

        Args:
            command: `[k, A]` control signals.
            ids: `[k]` environments, or None for all.
        """
        self._ctrl[slice(None) if ids is None else ids] = command
        self._batch.step(ids, nstep=self._frame_skip)

    def move_unevenly(self, command: Array, ids: Array, substeps: Array) -> None:
        """The same with control periods of `substeps [k]` physics steps."""
        self._ctrl[ids] = command
        for count in np.unique(substeps):
            self._batch.step(ids[substeps == count], nstep=int(count))

    def diverged(self, rows: Array | slice) -> Array:
        """Which rows `[k]` diverged since their reset; bool."""
        fatal = self._warnings[rows]
        if not np.count_nonzero(self._warnings):
            return np.zeros(len(fatal), bool)
        return np.asarray(fatal[:, _FATAL].any(axis=1))


def _log_to_console() -> None:
    """Keeps MuJoCo from leaving MUJOCO_LOG.TXT in the current folder."""
    config = mujoco.MjLogConfig.get()
    config.logto_file = False
    config.set()


def finite(s_t: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Which rows `[k]` float32 holds; false for those that are not numbers, too."""
    return np.abs(s_t).max(axis=1) + np.abs(reward) <= np.finfo(np.float32).max
