"""The wheel-legged robot: tasks by hand, both variants, larger gaps, exact resume."""

import dataclasses

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import calibration, gaps, lqr, models, operator, rollout, tasks
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.tasks.wheel_legged import RADIUS, rest_height
from h2o_jax.sim.world import World

STAND = tasks.get("wheel_legged_stand")
FORWARD = tasks.get("wheel_legged_forward")
MODELS = {text: models.compile_model(STAND, gaps.parse(text)) for text in ("none",)}


def make(text="none", n=1, task=STAND, **changes):
    """A world of `n` robots; `changes` replace fields of the interface."""
    settings = gaps.parse(text, task.robot)
    if text not in MODELS:
        MODELS[text] = models.compile_model(task, settings)
    interface = gaps.interface(settings, task.interface)
    interface = dataclasses.replace(interface, **changes)
    return World(task, [MODELS[text]] * n, [interface] * n, range(n), nthread=1)


def nothing(observations):
    return np.zeros((*observations.shape[:-1], 1))


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


# --- the ideal simulator --------------------------------------------------------


def test_the_ideal_simulator_has_no_interface_and_no_friction():
    settings = gaps.parse("idealised")
    assert gaps.interface(settings, STAND.interface) == Interface()
    ideal = models.compile_model(STAND, settings)
    assert not ideal.dof_frictionloss.any()
    assert not ideal.dof_damping.any()
    np.testing.assert_allclose(ideal.body("base").ipos, [0, 0, 0.135])
    np.testing.assert_allclose(ideal.geom("tyre").friction, [1, 0.005, 1e-5])
    np.testing.assert_array_equal(ideal.body_mass, MODELS["none"].body_mass)


def test_half_way_to_the_ideal():
    settings = gaps.parse("idealised:0.5")
    half, real = models.compile_model(STAND, settings), MODELS["none"]
    np.testing.assert_allclose(half.dof_frictionloss, 0.5 * real.dof_frictionloss)
    height = real.body("base").ipos[2]
    np.testing.assert_allclose(half.body("base").ipos[2], (height + 0.135) / 2)
    interface = gaps.interface(settings, STAND.interface)
    assert interface.latency == 1
    assert interface.substeps == (4, 6)
    np.testing.assert_allclose(interface.strength, (1 + STAND.interface.strength) / 2)
    none = gaps.interface(gaps.parse("idealised:0"), STAND.interface)
    assert none == STAND.interface


@pytest.mark.parametrize(("text", "survival"), [("none", 111), ("idealised", 88)])
def test_a_robot_left_alone_falls_as_the_analysis_found(text, survival):
    found = rollout.evaluate(make(text, 60), nothing, 60, seed=0)
    assert found.fell.all()
    # The standard error of 60 episodes is about 4 steps.
    assert abs(found.lengths.mean() - survival) < 15


def test_the_optimal_law_of_the_simulator_stands_in_it_for_thirty_seconds():
    gain = lqr.gains(gaps.parse("idealised"))
    found = rollout.evaluate(
        make("idealised", 2), lambda obs: obs @ gain[:, None], 2, seed=0
    )
    assert not found.fell.any()
    assert found.lengths.tolist() == [[6000, 6000]]
    np.testing.assert_allclose(found.seconds, 30.0)
    assert (30 - found.returns / found.lengths < 0.005).all()


def test_the_optimal_law_of_the_real_model_leaves_dry_friction_out():
    # Within friction's grip finite differences ask for seven times the gain, which no
    # motor could deliver.
    ideal, real = (lqr.gains(gaps.parse(text)) for text in ("idealised", "none"))
    np.testing.assert_allclose(real, ideal, rtol=0.3)


def test_a_tyre_at_rest_bears_the_weight():
    model = MODELS["none"]
    data = mujoco.MjData(model)
    data.qpos[1] = rest_height(model)
    assert -5e-4 < data.qpos[1] < -5e-5
    mujoco.mj_forward(model, data)
    force = np.zeros(6)
    mujoco.mj_contactForce(model, data, 0, force)
    np.testing.assert_allclose(force[0], 12 * 9.81, rtol=0.01)


def test_riccati_by_hand():
    # One unstable state, s' = 2 s + u: P = 1 + 4 P - 4 P^2 / (1 + P) gives
    # P^2 - 4 P - 1 = 0, P = 2 + sqrt 5, and K = 2 P / (1 + P) = 1.618.
    gain = lqr.riccati(np.array([[2.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(gain, [(1 + np.sqrt(5)) / 2])


# --- larger gaps ----------------------------------------------------------------


def test_every_gap_of_the_robot_has_an_effect():
    names = gaps.names("wheel_legged")
    assert {"idealised", "latency", "deadband", "push", "reset_spread"} <= set(names)
    for task in (STAND, FORWARD):
        models.check_effect(task, gaps.parse("+".join(names), task.robot))
    assert "idealised" not in gaps.names("halfcheetah")


def test_a_rare_push_is_waited_for():
    # With the noise of this task and seed the first push comes after step 200.
    models.check_effect(FORWARD, gaps.parse("push:2"), steps=1)


def test_a_gap_that_repeats_the_real_robot_is_refused():
    with pytest.raises(ConfigError, match="latency:2 changes nothing"):
        models.check_effect(STAND, gaps.parse("latency:2"), steps=20)


def test_larger_gaps_change_what_they_say():
    deadband = models.compile_model(STAND, gaps.parse("deadband:2"))
    loss = MODELS["none"].joint("wheels").frictionloss
    np.testing.assert_allclose(deadband.joint("wheels").frictionloss, 2 * loss)
    steep = models.compile_model(STAND, gaps.parse("reset_spread:3"))
    np.testing.assert_allclose(steep.numeric("reset_std").data, [0.09, 0.6])


def test_larger_gaps_cost_the_operators_law_more():
    texts = ("none", "deadband", "push", "reset_spread", "latency:7", "push:12")
    task, episodes = dataclasses.replace(STAND, evaluation_seconds=5.0), 8
    settings = [gaps.parse(text) for text in texts for _ in range(episodes)]
    built = [models.compile_model(task, gap) for gap in settings]
    interfaces = [gaps.interface(gap, task.interface) for gap in settings]
    world = World(task, built, interfaces, range(len(built)), nthread=1)
    gain = operator.GAINS[[2, 3, 0, 1]] / 3
    found = rollout.evaluate(world, lambda o: o @ gain[:, None], episodes, seed=0)
    cost = (30 - found.returns / found.lengths).mean(axis=1)
    fallen = found.fell.mean(axis=1)
    assert fallen[0] == 0
    assert (cost[1:] > 1.5 * cost[0]).all(), dict(zip(texts, cost, strict=True))
    # Over 30 s all but the best laws lie after either of these.
    assert (fallen[-2:] >= 0.5).all()


def test_latency_makes_the_operator_shake():
    rates = [
        np.mean([calibration.spread(log)["theta_dot"] for log in logs])
        for text in ("none", "latency:3", "latency:4")
        for logs in [operator.drive(1000, range(6), gaps.parse(text))]
    ]
    # Over 20 seeds of 30 s: 0.53, 0.73 and 1.02 rad/s.
    assert rates[0] * 1.15 < rates[1]
    assert rates[1] * 1.15 < rates[2]


def test_latency_is_absolute_and_replaces_the_robots_own():
    for text, steps in (("latency:3", 3), ("latency:0", 0), ("latency", 3)):
        assert gaps.interface(gaps.parse(text), STAND.interface).latency == steps


@pytest.mark.parametrize("text", ["latency:2.5", "idealised:1.5", "deadband:-1"])
def test_impossible_factors(text):
    with pytest.raises(ConfigError, match=text.partition(":")[0]):
        gaps.parse(text)


def test_a_push_is_an_impulse():
    exact = {"stall_probability": 0.0, "substeps": (5, 5), "push_probability": 1.0}
    world = make("push:1.2", 20, **exact)
    world.step(np.zeros((20, 1)))
    # 1.2 N s in 5 ms are 240 N; each way about as often.
    force = world._batch.xfrc_applied[:, 1, 0]
    assert set(np.abs(force).round(6)) == {240.0}
    assert 4 <= np.sum(force > 0) <= 16
    world = make("push:1.2", 20)
    world.step(np.zeros((20, 1)))
    assert not world._batch.xfrc_applied.any()


# --- evaluation over simulated time ---------------------------------------------


def test_evaluation_is_cut_by_simulated_time():
    task = dataclasses.replace(STAND, evaluation_seconds=0.2)
    found = rollout.evaluate(make(n=4, task=task), nothing, 2, seed=0)
    assert found.seconds.shape == (2, 2)
    # The last period of 4 to 8 ms, or a stall, begins before 0.2 s are over.
    assert (found.seconds >= 0.2 - 1e-9).all()
    assert (found.lengths < 200 / 4 + 1).all()
    assert not found.fell.any()
    found = rollout.evaluate(make("idealised", 2, task), nothing, 2, seed=0)
    assert found.lengths.tolist() == [[40, 40]]


def test_a_trace_is_the_evaluation_step_by_step():
    def act(observations):
        gains = np.array([3.0, 0.4, 0.2, 0.5]) * np.array([1, 0])[:, None]
        return np.einsum("peo,po->pe", observations, gains)[..., None]

    task = dataclasses.replace(STAND, evaluation_seconds=1.0)
    world = make(n=4, task=task)
    trace = rollout.trace(world, act, 2, seed=3)
    for a, b in zip(
        trace.evaluation, rollout.evaluate(world, act, 2, seed=3), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    lengths = trace.evaluation.lengths
    assert trace.qpos.shape == (2, 2, lengths.max() + 1, 4)
    assert trace.evaluation.fell.tolist() == [[False, False], [True, True]]
    for p, e in np.ndindex(2, 2):
        end = lengths[p, e]
        assert np.isfinite(trace.time[p, e, : end + 1]).all()
        assert np.isnan(trace.qpos[p, e, end + 1 :]).all()
        assert np.isnan(trace.actions[p, e, end:]).all()
        assert trace.time[p, e, end] == trace.evaluation.seconds[p, e]
        seen = trace.observations[p, e, :end].astype(np.float32)[:, None, None]
        both = np.broadcast_to(seen, (end, 2, 1, 4))
        chosen = np.concatenate([act(row)[p, 0] for row in both])
        np.testing.assert_allclose(trace.actions[p, e, :end, 0], chosen, rtol=1e-6)
        lying = np.abs(trace.qpos[p, e, end, 2]) > np.pi / 6
        assert lying == trace.evaluation.fell[p, e]
        assert (np.abs(trace.qpos[p, e, :end, 2]) <= np.pi / 6).all()


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
    found, ended_too = rollout.collect(other, act, 250)
    for a, b in zip((*found, *ended_too), (*expected, *ended), strict=True):
        np.testing.assert_array_equal(a, b)
