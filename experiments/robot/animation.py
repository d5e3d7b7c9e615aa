"""An animation of the balancing robot, drawn from its motion without any renderer."""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.artist import Artist
from matplotlib.patches import Circle, Polygon

from h2o_jax.data import writing
from h2o_jax.sim.rollout import Trace
from h2o_jax.sim.tasks.wheel_legged import RADIUS

_FRAMES_PER_SECOND = 20
_SECONDS = 10.0
_KNEE = np.array([0.07, 0.09])
_HIP = np.array([0.0, 0.20])
_TORSO = np.array([[-0.11, 0.19], [0.11, 0.19], [0.09, 0.31], [-0.09, 0.31]])
"""Metres from the axle at zero pitch, forwards and up."""


def draw(path: pathlib.Path, trace: Trace, policy: int = 0, episode: int = 0) -> None:
    """Writes the first ten seconds of one episode, or all until its fall, as a GIF.

    Args:
        path: the file.
        trace: motions of the wheel-legged robot.
        policy: whose.
        episode: which.
    """
    seconds = trace.time[policy, episode]
    known = np.isfinite(seconds)
    end = min(seconds[known][-1], _SECONDS)
    frames = np.arange(0.0, end, 1 / _FRAMES_PER_SECOND)
    qpos = trace.qpos[policy, episode][known]
    x, _, pitch, wheel = (
        np.interp(frames, seconds[known], column) for column in qpos.T
    )
    figure, axes = plt.subplots(figsize=(4.2, 2.6), layout="constrained")
    axes.set(xlim=(-0.65, 0.65), ylim=(-0.03, 0.5), aspect="equal", yticks=[])
    axes.set_xlabel("m")
    axes.axhline(0.0, color="0.3", linewidth=1.5)
    axes.axvline(0.0, color="0.8", linewidth=1, linestyle=":")
    tyre = Circle((0, RADIUS), RADIUS, fc="0.25", ec="0.1")
    (spoke,) = axes.plot([], [], color="0.9", linewidth=2)
    (legs,) = axes.plot([], [], color="#D55E00", linewidth=4, solid_joinstyle="round")
    torso = Polygon(_TORSO, fc="#0072B2", ec="0.1")
    for patch in (tyre, torso):
        axes.add_patch(patch)
    clock = axes.text(-0.62, 0.45, "")

    def show(i: int) -> list[Artist]:
        axle = np.array([x[i], RADIUS])
        # The camera moves only with a robot that would leave the picture.
        centre = x[i] - np.clip(x[i], -0.4, 0.4)
        axes.set_xlim(centre - 0.65, centre + 0.65)
        clock.set_x(centre - 0.62)
        tyre.set_center((axle[0], axle[1]))
        turned = RADIUS * _direction(pitch[i] + wheel[i])
        spoke.set_data(*np.stack([axle - turned, axle + turned], axis=1))
        points = axle + _tilt(np.stack([np.zeros(2), _KNEE, _HIP]), pitch[i])
        legs.set_data(points[:, 0], points[:, 1])
        torso.set_xy(axle + _tilt(_TORSO, pitch[i]))
        clock.set_text(
            f"{frames[i]:4.1f} s   {x[i]:+.2f} m   {np.degrees(pitch[i]):+.1f}°"
        )
        return [tyre, spoke, legs, torso, clock]

    animation = FuncAnimation(figure, show, frames=len(frames), blit=False)
    with writing.replacing(path) as part:
        animation.save(part, writer=PillowWriter(fps=_FRAMES_PER_SECOND), dpi=80)
    plt.close(figure)


def _direction(angle: float) -> np.ndarray:
    return np.array([np.sin(angle), np.cos(angle)])


def _tilt(points: np.ndarray, pitch: float) -> np.ndarray:
    """`points [n, 2]` leaning forwards by `pitch`."""
    c, s = np.cos(pitch), np.sin(pitch)
    return points @ np.array([[c, -s], [s, c]])
