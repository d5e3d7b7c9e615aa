"""A task's own rewards for a log that has none."""

import dataclasses

import numpy as np
import pytest

from experiments import task_reward
from h2o_jax.errors import ConfigError
from h2o_jax.sim import tasks


def test_rewards_and_falls_of_the_wheel_legged_robot():
    judge = task_reward.judge(tasks.get("wheel_legged_stand"))
    # theta, theta_dot, x, v; beyond pi / 6 = 0.52 rad the robot lies.
    s_t = np.array([[0.1, 0.2, 0.3, 0.4], [0.6, 0, 0, 0]])
    rewards, fell = judge(np.zeros((2, 4)), np.array([[0.5], [-1.0]]), s_t)
    # 30 - (0.01 + 0.04 + 0.09 + 0.16) - 1.5^2 and 30 - 0.36 - 3^2
    np.testing.assert_allclose(rewards, [27.45, 20.64])
    np.testing.assert_array_equal(fell, [False, True])


def test_a_reward_of_what_no_observation_tells_is_refused():
    judge = task_reward.judge(tasks.get("halfcheetah"))
    with pytest.raises(ConfigError, match="depends on position 0 of the model"):
        judge(np.zeros((2, 17)), np.zeros((2, 6)), np.zeros((2, 17)))


def test_a_task_without_a_pose_is_refused():
    task = dataclasses.replace(tasks.get("hopper"), pose=None)
    with pytest.raises(ConfigError, match="gives no state for an observation"):
        task_reward.judge(task)(np.zeros((2, 11)), np.zeros((2, 3)), np.zeros((2, 11)))
