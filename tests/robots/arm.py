"""A small arm: a motor with an asymmetric range and a servo; two models of it."""

import pathlib

import gymnasium
import numpy as np

from h2o_jax.sim.tasks import from_mjcf

ABOUT = {
    "frame_skip": 4,
    "spread": 0.1,
    "horizon": 50,
    "observe": lambda qpos, qvel: np.concatenate((qpos, qvel), axis=1),
    "pose": lambda s: (s[:, :2], s[:, 2:]),
    "terminated": lambda qpos, qvel: np.abs(qpos[:, 0]) > 2.5,
    "reward": lambda motion: -np.square(motion.s_t[:, 0] - 1),
}
MODEL = pathlib.Path(__file__).with_name("arm.xml")
TASK = from_mjcf(MODEL, **ABOUT)
REAL = from_mjcf(MODEL, name="true_arm", **{**ABOUT, "spread": 0.2})
SLOW = from_mjcf(MODEL, **{**ABOUT, "frame_skip": 8})
NARROW = from_mjcf(MODEL, **{**ABOUT, "observe": lambda qpos, qvel: qpos, "pose": None})
NUMBER = 3


def make_sim():
    return gymnasium.make("Pendulum-v1", g=14.0)


def make_real():
    return gymnasium.make("Pendulum-v1")


def make_discrete():
    return gymnasium.make("CartPole-v1")
