"""Do the limits of a log's actions fit those of the drawing's motors?

A policy's -1 and 1 are the limits of a columns file on the robot, and those of a
motor's `ctrlrange` in the simulator. Where these are not the same command, the
simulator is asked for another one than the log has.
"""

import mujoco
import numpy as np

from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.sim import models
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.tasks.gymnasium_task import GymnasiumTask
from h2o_jax.sim.tasks.task import Task

_ALIKE = 0.02
"""Difference of two limits that says nothing, as a share of their distance."""
_UNITS = ("rad", "m", "Nm", "N")
"""Units in which a drawing in SI units has the same numbers."""


def doubts(
    task: Task, file: dict[str, str] | ColumnsFile | None, inertia: Inertia
) -> list[str]:
    """One line for each action whose limits are not those of its motor.

    A motor's limits are those of its `ctrlrange`, or of the force or the position at
    the joint that these ask for; in another unit than the drawing's they may differ by
    a factor, but rest must lie at the same share of both.

    Args:
        task: whose motors they are.
        file: a columns file; nothing else says limits.
        inertia: see `models.compile_model`.
    """
    if not isinstance(file, ColumnsFile) or isinstance(task, GymnasiumTask):
        return []
    if len(file.actions) != task.action_dim:  # refused elsewhere
        return []
    model, found = models.compile_model(task, (), inertia), []
    for i, action in enumerate(file.actions):
        limits, own = np.array([action.low, action.high]), model.actuator_ctrlrange[i]
        scaled = any(_alike(limits, own * x) for x in _scales(model, i))
        centred = _alike(limits / np.ptp(limits), own / np.ptp(own))
        plain = action.unit.replace(" ", "").replace("*", "").replace("·", "")
        if scaled or (centred and plain not in _UNITS):
            continue
        unit = f" {action.unit}".rstrip()
        found.append(
            f"{action.name} has limits {action.low:g} and {action.high:g}{unit} in "
            f"{file.path}, its motor {own[0]:g} and {own[1]:g} in the drawing: both "
            "stand for -1 and 1; mend one of them"
        )
    return found


def _alike(limits: np.ndarray, own: np.ndarray) -> bool:
    return bool(np.all(np.abs(limits - own) <= _ALIKE * np.ptp(own)))


def _scales(model: mujoco.MjModel, i: int) -> list[float]:
    """What a command may be counted in: itself, the joint's force, its position."""
    gear = abs(float(model.actuator_gear[i, 0])) or 1.0
    gain = abs(float(model.actuator_gainprm[i, 0])) or 1.0
    return [1.0, gear * gain, gear, 1 / gear]
