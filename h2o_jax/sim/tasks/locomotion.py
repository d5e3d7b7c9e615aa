"""HalfCheetah, Walker2d and Hopper, number for number as in Gymnasium.

Plain names are the v4 environments, which the D4RL logs were recorded in; `-v5`
names are what Minari's `mujoco/*-v0` logs come from. v5 pays the bonus for being
upright only while upright (v4 also on the step that ends the episode), and gives
both of Walker2d's feet the same friction. HalfCheetah is the same in all versions.

References:
    gymnasium.envs.mujoco (MIT): half_cheetah_v5.py, walker2d_v4.py, walker2d_v5.py,
    hopper_v4.py, hopper_v5.py. Reference returns: D4RL (arXiv 2004.07219).
"""

import functools
from collections.abc import Callable

import mujoco
import numpy as np

from h2o_jax.sim.tasks.task import Array, Motion, Pose, Task, gymnasium_spec

_CLIP = 10.0
"""Largest velocity that Walker2d and Hopper observe, in m/s and rad/s."""

# --- observations ---------------------------------------------------------------


def _observe(qpos: Array, qvel: Array) -> Array:
    """Positions but the first (how far it ran), then velocities."""
    return np.concatenate((qpos[:, 1:], qvel), axis=1)


def _observe_clipped(qpos: Array, qvel: Array) -> Array:
    """The same with velocities within +-10."""
    clipped = np.minimum(np.maximum(qvel, -_CLIP), _CLIP)
    return np.concatenate((qpos[:, 1:], clipped), axis=1)


# --- the state behind an observation ---------------------------------------------


def _pose(model: mujoco.MjModel, s: Array) -> Pose:
    """The observed state, at the start of the track: how far it ran does not matter."""
    qpos = np.concatenate((np.zeros((len(s), 1)), s[:, : model.nq - 1]), axis=1)
    qvel = s[:, model.nq - 1 :].copy()
    return Pose(qpos, qvel, np.zeros((len(s), 0)), np.ones(len(s), bool))


def _pose_clipped(model: mujoco.MjModel, s: Array) -> Pose:
    """The same; a velocity at +-10 may have been any beyond."""
    pose = _pose(model, s)
    return pose._replace(exact=(np.abs(pose.qvel) < _CLIP).all(axis=1))


# --- new episodes ---------------------------------------------------------------


def _reset_cheetah(
    rng: np.random.Generator, model: mujoco.MjModel
) -> tuple[Array, Array]:
    """Positions uniform within +-0.1, velocities 0.1 N(0, 1)."""
    qpos = model.qpos0 + rng.uniform(low=-0.1, high=0.1, size=model.nq)
    return qpos, 0.1 * rng.standard_normal(model.nv)


def _reset_uniform(
    rng: np.random.Generator, model: mujoco.MjModel
) -> tuple[Array, Array]:
    """Positions and velocities uniform within +-0.005."""
    qpos = model.qpos0 + rng.uniform(low=-5e-3, high=5e-3, size=model.nq)
    return qpos, rng.uniform(low=-5e-3, high=5e-3, size=model.nv)


# --- ends of episodes -----------------------------------------------------------


def _never(qpos: Array, qvel: Array) -> Array:
    return np.zeros(len(qpos), bool)


def _walker_fell(qpos: Array, qvel: Array) -> Array:
    """Height outside (0.8, 2) m or pitch beyond 1 rad."""
    height, pitch = qpos[:, 1], qpos[:, 2]
    return ~((height > 0.8) & (height < 2.0) & (np.abs(pitch) < 1.0))


def _hopper_fell(qpos: Array, qvel: Array) -> Array:
    """Height below 0.7 m, pitch beyond 0.2 rad or anything beyond 100."""
    upright = (qpos[:, 1] > 0.7) & (np.abs(qpos[:, 2]) < 0.2)
    bounded = (np.abs(qpos[:, 2:]) < 100.0).all(1) & (np.abs(qvel) < 100.0).all(1)
    return ~(upright & bounded)


# --- rewards --------------------------------------------------------------------


def _no_bonus(terminated: Array) -> float:
    return 0.0


def _bonus_always(terminated: Array) -> float:
    return 1.0


def _bonus_upright(terminated: Array) -> Array:
    return np.where(terminated, 0.0, 1.0)


def _run(
    motion: Motion, dt: float, effort: float, bonus: Callable[[Array], Array | float]
) -> Array:
    """Forward speed, a bonus for being upright, less the effort.

    .. math:: (x_t - x_{t-1}) / dt + bonus - effort |u|^2
    """
    speed = (motion.qpos_t[:, 0] - motion.qpos_tm1[:, 0]) / dt
    # In this order of operations the sums round as Gymnasium's do.
    cost = effort * np.add.reduce(np.square(motion.command), axis=1)
    return speed + bonus(motion.terminated) - cost


_CHEETAH_XML = functools.partial(
    gymnasium_spec,
    "half_cheetah.xml",
    "11797a5d69e8ac955e89ca6fdd3a0087f1c990094fda401ac51420de1b6c5494",
)
_WALKER_XML = functools.partial(
    gymnasium_spec,
    "walker2d.xml",
    "ac13373c7ac9003a5311c4704b314ed11149b3dd7600bbc02770487300f9ad2d",
)
_WALKER_V5_XML = functools.partial(
    gymnasium_spec,
    "walker2d_v5.xml",
    "6bed53a6cc3ca73c4fe8ac3486d3b4228927264a6454f4ef16d3eed3c58bc09d",
)
_HOPPER_XML = functools.partial(
    gymnasium_spec,
    "hopper.xml",
    "3ce93a055ffdcd83c0c701d2400768e40d2cbb9532f3c4ae33377c27f8b39f9e",
)

_CHEETAH = Task(
    name="halfcheetah",
    robot="halfcheetah",
    obs_dim=17,
    action_dim=6,
    timestep=0.01,
    frame_skip=5,
    spec=_CHEETAH_XML,
    reset=_reset_cheetah,
    observe=_observe,
    pose=_pose,
    terminated=_never,
    reward=functools.partial(_run, dt=0.01 * 5, effort=0.1, bonus=_no_bonus),
    references={
        "none": (-280.178953, 12135.0),
        "gravity:0.5": (-280.18, 9509.15),
    },
    medium_return=4770.0,
)


def _walker(name: str, spec: Callable, bonus: Callable) -> Task:
    return Task(
        name=name,
        robot="walker2d",
        obs_dim=17,
        action_dim=6,
        timestep=0.002,
        frame_skip=4,
        spec=spec,
        reset=_reset_uniform,
        observe=_observe_clipped,
        pose=_pose_clipped,
        terminated=_walker_fell,
        reward=functools.partial(_run, dt=0.002 * 4, effort=1e-3, bonus=bonus),
        references={
            "none": (1.629008, 4592.3),
            "gravity:0.5": (10.08, 5194.71),
        },
        medium_return=2900.0,
    )


def _hopper(name: str, bonus: Callable) -> Task:
    return Task(
        name=name,
        robot="hopper",
        obs_dim=11,
        action_dim=3,
        timestep=0.002,
        frame_skip=4,
        spec=_HOPPER_XML,
        reset=_reset_uniform,
        observe=_observe_clipped,
        pose=_pose_clipped,
        terminated=_hopper_fell,
        reward=functools.partial(_run, dt=0.002 * 4, effort=1e-3, bonus=bonus),
        references={
            "none": (-20.272305, 3234.3),
            "gravity:0.5": (-26.336, 3234.3),
        },
        medium_return=1400.0,
    )


LOCOMOTION: tuple[Task, ...] = (
    _CHEETAH,
    _walker("walker2d", _WALKER_XML, _bonus_always),
    _walker("walker2d-v5", _WALKER_V5_XML, _bonus_upright),
    _hopper("hopper", _bonus_always),
    _hopper("hopper-v5", _bonus_upright),
)
"""All of them, in the order messages list them."""
