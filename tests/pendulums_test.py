"""Users' pendulums: narrow limits, angles as cos and sin, servos, clocks, no names."""

import dataclasses

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import audit, gaps, identify, models, rollout, tasks, windows, worlds
from h2o_jax.sim.identify import joint_limits
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.residual import Correction
from h2o_jax.sim.residual.correction import Residuals
from h2o_jax.sim.tasks import checking
from h2o_jax.sim.tasks.task import Pose
from h2o_jax.types import Transition

MODEL = """<mujoco><option timestep="0.004" {option}/><compiler angle="radian"/>
<worldbody><body name="pole"><joint name="hinge" axis="0 1 0" damping="0.1" {joint}/>
<geom type="capsule" fromto="0 0 0 0 0 -.5" size=".03" mass="1"/></body></worldbody>
<actuator>{motors}</actuator></mujoco>"""
MOTOR = '<motor joint="hinge" ctrlrange="-6 6"/>'
RANGE = "joint_range:hinge"
QUICK = Fitting(bounds=(0.02, 50.0), starts=1, windows=300, long_windows=0)


@pytest.fixture
def pendulum(tmp_path):
    """Makes tasks of the model, with parts of your own."""

    def make(joint="", option="", motors=MOTOR, **parts):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.xml"
        path.write_text(MODEL.format(joint=joint, option=option, motors=motors))
        parts = {
            "observe": lambda q, v: np.concatenate((q, v), axis=1),
            "pose": lambda s: (s[:, :1], s[:, 1:2]),
            "reward": lambda motion: -(motion.s_t[:, 0] ** 2),
            "frame_skip": 5,
            "spread": 0.3,
            **parts,
        }
        return tasks.from_mjcf(str(path), **parts)

    return make


def limited(bound):
    return f'limited="true" range="-{bound} {bound}"'


def recorded(task, gap=()):
    """Eight episodes of random actions."""
    world = worlds.make(task, [gap] * 8, range(8), threads=1)
    actions = np.random.default_rng(0).normal(0, 0.5, (100, 8, task.action_dim))
    actions = np.clip(actions, -1, 1).astype(np.float32)
    kept = rollout.collect(world, lambda s, t: actions[t], 100).transitions
    return Transition(*(np.asarray(x).reshape(-1, *x.shape[2:]) for x in kept[:5]))


def fitted(task, log, *names, gap=(), fit_seed=0):
    how = dataclasses.replace(QUICK, fields=names, fit_seed=fit_seed)
    found = identify.identify(task, gap, log, how, threads=1)
    return found, {x.name: x for x in found.values}


# --- what a log tells in part ---------------------------------------------------------


@pytest.mark.parametrize("narrow", [0.5, 0.9])
def test_a_limit_that_the_log_never_meets_is_moved_out_of_the_way(pendulum, narrow):
    """Real limits at 3 rad, the simulator's within the log, which goes to some 1.3."""
    log = recorded(pendulum(limited(3.0)))
    farthest = np.abs(log.s_t[:, 0]).max()
    assert 1.25 < farthest < 1.5
    wrong = pendulum(limited(narrow))
    for others in (), ("joint_damping",):
        found, values = fitted(wrong, log, "joint_range:hinge", *others)
        assert found.judged.after[1] < 0.3 * found.judged.before[1]
        moved = values["joint_range:hinge"]
        assert 0.85 * farthest < narrow * moved.low < farthest
        assert moved.low < moved.value < moved.high == 50 and not found.left_alone
    assert values["joint_damping"].value == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("narrow", [0.5, 3.0])
def test_a_limit_that_the_log_meets_is_found(pendulum, narrow):
    log = recorded(pendulum(limited(0.9)))
    _, values = fitted(pendulum(limited(narrow)), log, "joint_range:hinge")
    known = values["joint_range:hinge"]
    assert narrow * known.value == pytest.approx(0.9, rel=1e-3)
    assert known.high < 1.01 * known.value


def test_a_limit_that_hardly_any_row_meets_is_within_its_interval(pendulum):
    """Real limits at 1.2, which is met, as limits are soft, up to 1.215."""
    log = recorded(pendulum(limited(1.2)))
    for seed in range(3):
        wrong = pendulum(limited(0.5))
        _, values = fitted(wrong, log, "joint_range:hinge", fit_seed=seed)
        known = values["joint_range:hinge"]
        assert 0.5 * known.value == pytest.approx(1.2, rel=0.015)
        assert 0.5 * known.low <= 1.001 * 1.2 and 0.5 * known.high >= 1.2


def test_a_lower_bound_is_the_logs_wherever_the_fit_went(pendulum):
    log = recorded(pendulum(limited(3.0)))
    farthest = np.abs(log.s_tm1[:, 0]).max()
    wrong = pendulum(limited(0.5))
    predict = Predictor(wrong, (), "modern", 1)
    rows = windows.sort(wrong, predict.model, log, 0.1, 0)
    found = joint_limits.unmet(predict, rows, 0, ["joint_range:hinge"], {RANGE: 5.0})
    assert 0.5 * found[RANGE] == pytest.approx(1.01 * farthest, rel=0.2)


def test_a_simulators_own_latency_is_tried_however_long(pendulum):
    task, late = pendulum(), gaps.parse("latency:8")
    found, values = fitted(task, recorded(task, late), "latency", gap=late)
    assert found.latency.best == 8 and values["latency"].value == 8
    assert found.judged.after[1] < 1e-5


# --- observations ---------------------------------------------------------------------


def turned():
    """An angle as its cosine and sine."""
    return {
        "observe": lambda q, v: np.column_stack([np.cos(q), np.sin(q), v]),
        "pose": lambda s: (np.arctan2(s[:, 1:2], s[:, :1]), s[:, 2:]),
    }


@pytest.mark.parametrize("angle", [0.0, 1.57, 2.83, 3.12, -2.0])
def test_a_correction_turns_an_angle_that_is_seen_as_cos_and_sin(pendulum, angle):
    task = pendulum(**turned())
    checking.check(task)
    here, there = (task.observe(*np.full((2, 1, 1), x)) for x in (angle, angle + 0.05))
    change = there - here
    change[:, 2] = 0.4
    corrections = Residuals(task, models.compile_model(task), [])
    qpos = np.full((1, 1), angle)
    shift = corrections.shift(qpos, here, change)
    np.testing.assert_allclose(shift.qpos, [[0.05]], atol=1e-9)
    np.testing.assert_allclose(shift.qvel, [[0.4]])
    # Without a change nothing moves, even where an observation is not finite.
    still = corrections.shift(qpos, np.full((1, 3), np.nan), np.zeros((1, 3)))
    assert not np.any(still.qpos) and not np.any(still.qvel)


class _Sure(Residuals):
    """Trusts every step, as far as it is a number."""

    def of(self, s_tm1, a_tm1, s_t, ids):
        return Correction(np.zeros_like(s_t), np.zeros(len(ids)), s_t[:, 0].copy())


def test_trust_outlives_a_step_that_is_not_finite(pendulum, monkeypatch):
    def observe(q, v):
        return np.where(np.abs(q) > 0.05, np.nan, np.concatenate((q, v), axis=1))

    task = pendulum(observe=observe, spread=0.0)
    world = worlds.make(task, [()], [0], threads=1)
    world._corrections = _Sure(task, models.compile_model(task), [])
    world.trust, world.astray = np.zeros(1), np.zeros(1, bool)
    world.astray_episodes = np.zeros(1, int)
    monkeypatch.setattr(_Sure, "strayed", lambda self, s_t, ids: np.zeros(1, bool))
    for _ in range(60):
        world.step(np.ones((1, 1)))
    assert world.unstable_episodes.sum() and np.isfinite(world.trust).all()


def ticking(pendulum, seconds=0.02):
    """A clock among the observations."""

    def remember(memory, measured):
        memory = memory + seconds
        measured[:, 2:] = memory
        return memory, measured

    return pendulum(
        observe=lambda q, v: np.concatenate((q, v, np.zeros_like(q)), axis=1),
        pose=lambda s: Pose(s[:, :1], s[:, 1:2], s[:, 2:], np.ones(len(s), bool)),
        memory_dim=1,
        remember=remember,
    )


def test_a_clock_is_no_error(pendulum):
    """Its change is always the same, but for what float32 rounds."""
    task = ticking(pendulum)
    checking.check(task)
    log = recorded(task)
    sample = audit.Sample((5,), 500, 100)
    (found,) = audit.rank(task, [()], log, sample=sample, threads=1)
    assert found.verdict.kind == "same"
    predict = Predictor(task, (), "modern", 1)
    chosen = windows.sort(task, predict.model, log, 0.1, 0).pick(200, 1, 0)
    assert windows.error(chosen, predict(chosen, {})) < 1e-4


def test_noise_of_sensors_is_told_beside_an_observation_that_never_changes(pendulum):
    def observe(q, v):
        return np.concatenate((q, v, np.full_like(q, 0.7)), axis=1)

    task = pendulum(observe=observe)
    log = recorded(task)
    std = 0.02 * np.asarray(log.s_tm1, float).std(axis=0)
    found, _ = fitted(task, identify.log_noise.added(log, std, 0), "joint_damping")
    assert found.sensor_noise == pytest.approx(0.02, rel=0.2)


# --- parts ----------------------------------------------------------------------------


def test_a_command_that_waits_is_the_middle_of_a_servos_range(pendulum):
    """Action 0 is 1 rad, where the pole stands; not the command 0."""
    task = pendulum(
        option='gravity="0 0 0"',
        motors='<position joint="hinge" kp="20" ctrlrange="-1 3"/>',
        reset=lambda rng, model: (np.ones(1), np.zeros(1)),
    )
    world = worlds.make(task, [gaps.parse("latency:3")], [0], threads=1)
    for _ in range(5):
        angle = world.step(np.zeros((1, 1))).s_t[0, 0]
        assert angle == pytest.approx(1, abs=1e-6)


def test_the_gain_of_a_servo_is_found(pendulum):
    servo = '<position joint="hinge" kp="{}" kv="{}" ctrlrange="-1 3"/>'
    real, wrong = (pendulum(motors=servo.format(kp, kp / 10)) for kp in (10, 20))
    _, values = fitted(wrong, recorded(real), "servo_gain:each", "joint_damping")
    assert values["servo_gain:hinge"].value == pytest.approx(0.5, rel=1e-3)
    assert values["joint_damping"].value == pytest.approx(1, rel=1e-3)


def test_capsules_of_old_mujoco_need_no_names(pendulum):
    new, old = (models.compile_model(pendulum(), (), x) for x in ("modern", "d4rl"))
    spec = mujoco.MjSpec.from_string(MODEL.format(joint="", option="", motors=MOTOR))
    assert not spec.geoms[0].name
    # A capsule with a given mass only spreads it otherwise.
    assert old.body_mass[1] == new.body_mass[1]
    assert not np.allclose(old.body_inertia[1], new.body_inertia[1], rtol=1e-6)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"memory_dim": 1}, "memory_dim is 1, and nothing remembers; give remember"),
        (
            {"memory_dim": 1, "remember": lambda m, s: (m[:, :0], s)},
            r"remember: gives shapes \(3, 0\) and \(3, 2\); give memory \(3, 1\)",
        ),
        ({"remember": lambda m, s: s}, "remember: "),
    ],
)
def test_what_is_remembered_is_checked(pendulum, parts, message):
    with pytest.raises(ConfigError, match=message):
        checking.check(pendulum(**parts))
