"""Corrections of a floating base, whose heading nobody sees."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from h2o_jax.sim import models, tasks
from h2o_jax.sim.residual.correction import Residuals
from h2o_jax.sim.tasks.task import Pose

MODEL = """<mujoco><worldbody><body name="base"><freejoint/>
<geom type="box" size=".2 .1 .1" mass="1"/>
<body pos="0 0 .2"><joint name="wheel" axis="0 1 0"/><geom size=".1" pos=".3 0 0"/>
</body></body></worldbody>
<actuator><motor joint="wheel" ctrlrange="-1 1"/></actuator></mujoco>"""


def turn(qpos):
    return Rotation.from_quat(qpos[:, [4, 5, 6, 3]])


def down(rotation):
    """Where down is in a body's own frame, `[k, 3]`."""
    return -rotation.as_matrix()[:, 2]


def observe(qpos, qvel):
    """Down, the wheel's angle, and the base's speed in its own frame."""
    speed = turn(qpos).inv().apply(qvel[:, :3])
    return np.column_stack([down(turn(qpos)), np.cos(qpos[:, 7]), np.sin(qpos[:, 7]),
                            speed])  # fmt: skip


def pose(s):
    """Takes some heading."""
    level = [Rotation.align_vectors([[0, 0, -1.0]], [x])[0] for x in s[:, :3]]
    qpos, qvel = np.zeros((len(s), 8)), np.zeros((len(s), 7))
    qpos[:, 3:7] = [x.as_quat()[[3, 0, 1, 2]] for x in level]
    qpos[:, 7] = np.arctan2(s[:, 4], s[:, 3])
    qvel[:, :3] = [x.apply(v) for x, v in zip(level, s[:, 5:], strict=True)]
    return Pose(qpos, qvel, np.zeros((len(s), 0)), np.ones(len(s), bool))


@pytest.mark.parametrize("yaw", [0.0, 1.5, 3.1])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("wheel", [0.3, 3.12])
def test_it_is_corrected_about_its_own_axes(tmp_path, yaw, sign, wheel):
    (tmp_path / "base.xml").write_text(MODEL)
    task = tasks.from_mjcf(
        str(tmp_path / "base.xml"),
        observe=observe,
        pose=pose,
        reward=lambda motion: motion.s_t[:, 0],
        frame_skip=1,
    )
    tilted = Rotation.from_euler("zyx", [[yaw, 0.2, 0.1]])

    def state(rotation, angle, speed):
        qpos, qvel = np.zeros((1, 8)), np.zeros((1, 7))
        qpos[:, 3:7] = sign * rotation.as_quat()[:, [3, 0, 1, 2]]
        qpos[:, 7] = angle
        qvel[:, :3] = rotation.apply(speed)
        return qpos, qvel

    qpos, qvel = state(tilted, wheel, [1.0, 0.2, 0])
    here = observe(qpos, qvel)
    known = pose(here)
    np.testing.assert_allclose(observe(known.qpos, known.qvel), here, atol=1e-9)
    further = tilted * Rotation.from_euler("y", 0.01)
    there = observe(*state(further, wheel + 0.05, [1.4, 0.2, 0]))
    corrections = Residuals(task, models.compile_model(task), [])
    shift = corrections.shift(qpos, here, there - here)
    assert abs(shift.qpos[0, 7] - 0.05) < 1e-9
    moved = observe(qpos + shift.qpos, qvel + shift.qvel)
    # Speeds are exact but for the turn that both are seen through.
    np.testing.assert_allclose(moved[:, :5], there[:, :5], atol=1e-6)
    np.testing.assert_allclose(moved[:, 5:], there[:, 5:], atol=0.02)
    heading = turn(qpos + shift.qpos).as_euler("zyx")[0, 0]
    assert abs(heading - yaw) < 0.02
