"""A pole on a cart: what its policy sees, what is wanted, and when it has fallen."""

import pathlib

import numpy as np

from h2o_jax.sim.interface import Interface
from h2o_jax.sim.tasks import from_mjcf

HERE = pathlib.Path(__file__).parent
ABOUT = {"frame_skip": 10, "spread": 0.05}  # 50 Hz


def observe(qpos, qvel):
    """Position in m, angle in rad, and their speeds."""
    return np.concatenate((qpos, qvel), axis=1)


def pose(s):
    """The state behind an observation."""
    return s[:, :2], s[:, 2:]


def fell(qpos, qvel):
    """Off the rail, or further than 0.4 rad from upright."""
    return (np.abs(qpos[:, 0]) > 1) | (np.abs(qpos[:, 1]) > 0.4)


def reward(motion):
    """Upright, near the middle, with little effort; the command is in amperes."""
    x, angle = motion.s_t[:, 0], motion.s_t[:, 1]
    return 1 - x**2 - 4 * angle**2 - 0.01 * motion.command[:, 0] ** 2


ABOUT |= {"observe": observe, "pose": pose, "terminated": fell, "reward": reward}
TASK = from_mjcf(HERE / "model.xml", name="pendulum", **ABOUT)
REAL = from_mjcf(
    HERE / "true.xml", name="true_pendulum", interface=Interface(latency=1), **ABOUT
)
