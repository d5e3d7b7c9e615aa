"""Worlds: independence of environments, interfaces, divergence, exact resume."""

import dataclasses

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import CheckpointError, ConfigError, DivergenceError
from h2o_jax.sim import gaps, models, tasks
from h2o_jax.sim.interface import Channel, Interface
from h2o_jax.sim.world import World

CHEETAH = tasks.get("halfcheetah")
WALKER = tasks.get("walker2d")
FAULTY = Interface(
    action_noise=0.3,
    latency=2,
    strength=0.8,
    substeps=(3, 6),
    stall_probability=0.1,
    stall_seconds=(0.02, 0.1),
    sensor_noise=(0.01,) * 17,
    sensor_quantum=(0.0,) * 8 + (1e-3,) * 9,
)


@pytest.fixture(scope="module")
def plain():
    return {task: models.compile_model(task) for task in (CHEETAH, WALKER)}


@pytest.fixture(scope="module")
def heavy():
    return models.compile_model(CHEETAH, gaps.parse("gravity:2"))


def make(plain, task, *interfaces, seeds=None, nthread=1):
    n = len(interfaces)
    seeds = range(n) if seeds is None else seeds
    return World(task, [plain[task]] * n, interfaces, seeds, nthread)


def random_actions(steps, n, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, n, 6))


def drive(world, actions):
    """Steps with resets at ends; every number that came out, as one list."""
    log = []
    for action in actions:
        step = world.step(action)
        log += [step.s_t, step.reward, step.terminated]
        over = np.flatnonzero(step.terminated)
        if len(over):
            world.reset(over)
        log.append(world.observations.copy())
    return log


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


# --- environments ---------------------------------------------------------------


def test_an_environment_does_not_depend_on_its_company(plain, heavy):
    actions = random_actions(120, 3)
    together = World(
        CHEETAH,
        [plain[CHEETAH], heavy, plain[CHEETAH]],
        [Interface(), Interface(), FAULTY],
        [5, 6, 7],
    )
    log = drive(together, actions)
    for i, (model, interface) in enumerate(
        [(plain[CHEETAH], Interface()), (heavy, Interface()), (plain[CHEETAH], FAULTY)]
    ):
        alone = World(CHEETAH, [model], [interface], [5 + i], nthread=1)
        assert_same([x[i : i + 1] for x in log], drive(alone, actions[:, i : i + 1]))


def test_stepping_some_leaves_the_others_alone(plain):
    world = make(plain, CHEETAH, Interface(), FAULTY, Interface())
    before = world.state()
    world.step(random_actions(1, 2)[0], np.array([0, 1]))
    after = world.state()
    for name in before:
        np.testing.assert_array_equal(after[name][2], before[name][2])
    assert after["age"].tolist() == [1, 1, 0]


def test_episodes_differ_and_repeat(plain):
    world = make(plain, CHEETAH, Interface(), Interface(), seeds=[3, 3])
    np.testing.assert_array_equal(world.observations[0], world.observations[1])
    first = world.observations[0].copy()
    world.reset(np.array([0]))
    assert (world.observations[0] != first).any()
    world.reset(np.array([1]))
    np.testing.assert_array_equal(world.observations[0], world.observations[1])
    assert world.returns.tolist() == world.age.tolist() == [0, 0]


def test_one_of_each_per_environment(plain):
    with pytest.raises(ValueError, match="1 models, 2 interfaces and 1 seeds"):
        World(CHEETAH, [plain[CHEETAH]], [Interface()] * 2, [0])


# --- interfaces -----------------------------------------------------------------


def test_ideal_interface_costs_nothing_but_is_the_same(plain):
    actions = random_actions(50, 2)
    ideal = make(plain, CHEETAH, Interface(), Interface())
    # One noisy environment brings the channel in for both.
    mixed = make(plain, CHEETAH, Interface(), FAULTY)
    for action in actions:
        expected, step = ideal.step(action), mixed.step(action)
        np.testing.assert_array_equal(step.s_t[0], expected.s_t[0])
        assert step.reward[0] == expected.reward[0]
        assert (step.s_t[1] != expected.s_t[1]).any()


def test_noise_is_clipped_before_physics_and_cost(plain):
    world = make(plain, CHEETAH, Interface(action_noise=1e6))
    before = world._qpos[0, 0]
    step = world.step(np.zeros((1, 6)))
    # Huge noise saturates every motor: the effort is 0.1 * 6.
    speed = (world._qpos[0, 0] - before) / CHEETAH.dt
    np.testing.assert_allclose(step.reward, speed - 0.6)


def test_actions_beyond_the_range_are_clipped(plain):
    first, second = make(plain, CHEETAH, Interface()), make(plain, CHEETAH, Interface())
    a, b = first.step(np.full((1, 6), 9.0)), second.step(np.ones((1, 6)))
    np.testing.assert_array_equal(a.s_t, b.s_t)
    assert a.reward == b.reward


def test_latency_shifts_the_actions(plain):
    actions = random_actions(12, 1)
    late = make(plain, CHEETAH, Interface(latency=3))
    prompt = make(plain, CHEETAH, Interface())
    shifted = np.concatenate([np.zeros((3, 1, 6)), actions[:-3]])
    for action, old in zip(actions, shifted, strict=True):
        step = late.step(action)
        np.testing.assert_array_equal(step.s_t, prompt.step(old).s_t)
    late.reset()
    assert not late.state()["queue"].any()


def test_strength_weakens_the_motors_but_not_the_cost(plain):
    action = random_actions(1, 1)[0]
    weak = make(plain, CHEETAH, Interface(strength=0.5)).step(action)
    half = make(plain, CHEETAH, Interface()).step(0.5 * action)
    np.testing.assert_array_equal(weak.s_t, half.s_t)
    # Same speed; the cost is of the whole action against a quarter of it.
    effort = 0.1 * np.square(action).sum()
    np.testing.assert_allclose(weak.reward - half.reward, -0.75 * effort)


def test_actions_span_the_motors_range():
    gap = gaps.parse("flexible_thigh_ctrlrange:2")
    model = models.compile_model(WALKER, gap)
    world = World(WALKER, [model], [Interface()], [0])
    world.step(np.full((1, 6), 0.5))
    np.testing.assert_array_equal(world._ctrl, [[1, 0.5, 0.5, 1, 0.5, 0.5]])


def test_control_period_counts_physics_steps(plain):
    world = make(plain, CHEETAH, Interface(substeps=(7, 7)))
    data = mujoco.MjData(plain[CHEETAH])
    data.qpos, data.qvel = world._qpos[0], world._qvel[0]
    mujoco.mj_forward(plain[CHEETAH], data)
    data.ctrl = 0.3
    world.step(np.full((1, 6), 0.3))
    mujoco.mj_step(plain[CHEETAH], data, nstep=7)
    np.testing.assert_array_equal(world._qpos[0], data.qpos)


def channel(*interfaces):
    return Channel(
        interfaces, obs_dim=17, action_dim=6, frame_skip=5, timestep=CHEETAH.timestep
    )


def test_period_and_stalls_are_uniform():
    ids, seeds = np.arange(2), np.array([1, 2], np.uint64)
    ours = channel(FAULTY, Interface())
    counts = np.array(
        [ours.substeps(ours.draws(ids, seeds, np.full(2, t)), ids) for t in range(4000)]
    )
    assert (counts[:, 1] == 5).all()
    # 3 to 6 physics steps, and in a tenth of them 2 to 10 (0.02 to 0.1 s) more.
    assert counts[:, 0].min() == 3
    assert counts[:, 0].max() > 10
    assert counts[:, 0].mean() == pytest.approx(4.5 + 0.1 * 6, abs=0.1)


def test_sensors_add_noise_and_round():
    interface = Interface(
        sensor_noise=(2.0,) + (0.0,) * 16, sensor_quantum=(0.0, 0.25) + (0.0,) * 15
    )
    ours, ids = channel(interface), np.zeros(1, int)
    seeds, raw = np.array([4], np.uint64), np.full((1, 17), 0.4)
    seen = np.concatenate(
        [ours.sense(raw, ours.draws(ids, seeds, ids + t), ids) for t in range(2000)]
    )
    assert seen[:, 0].mean() == pytest.approx(0.4, abs=0.15)
    assert seen[:, 0].std() == pytest.approx(2.0, abs=0.1)
    # 0.4 is 1.6 quanta of 0.25, so it reads as 2 of them.
    assert (seen[:, 1] == 0.5).all()
    assert (seen[:, 2:] == 0.4).all()


def test_draws_are_functions_of_seed_and_step():
    ids = np.zeros(1, int)
    seeds = np.array([[1], [2]], np.uint64)
    forward, backward = channel(FAULTY), channel(FAULTY)
    steps = [(seeds[s], np.array([t])) for s in (0, 1) for t in (0, 63, 64, 130)]
    first = [forward.draws(ids, *step) for step in steps]
    second = [backward.draws(ids, *step) for step in reversed(steps)][::-1]
    for a, b in zip(first, second, strict=True):
        assert_same(a, b)
    values = [float(draws.action[0, 0]) for draws in first]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    "fields",
    [
        {"action_noise": -1.0},
        {"action_noise": float("nan")},
        {"action_noise": float("inf")},
        {"latency": -1},
        {"strength": float("inf")},
        {"substeps": (0, 4)},
        {"substeps": (5, 4)},
        {"stall_probability": 1.5},
        {"stall_seconds": (0.2, 0.1)},
        {"sensor_noise": (-1.0,)},
    ],
)
def test_interfaces_check_their_ranges(fields):
    with pytest.raises(ConfigError, match="interface:"):
        Interface(**fields)


def test_sensors_must_match_the_observations(plain):
    with pytest.raises(ConfigError, match="2 sensor values for 17 observations"):
        make(plain, CHEETAH, Interface(sensor_noise=(0.1, 0.1)))


# --- memory ---------------------------------------------------------------------


def test_memory_integrates_what_the_sensors_say(plain):
    def remember(memory, measured):
        memory = memory + 0.05 * measured[:, 8:9]
        measured[:, :1] = memory
        return memory, measured

    task = dataclasses.replace(CHEETAH, memory_dim=1, remember=remember)
    world = World(task, [plain[CHEETAH]] * 2, [Interface(), FAULTY], [0, 1])
    total = np.zeros(2)
    for action in random_actions(5, 2):
        s_t = world.step(action).s_t
        total += 0.05 * s_t[:, 8]
        np.testing.assert_allclose(s_t[:, 0], total, atol=1e-12)
    np.testing.assert_array_equal(world.state()["memory"][:, 0], s_t[:, 0])
    world.reset(np.array([1]))
    assert world.state()["memory"][:, 0].tolist() == [s_t[0, 0], 0.0]


# --- divergence -----------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_actions_that_are_not_finite_are_never_stepped(plain, bad):
    world = make(plain, CHEETAH, Interface(), Interface())
    before = world.state()
    actions = np.zeros((2, 6))
    actions[1, 3] = bad
    with pytest.raises(DivergenceError, match=r"environments \[1\]"):
        world.step(actions)
    with pytest.raises(DivergenceError, match=r"environments \[0\]"):
        world.step(actions[1:], np.array([0]))
    assert_same(list(world.state().values()), list(before.values()))


@pytest.mark.parametrize("field", ["_qpos", "_qvel"])
def test_diverged_physics_are_flagged_until_reset(plain, tmp_path, monkeypatch, field):
    monkeypatch.chdir(tmp_path)
    world = make(plain, CHEETAH, Interface(), Interface())
    zeros = np.zeros((2, 6))
    assert not world.step(zeros).unstable.any()
    getattr(world, field)[1, 2] = np.nan
    step = world.step(zeros)
    assert step.unstable.tolist() == [False, True]
    # The robot is back at its start, at a speed that nothing ever had.
    assert step.reward[1] == 0
    assert step.reward[0] != 0
    assert world.unstable.tolist() == [0, 1]
    world.reset(np.array([1]))
    assert not world.step(zeros).unstable.any()
    assert not list(tmp_path.iterdir())


# --- resume ---------------------------------------------------------------------


@pytest.mark.parametrize("task", [CHEETAH, WALKER], ids=lambda task: task.name)
@pytest.mark.parametrize("second", [Interface(), FAULTY], ids=["ideal", "faulty"])
def test_resume_is_exact(plain, task, second):
    actions = random_actions(330, 2)
    world = make(plain, task, Interface(), second)
    drive(world, actions[:90])
    state = world.state()
    expected = drive(world, actions[90:])
    other = make(plain, task, Interface(), second)
    drive(other, random_actions(17, 2, seed=1))
    other.restore(state)
    assert_same(drive(other, actions[90:]), expected)
    # The saved state is a copy, which going on did not touch.
    world.restore(state)
    assert_same(drive(world, actions[90:]), expected)


def test_restoring_clears_a_divergence(plain):
    world = make(plain, CHEETAH, Interface())
    state = world.state()
    world._qpos[0, 2] = np.nan
    assert world.step(np.zeros((1, 6))).unstable.all()
    world.restore(state)
    assert not world.step(np.zeros((1, 6))).unstable.any()


def test_state_of_another_world_is_refused(plain):
    state = make(plain, CHEETAH, Interface()).state()
    with pytest.raises(CheckpointError, match="not one of 2 halfcheetah"):
        make(plain, CHEETAH, Interface(), Interface()).restore(state)
    with pytest.raises(CheckpointError, match="with these interfaces"):
        make(plain, CHEETAH, FAULTY).restore(state)
