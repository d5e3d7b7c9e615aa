"""A task of one's own from an MJCF file and a few functions of arrays.

.. code-block:: python

    TASK = from_mjcf(
        pathlib.Path(__file__).with_name("pendulum.xml"),
        frame_skip=10,
        observe=lambda qpos, qvel: np.concatenate((qpos, qvel), axis=1),
        pose=lambda s: (s[:, :1], s[:, 1:]),
        reward=lambda motion: 1 - motion.s_t[:, 0] ** 2,
        terminated=lambda qpos, qvel: np.abs(qpos[:, 0]) > 1,
        spread=0.05,
    )
"""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from h2o_jax.data import files
from h2o_jax.errors import ConfigError
from h2o_jax.sim import finite
from h2o_jax.sim.tasks.task import Array, Motion, Pose, Task, pair

Observe = Callable[[Array, Array], Array]
"""`(qpos [k, nq], qvel [k, nv]) -> [k, O]`."""
State = Callable[[Array], tuple[Array, Array] | Pose]
"""`s [k, O] -> qpos [k, nq], qvel [k, nv]`, or a whole `Pose`."""
Reset = Callable[[np.random.Generator, mujoco.MjModel], tuple[Array, Array]]
"""`(rng, model) -> qpos [nq], qvel [nv]`."""


def from_mjcf(
    path: str | os.PathLike[str],
    *,
    frame_skip: int,
    observe: Observe,
    reward: Callable[[Motion], Array],
    terminated: Callable[[Array, Array], Array] | None = None,
    pose: State | None = None,
    reset: Reset | None = None,
    spread: float = 0.0,
    name: str = "",
    **more: Any,
) -> Task:
    """A task on the batched simulator, sizes and physics step read from the model.

    Args:
        path: the MJCF file. Every actuator needs a control range, which actions in
            [-1, 1] are mapped onto.
        frame_skip: physics steps per control step.
        observe: what a policy sees.
        reward: of a step; `motion.command` is in actuator units.
        terminated: a true terminal state, such as a fall, never a time limit; by
            default there is none.
        pose: the state behind an observation. Without one there is no audit, nothing is
            identified, and no residual is learned.
        reset: of one environment; by default the model's first pose, disturbed.
        spread: of the default reset, the std of normal noise on positions (in the
            tangent space, so that quaternions stay ones) and velocities.
        name: of results; by default the file's.
        **more: further fields of `Task`, such as `horizon` or `interface`.

    Raises:
        ConfigError: the file is missing or no model, or names what does not fit.
    """
    path = pathlib.Path(path)
    model = _compile(path)
    seen = np.shape(observe(model.qpos0[None], np.zeros((1, model.nv))))
    if len(seen) != 2:
        raise ConfigError(f"observe: gives {list(seen)} for one state; give [1, O]")
    return Task(
        name=name or path.stem,
        robot=path.name,  # no gap that is made for one robot's parts is for this one
        obs_dim=seen[1],
        action_dim=model.nu,
        timestep=model.opt.timestep,
        frame_skip=frame_skip,
        spec=lambda: mujoco.MjSpec.from_file(str(path)),
        reset=reset or _disturbed(spread),
        observe=observe,
        pose=pose and _pose(pose),
        terminated=terminated or _never,
        reward=reward,
        **more,
    )


def _compile(path: pathlib.Path) -> mujoco.MjModel:
    if not path.is_file():
        raise ConfigError(f"{path}: no such model file")
    files.read_text(path, files.LARGEST_TEXT, ConfigError)  # names in it are shown
    try:
        model = mujoco.MjSpec.from_file(str(path)).compile()
        finite.check(model)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{path}: no model: {' '.join(str(error).split())}") from None
    return model


def _disturbed(spread: float) -> Reset:
    def reset(rng: np.random.Generator, model: mujoco.MjModel) -> tuple[Array, Array]:
        qpos = model.qpos0.copy()
        mujoco.mj_integratePos(model, qpos, spread * rng.standard_normal(model.nv), 1.0)
        return qpos, spread * rng.standard_normal(model.nv)

    return reset


def _pose(state: State) -> Callable[[mujoco.MjModel, Array], Pose]:
    def pose(model: mujoco.MjModel, s: Array) -> Pose:
        found = state(s)
        if isinstance(found, Pose):
            return found
        rows = len(s)
        return Pose(*pair("pose", found), np.zeros((rows, 0)), np.ones(rows, bool))

    return pose


def _never(qpos: Array, qvel: Array) -> Array:
    return np.zeros(len(qpos), bool)
