r"""A scripted operator of the wheel-legged robot, in place of a log to download.

The published log is the robot's own balancing law with a person's slow joystick:

.. math:: u = 15.4 \theta + 0.82 \dot\theta + 2 v + 0.6 x + j

where `j` has std 0.44 N m and a correlation time of 45 control steps (gains and
joystick were identified from the log). Here the operator drives the *real* robot in
simulation, and rows are logged as on the robot: a row holds the command that was
computed from the row before, so that the pairings of `log` mean the same for both.

As in the paper, one log serves both tasks. The operator does not try to keep 0.2 m/s;
the robot stands and is driven about (v > 0.15 m/s in about a sixth of the rows), and
the task `forward` reads the same rows with its own columns and reward.
"""

from collections.abc import Sequence

import numpy as np

from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import gaps, tasks, worlds
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot.log import Log, Pairing
from h2o_jax.sim.tasks.task import Task
from h2o_jax.sim.tasks.wheel_legged import (
    LOG_COLUMNS,
    ODOMETRY_PERIOD,
    TORQUE_LIMIT,
    log_columns,
)

GAINS = np.array([0.6, 2.0, 15.4, 0.82])
"""N m per unit of x, v, theta, theta_dot."""
JOYSTICK_STD = 0.44
"""N m."""
JOYSTICK_STEPS = 45.0
"""Control steps over which the joystick's correlation falls to 1/e."""
ROWS = 16_588
"""Rows of the published log."""
_X, _V = LOG_COLUMNS.index("x"), LOG_COLUMNS.index("v")


def record(
    task: Task,
    steps: int = ROWS,
    seed: int = 0,
    pairing: Pairing = "official",
    real: Gaps = (),
) -> Dataset:
    """Exactly `steps` transitions of the scripted operator on the robot.

    `datasets.write_d4rl` writes them to a file.

    Args:
        task: `wheel_legged_stand` or `wheel_legged_forward`.
        steps: transitions.
        seed: of the joystick and of the episodes.
        pairing: which row's command goes with a state; see `log`.
        real: gaps of the robot that is driven.

    Raises:
        ConfigError: an unknown pairing.
    """
    kept = np.zeros(0, int)
    # Stalls and falls cost pairs, so more rows are driven than asked for; a longer log
    # begins with the rows of a shorter one.
    length = steps + steps // 50 + 50
    while len(kept) < steps:
        [log] = drive(length, [seed], real)
        _, pairs = robot_log.transitions(log, task, pairing)
        kept = np.flatnonzero(pairs.kept)
        length *= 2
    log = Log(*(column[: kept[steps - 1] + 2] for column in log))
    source = f"scripted operator, seed {seed}, robot {gaps.to_text(real)}"
    return robot_log.dataset(log, task, pairing, source)


def drive(
    rows: int, seeds: Sequence[int] = (0,), real: Gaps = (), speed: float = 0.0
) -> list[Log]:
    """One log of `rows` rows per seed; after a fall a new episode begins.

    Args:
        rows: of each log.
        seeds: of joysticks and episodes.
        real: gaps of the robot that is driven.
        speed: m/s at which the point moves that the law holds the robot at.
    """
    task, n = tasks.get("wheel_legged_stand"), len(seeds)
    world = worlds.make(task, [real] * n, seeds, threads=1)
    columns = log_columns(task)
    gains = GAINS[columns]
    joystick = np.stack([_joystick(rows, seed) for seed in seeds])
    states, torque = np.empty((n, rows, len(columns))), np.empty((n, rows))
    done = np.zeros((n, rows), bool)
    command, fell = np.zeros(n), np.zeros(n, bool)
    # x and v of that point, as the robot's software counts both.
    there = np.zeros((n, len(columns)))
    there[:, columns.index(_V)] = speed
    for t in range(rows):
        states[:, t, columns] = world.observations
        torque[:, t], done[:, t] = command, fell
        wanted = (world.observations - there) @ gains + joystick[:, t]
        there[:, columns.index(_X)] += ODOMETRY_PERIOD * speed
        command = np.clip(wanted, -TORQUE_LIMIT, TORQUE_LIMIT)
        if fell.any():
            world.reset(np.flatnonzero(fell))
            command[fell] = 0.0
            there[fell, columns.index(_X)] = 0.0
        up = np.flatnonzero(~fell)
        step = world.step(command[up, None] / TORQUE_LIMIT, up)
        fell[:] = False
        fell[up] = step.terminated | step.unstable
    return [Log(*log) for log in zip(states, torque, done, strict=True)]


def _joystick(steps: int, seed: int) -> np.ndarray:
    r"""Ornstein-Uhlenbeck noise `[steps]`: normal, with memory.

    .. math:: j_t = \phi j_{t-1} + \sqrt{1 - \phi^2} \sigma \epsilon_t
    """
    memory = np.exp(-1.0 / JOYSTICK_STEPS)
    noise = np.random.default_rng([seed, 1]).standard_normal(steps)
    noise *= JOYSTICK_STD * np.sqrt(1 - memory**2)
    noise[0] /= np.sqrt(1 - memory**2)
    for t in range(1, steps):
        noise[t] += memory * noise[t - 1]
    return noise
