"""Rewards and terminals of a logged transition by the task's own functions."""

import numpy as np

from h2o_jax.data.recorded import Judge
from h2o_jax.errors import ConfigError
from h2o_jax.sim import models
from h2o_jax.sim.tasks.task import Array, Motion, Task


def judge(task: Task) -> Judge:
    """`(s, a, s') -> rewards, terminals` of a task, for logs that have none.

    The states behind the observations come from `Task.pose`. A reward that depends on a
    position which no observation tells, such as how far a robot ran, is refused.
    """

    def of(s_tm1: Array, a_tm1: Array, s_t: Array) -> tuple[Array, Array]:
        if task.pose is None:
            raise ConfigError(
                f"--task={task.name}: gives no state for an observation, so it cannot "
                "reward a log; name a column of rewards in the columns file"
            )
        for name, x, width in (
            ("observations", s_tm1, task.obs_dim),
            ("actions", a_tm1, task.action_dim),
        ):
            if x.shape[1] != width:
                raise ConfigError(
                    f"the columns file has {x.shape[1]} {name}, --task={task.name} has "
                    f"{width}; choose the matching task or columns file"
                )
        model = models.compile_model(task)
        before, after = task.pose(model, s_tm1), task.pose(model, s_t)
        low, high = model.actuator_ctrlrange[: task.action_dim].T
        terminated = task.terminated(after.qpos, after.qvel)
        motion = Motion(
            qpos_tm1=before.qpos,
            qpos_t=after.qpos,
            s_tm1=s_tm1,
            command=low + (a_tm1 + 1) / 2 * (high - low),
            s_t=s_t,
            terminated=terminated,
        )
        _check_told(task, motion, after.qvel)
        return task.reward(motion), terminated

    return of


def _check_told(task: Task, motion: Motion, qvel: Array) -> None:
    """Refuses a reward that depends on positions which no observation tells."""
    seen, reward = task.observe(motion.qpos_t, qvel), task.reward(motion)
    for i in range(motion.qpos_t.shape[1]):
        moved = motion.qpos_t.copy()
        moved[:, i] += 0.1
        if not np.array_equal(task.observe(moved, qvel), seen):
            continue
        if not np.allclose(task.reward(motion._replace(qpos_t=moved)), reward):
            raise ConfigError(
                f"--task={task.name}: its reward depends on position {i} of the model, "
                "which no observation tells; name a column of rewards in the columns "
                "file"
            )
