r"""The paper's real robot: balancing on two wheels, standing still or driving.

A 12 kg body on wheels of radius 0.065 m; the action is the torque at each wheel, at
most 3 N m. The model `wheel_legged.xml` and the interface below are the *real* robot,
identified from the published log of the authors' robot on carpet; the gap `idealised`
(see `robot.idealised`) turns the same model into the ideal simulator.

What the robot measures: pitch and pitch rate from an IMU, wheel speed **relative to
the leg** from motor encoders, times the radius, as `v`; and `x`, the odometry of its
software, which adds `0.005 v` at every control step, however long that took.

References:
    Niu et al., H2O+ (arXiv 2309.12716), Sec. V-B: states, rewards, fall. The log's
    analysis (loop period, latency, stalls, resolution of the sensors): see
    `robot.log` and `robot.calibration`.
"""

import dataclasses
import functools
import math
import pathlib

import mujoco
import numpy as np

from h2o_jax.data.signals import Signal
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.tasks.task import Array, Motion, Pose, Task

RADIUS = 0.065
"""Of the wheels, m."""
TORQUE_LIMIT = 3.0
"""N m at each wheel that the action 1 asks for."""
ODOMETRY_PERIOD = 0.005
"""Seconds that the robot's software takes a control step to last."""
FALL = math.pi / 6
"""Pitch in rad beyond which the robot lies."""
TARGET_SPEED = 0.2
"""m/s, for driving."""

LOG_COLUMNS = ("x", "v", "theta", "theta_dot")
"""m, m/s, rad, rad/s; the order of the published log."""
STAND = ("theta", "theta_dot", "x", "v")
"""Observations of the policy, in the paper's order."""
FORWARD = ("v", "theta", "theta_dot")
"""Observations of the policy, in the paper's order."""
OBSERVATIONS = {"wheel_legged_stand": STAND, "wheel_legged_forward": FORWARD}

_NOISE = {"x": 0.0, "v": 0.004, "theta": 2.2e-4, "theta_dot": 0.018}
# 12 bits over +-45 rad/s, the mean of two wheels; 16 bits over +-pi rad and +-50 rad/s.
_QUANTUM = {
    "x": 0.0,
    "v": RADIUS * 90 / 4095 / 2,
    "theta": math.pi / 2**15,
    "theta_dot": 100 / 2**16,
}


_UNITS = {"x": "m", "v": "m/s", "theta": "rad", "theta_dot": "rad/s"}


def _spec() -> mujoco.MjSpec:
    path = pathlib.Path(__file__).parent / "assets" / "wheel_legged.xml"
    return mujoco.MjSpec.from_file(str(path))


def _reset(rng: np.random.Generator, model: mujoco.MjModel) -> tuple[Array, Array]:
    """Upright but for normal pitch and pitch rate; wheels at rest against the legs."""
    tilt, rate = model.numeric("reset_std").data * rng.standard_normal(2)
    # Wheels that do not turn against legs that do roll along with them.
    return np.array([0, 0, tilt, 0]), np.array([RADIUS * rate, 0, rate, 0])


def _observe(qpos: Array, qvel: Array, columns: tuple[int, ...]) -> Array:
    """Sensor readings; no sensor measures `x`, which the odometry adds."""
    measured = (0.0 * qpos[:, 0], RADIUS * qvel[:, 3], qpos[:, 2], qvel[:, 2])
    return np.stack([measured[i] for i in columns], axis=1)


def _pose(model: mujoco.MjModel, s: Array, names: tuple[str, ...]) -> Pose:
    """Upright on tyres that have sunk in; what no sensor tells is not exact.

    The commands that wait in the robot's queue are no part of the observation.
    """
    theta, rate, v = (s[:, names.index(x)] for x in ("theta", "theta_dot", "v"))
    zero = np.zeros_like(theta)
    height = np.full_like(theta, rest_height(model))
    qpos = np.stack([zero, height, theta, zero], axis=1)
    qvel = np.stack([v + RADIUS * rate, zero, rate, v / RADIUS], axis=1)
    memory = s[:, [names.index("x")]] if "x" in names else np.zeros((len(s), 0))
    return Pose(qpos, qvel, memory, np.ones(len(s), bool))


def _fell(qpos: Array, qvel: Array) -> Array:
    return np.abs(qpos[:, 2]) > FALL


def _odometry(memory: Array, measured: Array) -> tuple[Array, Array]:
    """Adds `0.005 v` to `x`, the only memory."""
    memory = memory + ODOMETRY_PERIOD * measured[:, 3:4]
    measured[:, 2:3] = memory
    return memory, measured


def _stand(motion: Motion) -> Array:
    r"""Stays close to rest at the origin; `tau` is the commanded torque in N m.

    .. math:: 30 - |s_t|^2 - \tau^2
    """
    effort = np.square(motion.command[:, 0])
    return 30.0 - np.square(motion.s_t).sum(axis=1) - effort


def _forward(motion: Motion) -> Array:
    r"""Keeps the measured speed at 0.2 m/s; `v` is that *before* the step.

    .. math:: 15 - (v_{t-1} - 0.2)^2 - \tau^2
    """
    error = motion.s_tm1[:, 0] - TARGET_SPEED
    return 15.0 - np.square(error) - np.square(motion.command[:, 0])


def _interface(names: tuple[str, ...]) -> Interface:
    """Of the real robot, identified from its log; 84 % of the torque arrive."""
    return Interface(
        latency=2,
        strength=0.835,
        substeps=(4, 8),
        stall_probability=0.0035,
        stall_seconds=(0.012, 0.150),
        sensor_noise=tuple(_NOISE[name] for name in names),
        sensor_quantum=tuple(_QUANTUM[name] for name in names),
    )


def rest_height(model: mujoco.MjModel) -> float:
    """Where the base comes to rest above its initial height, m: the tyre sinks in.

    A robot that starts higher weighs nothing at first, and its wheel slips.
    """
    data = mujoco.MjData(model)
    # Long against the contact's 12 ms, short against the 120 ms in which it tips.
    mujoco.mj_step(model, data, round(0.1 / model.opt.timestep))
    return float(data.qpos[1])


def _signals(names: tuple[str, ...]) -> tuple[Signal, ...]:
    return tuple(Signal(name, _UNITS[name]) for name in names)


def _columns(names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(LOG_COLUMNS.index(name) for name in names)


def log_columns(task: Task) -> list[int]:
    """Where the task's observations lie among `LOG_COLUMNS`."""
    return list(_columns(OBSERVATIONS[task.name]))


_STAND = Task(
    name="wheel_legged_stand",
    robot="wheel_legged",
    obs_dim=4,
    action_dim=1,
    timestep=0.001,
    frame_skip=5,
    spec=_spec,
    reset=_reset,
    observe=functools.partial(_observe, columns=_columns(STAND)),
    pose=functools.partial(_pose, names=STAND),
    terminated=_fell,
    reward=_stand,
    memory_dim=1,
    remember=_odometry,
    interface=_interface(STAND),
    observation_signals=_signals(STAND),
    action_signals=(Signal("torque_per_wheel", "N m"),),
    evaluation_seconds=30.0,
)
_FORWARD = dataclasses.replace(
    _STAND,
    name="wheel_legged_forward",
    obs_dim=3,
    observe=functools.partial(_observe, columns=_columns(FORWARD)),
    pose=functools.partial(_pose, names=FORWARD),
    reward=_forward,
    memory_dim=0,
    remember=None,
    interface=_interface(FORWARD),
    observation_signals=_signals(FORWARD),
)
WHEEL_LEGGED: tuple[Task, ...] = (_STAND, _FORWARD)
"""Both of them."""
