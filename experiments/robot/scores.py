"""How well policies balance the wheel-legged robot: numbers, and their table."""

from collections.abc import Mapping

import numpy as np

from h2o_jax.sim.rollout import Trace
from h2o_jax.sim.tasks.task import Task
from h2o_jax.sim.tasks.wheel_legged import TARGET_SPEED

BEST_REWARD = {"wheel_legged_stand": 30.0, "wheel_legged_forward": 15.0}
"""Reward of a control step without any error; costs are what is missing to it."""
SCORES = {
    "wheel_legged_stand": ("seconds", "fallen", "displacement", "cost"),
    "wheel_legged_forward": ("seconds", "fallen", "speed_error", "cost"),
}
"""Task -> the scores that its table shows."""
HEADINGS = {
    "seconds": "survival (s)",
    "fallen": "falls (share)",
    "displacement": "largest displacement until a fall (m)",
    "speed_error": "RMS error of the speed until a fall (m/s)",
    "cost": "cost per step until a fall",
}
Scores = dict[str, list[float]]
"""Score -> one number per policy."""
ByRobot = Mapping[str, Mapping[str, Scores]]
"""Gaps of a robot -> method -> scores."""


def of_trace(task: Task, trace: Trace) -> Scores:
    """Score -> one number per policy, the mean over its episodes.

    `displacement` is the largest distance of the axle from its start in m, and
    `speed_error` the root mean square of its speed minus 0.2 m/s; both are of the true
    motion until the fall. `cost` is what is missing to the best reward, per step.
    """
    ended = trace.evaluation
    x, speed = trace.qpos[..., 0], trace.qvel[..., 0]
    error = np.sqrt(np.nanmean(np.square(speed - TARGET_SPEED), axis=-1))
    by_episode = {
        "seconds": ended.seconds,
        "fallen": ended.fell,
        "displacement": np.nanmax(np.abs(x), axis=-1),
        "speed_error": error,
        "cost": BEST_REWARD[task.name] - ended.returns / ended.lengths,
    }
    columns = SCORES[task.name]
    return {name: by_episode[name].mean(axis=1).tolist() for name in columns}


def table(task: Task, by_robot: ByRobot) -> str:
    """Mean and standard deviation over the policies, per robot and method."""
    columns = SCORES[task.name]
    lines = [
        "| robot | method | seeds | " + " | ".join(HEADINGS[c] for c in columns) + " |",
        "|---" * (3 + len(columns)) + "|",
    ]
    for real, by_method in by_robot.items():
        for name, row in by_method.items():
            cells = [f"{np.mean(row[c]):.3g} ± {np.std(row[c]):.2g}" for c in columns]
            robot = "fitted" if real == "none" else real
            seeds = str(len(row["seconds"]))
            lines.append("| " + " | ".join([robot, name, seeds, *cells]) + " |")
    return "\n".join(lines)
