"""Figures of the robot: what is averaged over what, and that no fall goes unseen."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments.robot import figures
from h2o_jax.sim import tasks
from h2o_jax.sim.rollout import Evaluation, Trace


def drifting(speeds, falls):
    """Traces `[P, E]` of robots that roll at a constant speed until they fall."""
    time = np.arange(0, 30.05, 0.05)
    speeds, falls = np.asarray(speeds, float), np.asarray(falls, float)
    up = time <= falls[..., None]
    qpos = np.zeros((*up.shape, 4))
    qpos[..., 0] = np.where(up, speeds[..., None] * time, np.nan)
    nothing = np.zeros((*up.shape, 1))
    ended = Evaluation(nothing[..., 0, 0], up.sum(axis=-1), falls, falls < 30)
    return Trace(np.where(up, time, np.nan), qpos, qpos, nothing, nothing, ended)


def test_each_seed_counts_once_however_many_of_its_episodes_stand():
    nan = np.nan
    lines = np.array(
        [
            [[1.0, 1.0, nan], [3.0, nan, nan]],
            [[4.0, 3.0, nan], [4.0, 5.0, nan]],
        ]
    )
    mean, std = figures._over_policies(lines)
    # Seeds' means: 2 and 4, then 1 (one episode left) and 4, then nobody.
    np.testing.assert_allclose(mean, [3.0, 2.5, nan])
    np.testing.assert_allclose(std, [1.0, 1.5, nan])


@pytest.mark.parametrize("task", ["wheel_legged_stand", "wheel_legged_forward"])
def test_falls_beyond_the_axis_are_marked_at_its_edge(task, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    # Falls at 0.1 m/s for 10 s, and far out on either side.
    trace = drifting([[0.1], [2.0], [-1.0], [0.0]], [[10], [12], [20], [31]])
    path = tmp_path / "motion.png"
    figures.motion(path, tasks.get(task), {"one": trace, "other": trace})
    [figure] = drawn
    for panel in figure.axes:
        low, high = panel.get_ylim()
        marks = {x.get_marker(): x for x in panel.lines if x.get_marker() in "x^v"}
        assert sorted(marks) == ["^", "v", "x"]
        assert marks["^"].get_ydata()[0] == high
        assert marks["v"].get_ydata()[0] == low
        assert not any(mark.get_clip_on() for mark in marks.values())
        assert panel.get_title().endswith("4 seeds: 3 of 4 fall")
    [legend] = figure.legends
    assert "over seeds' mean episodes" in legend.get_texts()[0].get_text()
