"""Actions in [-1, 1] as commands to a model's motors."""

from collections.abc import Sequence

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError

Array = np.ndarray


class Motors:
    r"""The motors of `n` environments; each maps [-1, 1] onto its control range.

    .. math:: u = (u_{high} + u_{low}) / 2 + a \, (u_{high} - u_{low}) / 2

    What a command does is the model's own affair: a torque for a motor, a target for
    a servo.
    """

    def __init__(self, models: Sequence[mujoco.MjModel], action_dim: int):
        """Reads the control ranges of the first `action_dim` motors."""
        limits = np.stack([m.actuator_ctrlrange[:action_dim] for m in models])
        self._half = (limits[..., 1] - limits[..., 0]) / 2
        middle = (limits[..., 1] + limits[..., 0]) / 2
        # None where all are symmetric, which saves an addition at every step.
        self._middle = middle if middle.any() else None

    def command(self, actions: Array, rows: Array | slice = slice(None)) -> Array:
        """Commands `[k, A]` in actuator units for actions `[k, A]`, clipped first.

        Args:
            actions: of the environments `rows`.
            rows: `[k]` environments; by default all.
        """
        command: Array = self._half[rows] * clip(actions)
        return command if self._middle is None else command + self._middle[rows]


def clip(actions: Array) -> Array:
    """Actions within [-1, 1]; far cheaper on small arrays than `np.clip`."""
    return np.minimum(np.maximum(actions, -1.0), 1.0)


def torques(model: mujoco.MjModel) -> np.ndarray:
    """`[nv]` largest torque, N m or N, that motors exert on each degree of freedom."""
    largest = np.zeros(model.nv)
    on_joints = model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT
    for i in np.flatnonzero(on_joints):
        force = np.abs(model.actuator_gainprm[i, 0] * model.actuator_ctrlrange[i]).max()
        if model.actuator_forcelimited[i]:
            force = min(force, np.abs(model.actuator_forcerange[i]).max())
        dof = model.jnt_dofadr[model.actuator_trnid[i, 0]]
        largest[dof] += np.abs(model.actuator_gear[i, 0]) * force
    limited = np.flatnonzero(model.jnt_actfrclimited)
    dofs, limits = model.jnt_dofadr[limited], model.jnt_actfrcrange[limited]
    largest[dofs] = np.minimum(largest[dofs], np.abs(limits).max(axis=1))
    return largest


def joint_torques(model: mujoco.MjModel) -> np.ndarray:
    """`[njnt]` largest torque that motors exert on each joint's first direction."""
    return torques(model)[model.jnt_dofadr]


def check(model: mujoco.MjModel, action_dim: int) -> None:
    """Makes sure that actions can be mapped onto a model's motors.

    Raises:
        ConfigError: it names the motor, the finding and the fix.
    """
    if model.nu != action_dim:
        raise ConfigError(
            f"the model has {model.nu} actuators and the task {action_dim} actions; "
            "give as many"
        )
    for i in range(model.nu):
        low, high = model.actuator_ctrlrange[i]
        if not (model.actuator_ctrllimited[i] and low < high):
            name = model.actuator(i).name or f"number {i}"
            raise ConfigError(
                f"actuator {name} has no ctrlrange, which actions in [-1, 1] are "
                'mapped onto; give it one, such as ctrlrange="-3 3"'
            )
