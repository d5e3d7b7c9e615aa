"""Where the joints of a log end, against the limits of a simulator."""

import math

import numpy as np
import pytest

from h2o_jax.sim import tasks
from h2o_jax.sim.identify import joint_limits
from h2o_jax.sim.identify.predictor import Predictor
from tests.worlds import CHEETAH


def test_where_a_logs_joints_end():
    model = Predictor(CHEETAH, (), "modern", 1).model
    qpos = np.zeros((3, 9))
    # Limits of -0.52 and 1.05, -0.785 and 0.785, -0.4 and 0.785.
    qpos[1, 3:6] = 1.05, -0.157, 0.2
    qpos[2, 3:6] = -0.13, 0.2, -0.2
    qpos = np.repeat(qpos, 1000, axis=0)
    qpos[0, 3:6] = 3.0  # a glitch
    ends = joint_limits.of_joints(model, qpos)
    assert ends == pytest.approx({"bthigh": 1, "bshin": 0.2 / 0.785, "bfoot": 0.5})


def test_a_limit_at_zero_is_not_where_a_log_ends():
    """Hopper's leg bends from 0 to -150 degrees."""
    model = Predictor(tasks.get("hopper"), (), "modern", 1).model
    qpos = np.tile([0, 1.25, 0, 0, -math.radians(75), 0], (10, 1))
    assert joint_limits.of_joints(model, qpos) == pytest.approx({"leg_joint": 0.5})
