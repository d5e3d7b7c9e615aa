r"""The best linear balancing law for a model of the wheel-legged robot.

A yardstick for learned policies: the law of a designer who knows the simulator's
equations. Near upright rest a control step is linear, and the reward for standing is a
quadratic cost, so the law solves a Riccati equation:

.. math:: \min \sum |s_t|^2 + \tau^2, \quad s_t = A s_{t-1} + B \tau, \quad
          \tau = -K s
"""

import mujoco
import numpy as np
import scipy.linalg

from h2o_jax.sim import models, tasks
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.tasks.wheel_legged import RADIUS, TORQUE_LIMIT, rest_height

_STEP = 1e-3
"""Half the width of the finite differences, in SI units."""
_LEAST_ROLLING = 1e-5
"""m, MuJoCo's least rolling resistance."""


def gains(settings: Gaps, discount: float = 1.0) -> Array:
    """Actions per unit of theta, theta_dot, x and v, `[4]`: act with `obs @ gains`.

    Args:
        settings: gaps of the simulator that the law is designed for. Of the simulator
            only the model counts, without dry friction, and not the interface with
            its latency and noise.
        discount: what a cost counts for less with every step that it comes later.
    """
    model = models.compile_model(tasks.get("wheel_legged_stand"), settings)
    # Dry and rolling friction hold a wheel at rest, so neither can be linearised.
    model.dof_frictionloss[:] = 0.0
    model.geom_friction[:, 2] = _LEAST_ROLLING
    a, b = (np.sqrt(discount) * x for x in linearise(model))
    return -riccati(a, b) / TORQUE_LIMIT


def linearise(model: mujoco.MjModel) -> tuple[Array, Array]:
    """`A [4, 4]` and `B [4, 1]` of one 5 ms step about upright rest."""
    task, data = tasks.get("wheel_legged_stand"), mujoco.MjData(model)
    rest = rest_height(model)

    def advance(state: Array, torque: float) -> Array:
        theta, theta_dot, x, v = state
        mujoco.mj_resetData(model, data)
        data.qpos[:] = x, rest, theta, 0.0
        data.qvel[:] = v + RADIUS * theta_dot, 0.0, theta_dot, v / RADIUS
        data.ctrl[:] = torque
        mujoco.mj_step(model, data, task.frame_skip)
        _, _, theta, _ = data.qpos
        _, _, theta_dot, wheel = data.qvel
        return np.array([theta, theta_dot, data.qpos[0], RADIUS * wheel])

    moves = _STEP * np.eye(5)
    columns = [
        (advance(move[:4], move[4]) - advance(-move[:4], -move[4])) / (2 * _STEP)
        for move in moves
    ]
    system = np.stack(columns, axis=1)
    return system[:, :4], system[:, 4:]


def riccati(a: Array, b: Array) -> Array:
    """Gains `K [S]` of `A [S, S]` and `B [S, 1]`, states and torque at unit cost."""
    value = scipy.linalg.solve_discrete_are(a, b, np.eye(len(a)), np.eye(1))
    return np.linalg.solve(1 + b.T @ value @ b, b.T @ value @ a)[0]
