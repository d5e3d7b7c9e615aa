"""The wheel-legged robot: tasks by hand, what the real robot adds, exact resume."""

import mujoco
import numpy as np
import pytest

from h2o_jax.sim import rollout, tasks
from h2o_jax.sim.tasks.wheel_legged import RADIUS, rest_height
from tests.wheel_legged import FORWARD, MODELS, STAND, make

# --- rewards, falls, observations -----------------------------------------------


def moved(s_tm1, command, s_t):
    none = np.zeros((1, 4))
    rows = (np.array([row], float) for row in (s_tm1, command, s_t))
    s_tm1, command, s_t = rows
    return tasks.Motion(none, none, s_tm1, command, s_t, np.zeros(1, bool))


def test_standing_reward_by_hand():
    # 30 - (0.1^2 + 0.5^2 + 0.2^2 + 0.3^2) - 1.5^2 = 30 - 0.39 - 2.25, of the *next*
    # state and of the torque in N m.
    motion = moved([9, 9, 9, 9], [1.5], [0.1, 0.5, 0.2, 0.3])
    np.testing.assert_allclose(STAND.reward(motion), [27.36])


def test_driving_reward_by_hand():
    # 15 - (0.5 - 0.2)^2 - 2^2 = 10.91, of the *current* speed.
    motion = moved([0.5, 9, 9], [-2], [7, 7, 7])
    np.testing.assert_allclose(FORWARD.reward(motion), [10.91])


@pytest.mark.parametrize("text", ["none", "idealised"])
def test_rewards_are_of_what_policies_see_and_command(text):
    world = make(text, 3)
    actions = np.array([[0.5], [-1.0], [7.0]])
    step = world.step(actions)
    torque = 3 * np.clip(actions[:, 0], -1, 1)
    expected = 30 - np.square(step.s_t).sum(axis=1) - torque**2
    np.testing.assert_allclose(step.reward, expected)
    world = make(text, 3, FORWARD)
    speed = world.observations[:, 0].copy()
    np.testing.assert_allclose(
        world.step(actions).reward, 15 - (speed - 0.2) ** 2 - torque**2
    )


def test_falls_beyond_thirty_degrees():
    qpos = np.zeros((4, 4))
    qpos[:, 2] = np.radians([29.9, 30.1, -29.9, -30.1])
    expected = [False, True, False, True]
    assert STAND.terminated(qpos, np.zeros((4, 4))).tolist() == expected


def test_observations_in_the_papers_order():
    qpos, qvel = np.array([[7, 7, 0.1, 7.0]]), np.array([[7, 7, 0.2, 3.0]])
    # The speed is that of the wheel against the leg; x is the odometry's business.
    expected = [[0.1, 0.2, 0.0, 3 * 0.065]]
    np.testing.assert_allclose(STAND.observe(qpos, qvel), expected)
    np.testing.assert_allclose(FORWARD.observe(qpos, qvel), [[3 * 0.065, 0.1, 0.2]])


def test_episodes_start_tilted_and_rolling():
    rng = np.random.default_rng(0)
    starts = [STAND.reset(rng, MODELS["none"]) for _ in range(2000)]
    qpos, qvel = map(np.stack, zip(*starts, strict=True))
    np.testing.assert_allclose(qpos[:, 2].std(), 0.03, rtol=0.05)
    np.testing.assert_allclose(qvel[:, 2].std(), 0.2, rtol=0.05)
    assert not qpos[:, [0, 1, 3]].any()
    # Wheels at rest against a turning leg roll along with it: v = xdot - r theta_dot.
    assert not qvel[:, [1, 3]].any()
    np.testing.assert_allclose(qvel[:, 0], RADIUS * qvel[:, 2])


def test_the_body_is_the_papers():
    model = MODELS["none"]
    assert model.body_mass.sum() == pytest.approx(12.0)
    assert model.geom("tyre").size[0] == 0.065
    # 3 N m at each of two wheels.
    assert model.actuator_ctrlrange.tolist() == [[-3, 3]]
    assert model.actuator_gear[0, 0] == 2


def test_a_tyre_at_rest_bears_the_weight():
    model = MODELS["none"]
    data = mujoco.MjData(model)
    data.qpos[1] = rest_height(model)
    assert -5e-4 < data.qpos[1] < -5e-5
    mujoco.mj_forward(model, data)
    force = np.zeros(6)
    mujoco.mj_contactForce(model, data, 0, force)
    np.testing.assert_allclose(force[0], 12 * 9.81, rtol=0.01)


# --- what the real robot adds ---------------------------------------------------


def test_odometry_adds_five_milliseconds_of_measured_speed():
    world = make(n=2)
    assert not world.observations[:, 2].any()
    total = np.zeros(2)
    for action in np.random.default_rng(0).uniform(-0.3, 0.3, (40, 2, 1)):
        s_t = world.step(action).s_t
        total += 0.005 * s_t[:, 3]
        np.testing.assert_allclose(s_t[:, 2], total, atol=1e-15)
    # A period is longer than 5 ms and feet roll with the leg: it is not the position.
    assert (np.abs(world.qpos[:, 0] - s_t[:, 2]) > 1e-3).any()


def test_sensors_report_multiples_of_their_resolution():
    world = make(n=5)
    for _ in range(5):
        s_t = world.step(np.full((5, 1), 0.2)).s_t
    quantum = np.array([np.pi / 2**15, 100 / 2**16, 0.065 * 90 / 4095 / 2])
    multiples = s_t[:, [0, 1, 3]] / quantum
    np.testing.assert_allclose(multiples, np.rint(multiples), atol=1e-6)
    error = s_t[:, 0] - world.qpos[:, 2]
    assert error.any()
    assert np.abs(error).max() < 5 * 2.2e-4


@pytest.mark.parametrize(("text", "steps"), [("none", 2), ("latency:4", 4)])
def test_commands_wait_in_line(text, steps):
    exact = {"substeps": (6, 6), "stall_probability": 0.0, "sensor_noise": ()}
    idle, kicked = make(text, **exact), make(text, **exact)
    differ = []
    for t in range(6):
        idle.step(np.zeros((1, 1)))
        kicked.step(np.full((1, 1), float(t == 0)))
        differ.append(bool((idle.qvel != kicked.qvel).any()))
    assert differ == [False] * steps + [True] * (6 - steps)


def test_control_periods_and_stalls():
    world = make(n=40)
    periods = []
    for _ in range(50):
        before = world.time
        world.step(np.zeros((40, 1)))
        periods.append(np.rint(1e3 * (world.time - before)).astype(int))
    periods = np.concatenate(periods)
    usual = periods[periods <= 8]
    assert set(usual) == {4, 5, 6, 7, 8}
    assert abs(usual.mean() - 6) < 0.1
    hangs = periods[periods > 8]
    # 0.0035 of 2000 steps: 7 expected, by Poisson's law within 1 to 17.
    assert 1 <= len(hangs) <= 17
    assert hangs.max() <= 150 + 8


# --- resume ---------------------------------------------------------------------


@pytest.mark.parametrize("task", [STAND, FORWARD], ids=lambda task: task.name)
@pytest.mark.parametrize("text", ["none", "latency:3+push:0.5", "idealised"])
def test_resume_is_exact(task, text):
    gain = np.array([[3.0], [0.4], [0.2], [0.5]])
    order = [0, 1, 2, 3] if task is STAND else [3, 0, 1]

    def act(observations, t):
        return observations @ gain[order].astype(np.float32)

    world = make(text, 3, task)
    rollout.collect(world, act, 70)
    state = world.state()
    expected, ended = rollout.collect(world, act, 250)
    other = make(text, 3, task)
    rollout.collect(other, act, 11)
    other.restore(state)
    steps, ended_too = rollout.collect(other, act, 250)
    for a, b in zip((*steps, *ended_too), (*expected, *ended), strict=True):
        np.testing.assert_array_equal(a, b)
