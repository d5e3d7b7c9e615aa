"""Figures of the wheel-legged robot: how it moves, what was visited, who survives."""

import functools
import pathlib
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments import plots
from experiments.plots import COLOURS
from experiments.robot.scores import ByRobot
from h2o_jax.sim.rollout import Trace
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.sim.tasks.wheel_legged import OBSERVATIONS, TARGET_SPEED

_GRID = np.arange(0.0, 30.0, 0.05)
"""Seconds at which motions are compared."""
_SMOOTH = 10
"""Points over which the drawn speed is averaged, half a second."""
_DOTS = 6000
"""States drawn in a map."""


def motion(path: pathlib.Path, task: Task, traces: Mapping[str, Trace]) -> None:
    """Displacement (standing) or speed (driving) over 30 s, one panel per method.

    Each policy's first episode is thin, its end by a fall a cross. An average is taken
    over each policy's own episodes that still balance, and the thick line and its band
    are mean and standard deviation of these over policies.
    """
    driving = task.name == "wheel_legged_forward"
    signal = _speed if driving else _displacement
    figure, panels = _row(len(traces))
    # A policy that runs away would flatten all others.
    panels[0].set_ylim(*((-0.6, 1.0) if driving else (-2.0, 2.0)))
    for i, (name, trace) in enumerate(traces.items()):
        panel, colour = panels[i], COLOURS[i % len(COLOURS)]
        lines, fell = signal(trace), trace.evaluation.fell
        mean, std = _over_policies(lines)
        panel.fill_between(_GRID, mean - std, mean + std, color=colour, alpha=0.2)
        panel.plot(_GRID, lines[:, 0].T, color=colour, alpha=0.5, linewidth=0.7)
        panel.plot(_GRID, mean, color=colour, linewidth=1.8)
        _mark_falls(panel, lines[:, 0], fell[:, 0])
        title = f"{name}, {len(fell)} seeds: {fell.sum()} of {fell.size} fall"
        panel.set_title(title, fontsize="medium")
        panel.set(xlabel="time (s)", xlim=(0, 30))
        panel.grid(alpha=0.3)
        if driving:
            panel.axhline(TARGET_SPEED, color="0.2", linestyle="--", linewidth=1)
    label = "speed (m/s)" if driving else "displacement (m)"
    panels[0].set_ylabel(label)
    _explain(figure)
    plots.save(figure, path, dpi=130)


def visited(
    path: pathlib.Path,
    task: Task,
    visits: Mapping[str, tuple[Array, Array] | None],
) -> None:
    """Pitch and pitch rate of simulated rows, coloured by their Q, per method."""
    maps = {name: rows for name, rows in visits.items() if rows is not None}
    if not maps:
        return
    names = OBSERVATIONS[task.name]
    theta, rate = names.index("theta"), names.index("theta_dot")
    figure, panels = _row(len(maps))
    for panel, (name, (observations, q)) in zip(panels, maps.items(), strict=True):
        # Every k-th row, so that early and late training both show.
        rows = np.linspace(0, len(q) - 1, min(_DOTS, len(q))).astype(int)
        x, y, colour = observations[rows, theta], observations[rows, rate], q[rows]
        low, high = np.percentile(colour, [2, 98])
        dots = panel.scatter(
            x, y, c=colour, s=3, vmin=low, vmax=high, cmap="viridis", linewidths=0
        )
        figure.colorbar(dots, ax=panel, label="Q (scaled rewards)")
        panel.set_title(f"{name}, simulated states", fontsize="medium")
        panel.set(xlabel=r"pitch $\theta$ (rad)")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(r"pitch rate $\dot\theta$ (rad/s)")
    plots.save(figure, path, dpi=130)


def survival(path: pathlib.Path, by_robot: ByRobot) -> None:
    """Survival of every policy in every robot; the bar is the mean."""
    robots, methods = list(by_robot), list(next(iter(by_robot.values())))
    size = (1.3 * len(robots) + 1.5, 3.2)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    width = 0.8 / len(methods)
    for i, name in enumerate(methods):
        place = np.arange(len(robots)) + (i - (len(methods) - 1) / 2) * width
        seconds = np.array([by_robot[robot][name]["seconds"] for robot in robots])
        colour = COLOURS[i % len(COLOURS)]
        axes.bar(place, seconds.mean(axis=1), width, color=colour, alpha=0.4)
        dots = np.repeat(place[:, None], seconds.shape[1], axis=1)
        axes.plot(dots.ravel(), seconds.ravel(), ".", color=colour, label=name)
    labels = ["fitted" if robot == "none" else robot for robot in robots]
    axes.set_xticks(range(len(robots)), labels, fontsize="small")
    axes.set(ylabel="survival (s)", ylim=(0, 35))
    axes.grid(alpha=0.3, axis="y")
    axes.legend(frameon=False, fontsize="small", ncols=len(methods), loc="upper right")
    plots.save(figure, path, dpi=130)


def _row(panels: int) -> tuple[Figure, list[Axes]]:
    """Panels side by side that share their vertical axis."""
    figure, axes = plt.subplots(
        *(1, panels),
        sharey=True,
        squeeze=False,
        figsize=(3.5 * panels + 0.4, 3.1),
        layout="constrained",
    )
    return figure, list(axes[0])


def _displacement(trace: Trace) -> Array:
    """`[R, E, T]` metres from the start on the common grid, NaN after a fall."""
    return _on_grid(trace.time, trace.qpos[..., 0])


def _speed(trace: Trace) -> Array:
    """`[R, E, T]` m/s on the common grid, a moving mean of half a second."""
    x = _on_grid(trace.time, trace.qpos[..., 0])
    speed = np.full_like(x, np.nan)
    seconds = _SMOOTH * (_GRID[1] - _GRID[0])
    speed[..., _SMOOTH:] = (x[..., _SMOOTH:] - x[..., :-_SMOOTH]) / seconds
    return speed


def _on_grid(time: Array, values: Array) -> Array:
    """`values [R, E, t]` at the grid's times; control periods vary."""
    policies, episodes, steps = time.shape
    lines = np.full((policies * episodes, len(_GRID)), np.nan)
    rows = zip(time.reshape(-1, steps), values.reshape(-1, steps), strict=True)
    for line, (seconds, row) in zip(lines, rows, strict=True):
        known = np.isfinite(seconds)
        line[:] = np.interp(_GRID, seconds[known], row[known], right=np.nan)
    return lines.reshape(policies, episodes, len(_GRID))


def _over_policies(lines: Array) -> tuple[Array, Array]:
    """Mean and std `[T]` over policies of each one's mean episode; NaN after all fell.

    Args:
        lines: `[R, E, T]`, NaN after a fall.
    """
    episodes = np.ma.masked_invalid(lines).mean(axis=1)
    return episodes.mean(axis=0).filled(np.nan), episodes.std(axis=0).filled(np.nan)


def _mark_falls(panel: Axes, lines: Array, fell: Array) -> None:
    """A cross where a line `[R, T]` ends by a fall; an arrow at the edge if beyond."""
    low, high = panel.get_ylim()
    for line, down in zip(lines, fell, strict=True):
        known = np.flatnonzero(np.isfinite(line))
        if down and len(known):
            second, end = _GRID[known[-1]], line[known[-1]]
            kind = "^" if end > high else "v" if end < low else "x"
            end = np.clip(end, low, high)
            panel.plot(second, end, kind, color="0.1", ms=6, clip_on=False, zorder=3)


def _explain(figure: Figure) -> None:
    """Says below the panels what lines and marks are."""
    line = functools.partial(Line2D, [], [], color="0.3")
    handles = [
        line(linewidth=1.8, label="mean ± std over seeds' mean episodes"),
        line(linewidth=0.7, alpha=0.5, label="first episode of each seed"),
        line(linestyle="", marker="x", label="its fall (arrow: beyond the axis)"),
    ]
    columns = min(len(figure.axes), len(handles))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize="small",
    )
