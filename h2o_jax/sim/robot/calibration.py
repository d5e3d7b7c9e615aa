r"""Scores of how well the simulated robot reproduces the log of the true one.

*Open loop*, in rows that no fit has used: from a row's state, under the log's own
torques, how much of the change over the next k rows does the model predict? *Closed
loop*: do states and torque of the model under the scripted operator vary as much as
the robot's did under a person and its balancing law?

In open loop the log's commands are replayed with the delay that fits them best, 1.29
rows of 6.1 ms, counted from the row that holds a command. That row is one after the
state from which the command was computed (see `log`), so in closed loop a command
waits two control steps.
"""

from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np
import scipy.signal
from mujoco import batch

from h2o_jax.sim import gaps, models, tasks
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot.log import PERIOD, Log
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.tasks.wheel_legged import RADIUS, rest_height

DELAY = 1.29
"""Rows between a logged command and its effect."""
HORIZONS = (1, 4, 8, 12)
"""Rows ahead at which predictions are scored."""
HELD_OUT = 11_000
"""First row that no fit has used."""
STRICT_JUMP = robot_log.STALL_JUMP / 2
"""rad; a stricter rule than the log's, which also finds shorter stalls."""
SETTLED = 150
"""Rows before a fall that are no balancing any more, and are left out."""
_SUBSTEPS = 6
_SIGNALS = ("x", "v", "theta", "theta_dot", "u")


class Variant(NamedTuple):
    """A model, and the timing with which the log is replayed in it."""

    gap: str
    """As `--gap`; `none` for the real variant."""
    delay: float = DELAY
    """Rows."""
    period: float = PERIOD
    """Seconds per row."""


VARIANTS = {
    "real": Variant("none"),
    "real, no dry friction": Variant("deadband:0"),
    "idealised, same timing": Variant("idealised"),
    "idealised, 5 ms, no delay": Variant("idealised", 0.0, 0.005),
}


def windows(
    log: Log,
    first: int = HELD_OUT,
    stride: int = 4,
    jump: float = robot_log.STALL_JUMP,
    rows: int = max(HORIZONS),
) -> Array:
    """First rows of windows without stall or fall, from row `first` on, `[W]`.

    Args:
        log: the robot's.
        first: row.
        stride: rows from one window to the next.
        jump: rad, what counts as a stall; see `log.stalls`.
        rows: length of a window.
    """
    hangs = robot_log.stalls(log, jump)
    hangs[-SETTLED // 10 :] |= log.done.any()
    count = np.append(0, np.cumsum(hangs))
    starts = np.arange(first, len(log.torque) - rows, stride)
    # Torques of up to three rows before still act within a window.
    return starts[count[starts + rows] == count[starts - 3]]


def replay(log: Log, variant: Variant, starts: Array, rows: int) -> Array:
    """Simulates windows under the log's own torques.

    Args:
        log: the robot's.
        variant: the model.
        starts: `[W]` rows that windows begin at, with the state of that row.
        rows: length of a window.

    Returns:
        `[W, rows, 3]` theta, theta_dot and v after 1, 2, ... rows.
    """
    task = tasks.get("wheel_legged_stand")
    settings = gaps.parse(variant.gap, task.robot)
    strength = gaps.interface(settings, task.interface).strength
    model = models.compile_model(task, settings)
    model.opt.timestep = variant.period / _SUBSTEPS
    # The robot's own commands exceeded the limit that policies have.
    model.actuator_ctrllimited[:] = 0
    physics = batch.Batch(model, len(starts), 1)
    physics.reset(stage=mujoco.mjtStage.mjSTAGE_NONE)
    _, v, theta, theta_dot = log.states[starts].T
    physics.qpos[:, 1] = rest_height(model)
    physics.qpos[:, 2] = theta
    rolling = v + RADIUS * theta_dot
    physics.qvel[:] = np.stack([rolling, 0 * v, theta_dot, v / RADIUS], axis=1)
    # A command holds for a row; a substep gets its mean torque.
    impulse = np.append(0.0, np.cumsum(log.torque))
    row = np.arange(len(impulse))
    motion = []
    for i in range(rows * _SUBSTEPS):
        begin = starts + i / _SUBSTEPS - variant.delay
        ends = np.interp([begin, begin + 1 / _SUBSTEPS], row, impulse)
        physics.ctrl[:, 0] = strength * _SUBSTEPS * (ends[1] - ends[0])
        physics.step()
        if i % _SUBSTEPS == _SUBSTEPS - 1:
            speed = RADIUS * physics.qvel[:, 3]
            motion.append(np.stack([physics.qpos[:, 2], physics.qvel[:, 2], speed], 1))
    return np.stack(motion, axis=1)


def skill(
    log: Log,
    variant: Variant,
    starts: Array,
    horizons: Sequence[int] = HORIZONS,
) -> dict[int, Array]:
    r"""Explained share of the change over k rows, `k -> [3]` theta, theta_dot, v.

    .. math:: R^2 = 1 - \sum (\hat y - y)^2 / \sum (y - \bar y)^2
    """
    measured = log.states[:, [2, 3, 1]]
    predicted = replay(log, variant, starts, max(horizons))
    shares = {}
    for k in horizons:
        change = measured[starts + k] - measured[starts]
        error = predicted[:, k - 1] - measured[starts + k]
        spread = change - change.mean(axis=0)
        shares[k] = 1 - np.square(error).sum(axis=0) / np.square(spread).sum(axis=0)
    return shares


def spread(log: Log) -> dict[str, float]:
    """Standard deviations of x, v, theta, theta_dot and u while balancing."""
    balancing = np.ones(len(log.done), bool)
    for end in np.flatnonzero(log.done):
        balancing[max(0, end - SETTLED) : end + 1] = False
    columns = np.column_stack([log.states, log.torque])[balancing]
    return dict(zip(_SIGNALS, columns.std(axis=0).tolist(), strict=True))


def closed_loop(logs: Sequence[Log]) -> dict[str, tuple[float, float]]:
    """`spread` and falls per log: mean and standard deviation over logs."""
    table = [spread(log) | {"falls": float(log.done.sum())} for log in logs]
    return {
        name: (float(np.mean(column)), float(np.std(column)))
        for name in table[0]
        for column in [[row[name] for row in table]]
    }


def spectrum(signal: Array, rows: int = 1024) -> tuple[Array, Array]:
    """Power density of a signal with one sample per row by frequency in Hz.

    Welch's method: windows of `rows` rows that overlap by half, each without its mean.
    """
    return scipy.signal.welch(signal, fs=1 / PERIOD, window="hann", nperseg=rows)
