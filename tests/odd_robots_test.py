"""Robots and logs unlike the packaged ones: set points, stalls, limits, short waits."""

import jax
import mujoco
import numpy as np
import pytest

from experiments.mending import Mending, residuals
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import DatasetError
from h2o_jax.sim import (
    audit,
    fields,
    gaps,
    identify,
    models,
    motors,
    replay_log,
    rollout,
    tasks,
    windows,
    worlds,
)
from h2o_jax.sim.identify import fitting
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.residual import lessons
from tests.corrections import constant

POLE = """<mujoco><option timestep="0.002"/><worldbody><body name="cart">
<joint name="rail" type="slide" axis="1 0 0" damping="0.2"/>
<geom type="box" size="0.1 0.05 0.05" mass="1"/>
<body name="pole"><joint name="hinge" axis="0 1 0" damping="0.02" {limit}/>
<geom type="capsule" fromto="0 0 0 0 0 -0.6" size="0.02" mass="0.2"/></body>
</body></worldbody>
<tendon><fixed name="belt"><joint joint="rail" coef="1"/></fixed></tendon>
<actuator><motor name="drive" joint="rail" gear="3" ctrlrange="-2 2"/>
<position joint="hinge" kp="500" ctrlrange="-2 2"/>
<motor tendon="belt" ctrlrange="-1 1"/></actuator></mujoco>"""
SET_POINT = 0.3
"""No float32, so that logs round it."""
LATE = gaps.parse("latency:2")


@pytest.fixture
def pole(tmp_path):
    """Makes tasks of the model, with parts of your own."""

    def make(limit="", **parts):
        (tmp_path / "pole.xml").write_text(POLE.format(limit=limit))
        parts = {
            "observe": lambda q, v: np.concatenate((q, v), axis=1),
            "pose": lambda s: (s[:, :2], s[:, 2:4]),
            "reward": lambda motion: -(motion.s_t[:, 0] ** 2),
            "frame_skip": 10,
            "spread": 0.01,
            **parts,
        }
        return tasks.from_mjcf(str(tmp_path / "pole.xml"), **parts)

    return make


def recorded(task, rows, episodes, gap=(), seed=0):
    """Random actions in the real system, episode after episode."""
    world = worlds.make(task, [gap] * episodes, range(episodes), threads=1)
    rng = np.random.default_rng(seed)
    size = rows, episodes, task.action_dim
    actions = 0.1 * np.cumsum(rng.uniform(-1, 1, size), axis=0)
    kept = rollout.collect(world, lambda s, t: np.clip(actions[t], -1, 1), rows)
    return jax.tree.map(
        lambda x: np.asarray(x, np.float32).reshape(-1, *x.shape[2:]), kept.transitions
    )


def rows_of(log, kept):
    return jax.tree.map(lambda x: x[kept], log)


def dataset(log):
    return Dataset(log, np.zeros(0), np.zeros(0, int), 0, "log", "sha")


# --- residuals --------------------------------------------------------------------


def test_a_set_point_is_not_left_by_rounding(pole):
    def observe(qpos, qvel):
        return np.column_stack((qpos, qvel, np.full(len(qpos), SET_POINT)))

    task = pole(observe=observe)
    log = recorded(task, 50, 2)
    change = lessons.change(log)
    assert change[-2] == pytest.approx(1e-5 * SET_POINT)
    far = log._replace(s_tm1=log.s_tm1 + 1e3, s_t=log.s_t + 1e3)
    np.testing.assert_allclose(lessons.change(far)[:4], change[:4], rtol=0.05)
    s_t = observe(np.zeros((3, 2)), np.zeros((3, 2)))
    s_t[1, -1], s_t[2, 0] = SET_POINT + 1e-4, 1e3
    low, high = log.s_t.min(axis=0), log.s_t.max(axis=0)
    kept = constant(task, np.zeros(6), low=low, high=high, change=change)
    assert kept.strayed(s_t).tolist() == [False, True, True]


def test_residuals_learn_from_rows_whose_waiting_commands_are_logged(pole):
    task = pole()
    log = recorded(task, 6, 200, LATE)
    chosen, _ = lessons.choose(task, LATE, dataset(log), 10_000, 0)
    assert set(chosen % 6) == {2, 3, 4, 5}
    taught = lessons.replayed(task, LATE, log, "modern", 1, chosen)
    assert np.abs(taught.target / lessons.change(log)).max() < 1e-2


@pytest.mark.fault
def test_a_shuffled_log_tells_nothing_of_a_simulator_with_latency(pole):
    task = pole()
    log = recorded(task, 300, 2)
    log = rows_of(log, np.random.default_rng(0).permutation(600))
    with pytest.raises(DatasetError, match="2 rows of their episode before them; a re"):
        residuals.learn(Mending(task, dataset(log), threads=1), LATE)
    with pytest.raises(DatasetError, match="no row of the log has 2 rows of its epis"):
        audit.audit(task, [LATE], log, threads=1)
    how = Fitting(fields=("gravity", "body_mass"))
    with pytest.raises(DatasetError, match="fewer than 200 rows of the log have 2 ro"):
        identify.identify(task, LATE, log, how, threads=1)


@pytest.mark.fault
def test_nothing_is_learned_from_physics_that_diverge(pole):
    task, wild = pole(), gaps.parse("gravity:1e13")
    log = recorded(task, 100, 1)
    first = np.arange(99)
    unstable = replay_log.replay(task, wild, log, first, threads=1).unstable[:, 0]
    assert unstable.mean() > 0.9  # and yet finite: MuJoCo begins anew
    assert len(lessons.replayed(task, wild, log, "modern", 1, first).target) == sum(
        ~unstable
    )
    predict = Predictor(task, wild, "modern", 1)
    wrong = fitting.residuals(predict, windows.Windows(log, first, 1), {})[unstable]
    np.testing.assert_allclose(np.abs(wrong), fitting._CAP * np.pi / 2)


# --- identifying --------------------------------------------------------------------


@pytest.mark.parametrize("missing", [[20], [500], [980], [333, 667]])
def test_missing_rows_of_a_long_episode_change_little(pole, missing):
    task = pole(horizon=2000)
    log = recorded(task, 1000, 1)
    log = rows_of(log, np.delete(np.arange(1000), missing))
    held_out = windows.sort(task, models.compile_model(task), log, 0.1, 0).held_out
    assert held_out.sum() == 99 and held_out[-1]


def test_the_largest_force_of_a_motor_limits_its_torque():
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body><joint name="a"/><geom size="1"/>
        <body><joint name="b"/><geom size="1"/></body></body></worldbody><actuator>
        <position joint="a" kp="50" ctrlrange="-1 2" forcerange="-7 7"/>
        <motor joint="a" gear="-3" ctrlrange="-2 1"/><motor joint="b"/>
        </actuator></mujoco>"""
    )
    np.testing.assert_allclose(motors.torques(model), [7 + 6, 0])
    assert fields.has(model, "dry_friction")
    assert not fields.has(model, "dry_friction:b")  # its control has no limits


def test_a_joint_limits_what_its_motors_exert(pole):
    weak = motors.torques(models.compile_model(pole('actuatorfrcrange="-5 5"')))
    np.testing.assert_allclose(weak, [6, 5])  # gear 3 x 2 N; 5 N m of 500 x 2
    np.testing.assert_allclose(motors.torques(models.compile_model(pole())), [6, 1000])


def test_motors_without_a_joint_or_a_name_may_be_named(pole):
    model = models.compile_model(pole())
    assert fields.elements(model, "actuator") == ["drive", "hinge", "#2"]
    stronger = fields.scaled(model, [("actuator_gear:hinge", 2.0)])
    assert stronger.actuator_gear[:, 0].tolist() == [3, 2, 1]


# --- worlds ---------------------------------------------------------------------------


def test_an_observation_that_is_a_view_of_the_state_stays(pole):
    log = recorded(pole(), 20, 1)
    log = log._replace(s_tm1=log.s_tm1[:, :2], s_t=log.s_t[:, :2])

    def replayed(observe):
        task = pole(observe=observe, pose=lambda s: (s, np.zeros_like(s)))
        return replay_log.replay(task, (), log, np.array([3]), 5, threads=1).s_t

    seen = replayed(lambda qpos, qvel: qpos)
    np.testing.assert_array_equal(seen, replayed(lambda qpos, qvel: qpos.copy()))
    assert len(np.unique(seen[0, :, 0])) == 5


def test_a_reward_may_be_read_only(pole):
    task = pole(reward=lambda motion: np.broadcast_to(1.0, len(motion.s_t)))
    world = worlds.make(task, [()], [0], threads=1)
    assert world.step(np.zeros((1, task.action_dim))).reward.tolist() == [1.0]
