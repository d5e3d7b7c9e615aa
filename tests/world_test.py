"""Worlds: independence of environments, memory, divergence, exact resume."""

import dataclasses

import numpy as np
import pytest

from h2o_jax.errors import CheckpointError, DivergenceError
from h2o_jax.sim import gaps, models
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.world import World
from tests.worlds import (
    CHEETAH,
    FAULTY,
    WALKER,
    assert_same,
    drive,
    make,
    plain,
    random_actions,
)

# --- environments ---------------------------------------------------------------


@pytest.fixture
def heavy():
    return models.compile_model(CHEETAH, gaps.parse("gravity:2"))


def test_an_environment_does_not_depend_on_its_company(heavy):
    actions = random_actions(120, 3)
    together = World(
        CHEETAH,
        [plain(CHEETAH), heavy, plain(CHEETAH)],
        [Interface(), Interface(), FAULTY],
        [5, 6, 7],
    )
    log = drive(together, actions)
    for i, (model, interface) in enumerate(
        [(plain(CHEETAH), Interface()), (heavy, Interface()), (plain(CHEETAH), FAULTY)]
    ):
        alone = World(CHEETAH, [model], [interface], [5 + i], nthread=1)
        assert_same([x[i : i + 1] for x in log], drive(alone, actions[:, i : i + 1]))


def test_stepping_some_leaves_the_others_alone():
    world = make(CHEETAH, Interface(), FAULTY, Interface())
    before = world.state()
    world.step(random_actions(1, 2)[0], np.array([0, 1]))
    after = world.state()
    for name in before:
        np.testing.assert_array_equal(after[name][2], before[name][2])
    assert after["age"].tolist() == [1, 1, 0]


def test_episodes_differ_and_repeat():
    world = make(CHEETAH, Interface(), Interface(), seeds=[3, 3])
    np.testing.assert_array_equal(world.observations[0], world.observations[1])
    first = world.observations[0].copy()
    world.reset(np.array([0]))
    assert (world.observations[0] != first).any()
    world.reset(np.array([1]))
    np.testing.assert_array_equal(world.observations[0], world.observations[1])
    assert world.returns.tolist() == world.age.tolist() == [0, 0]


def test_one_of_each_per_environment():
    with pytest.raises(ValueError, match="1 models, 2 interfaces and 1 seeds"):
        World(CHEETAH, [plain(CHEETAH)], [Interface()] * 2, [0])


# --- memory ---------------------------------------------------------------------


def test_memory_integrates_what_the_sensors_say():
    def remember(memory, measured):
        memory = memory + 0.05 * measured[:, 8:9]
        measured[:, :1] = memory
        return memory, measured

    task = dataclasses.replace(CHEETAH, memory_dim=1, remember=remember)
    world = World(task, [plain(CHEETAH)] * 2, [Interface(), FAULTY], [0, 1])
    total = np.zeros(2)
    for action in random_actions(5, 2):
        s_t = world.step(action).s_t
        total += 0.05 * s_t[:, 8]
        np.testing.assert_allclose(s_t[:, 0], total, atol=1e-12)
    np.testing.assert_array_equal(world.state()["memory"][:, 0], s_t[:, 0])
    world.reset(np.array([1]))
    assert world.state()["memory"][:, 0].tolist() == [s_t[0, 0], 0.0]


# --- divergence -----------------------------------------------------------------


@pytest.mark.fault
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_actions_that_are_not_finite_are_never_stepped(bad):
    world = make(CHEETAH, Interface(), Interface())
    before = world.state()
    actions = np.zeros((2, 6))
    actions[1, 3] = bad
    with pytest.raises(DivergenceError, match=r"environments \[1\]"):
        world.step(actions)
    with pytest.raises(DivergenceError, match=r"environments \[0\]"):
        world.step(actions[1:], np.array([0]))
    assert_same(list(world.state().values()), list(before.values()))


@pytest.mark.fault
@pytest.mark.parametrize("large", [1e200, -1.7e308])
def test_actions_whose_square_overflows_are_clipped_as_all_are(large):
    one, other = make(CHEETAH, Interface()), make(CHEETAH, Interface())
    found, wanted = (
        one.step(np.full((1, 6), large)),
        other.step(np.full((1, 6), 1e30 * np.sign(large))),
    )
    np.testing.assert_array_equal(found.s_t, wanted.s_t)


@pytest.mark.fault
@pytest.mark.parametrize("field", ["_qpos", "_qvel"])
def test_diverged_physics_are_flagged_until_reset(tmp_path, monkeypatch, field):
    monkeypatch.chdir(tmp_path)
    world = make(CHEETAH, Interface(), Interface())
    zeros = np.zeros((2, 6))
    assert not world.step(zeros).unstable.any()
    getattr(world, field)[1, 2] = np.nan
    step = world.step(zeros)
    assert step.unstable.tolist() == [False, True]
    # The robot is back at its start, at a speed that nothing ever had.
    assert step.reward[1] == 0
    assert step.reward[0] != 0
    assert world.unstable_episodes.tolist() == [0, 1]
    world.reset(np.array([1]))
    assert not world.step(zeros).unstable.any()
    assert not list(tmp_path.iterdir())


@pytest.mark.fault
@pytest.mark.parametrize("name", ["reward", "observe"])
def test_what_is_no_number_counts_as_diverged(name):
    """A task's own formulas may leave the finite range where the physics does not."""

    def spoilt(*given):
        values = getattr(CHEETAH, name)(*given).copy()
        values[1] = 1e39 if len(seen) else values[1]  # more than float32 holds
        return values

    seen = []
    world = make(dataclasses.replace(CHEETAH, **{name: spoilt}), *[Interface()] * 2)
    seen.append(1)
    step = world.step(np.zeros((2, 6)))
    assert step.unstable.tolist() == [False, True]
    assert step.reward[1] == 0 and world.returns[1] == 0
    assert world.unstable_episodes.tolist() == [0, 1] and world.begun.tolist() == [1, 1]


# --- resume ---------------------------------------------------------------------


@pytest.mark.parametrize("task", [CHEETAH, WALKER], ids=lambda task: task.name)
@pytest.mark.parametrize("second", [Interface(), FAULTY], ids=["ideal", "faulty"])
def test_resume_is_exact(task, second):
    actions = random_actions(330, 2)
    world = make(task, Interface(), second)
    drive(world, actions[:90])
    state = world.state()
    expected = drive(world, actions[90:])
    other = make(task, Interface(), second)
    drive(other, random_actions(17, 2, seed=1))
    other.restore(state)
    assert_same(drive(other, actions[90:]), expected)
    # The saved state is a copy, which going on did not touch.
    world.restore(state)
    assert_same(drive(world, actions[90:]), expected)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("task", "interface"), [(WALKER, Interface()), (WALKER, FAULTY), (CHEETAH, FAULTY)]
)
def test_positions_and_velocities_alone_do_not_resume(task, interface):
    # A cheetah with an ideal interface does go on so: a test on it would prove nothing.
    actions = random_actions(120, 1)
    world, careful, careless = (make(task, interface) for _ in range(3))
    drive(world, actions[:90])
    state, qpos, qvel = world.state(), world._qpos.copy(), world._qvel.copy()
    expected = drive(world, actions[90:])
    careful.restore(state)
    assert_same(drive(careful, actions[90:]), expected)
    careless._qpos[:], careless._qvel[:] = qpos, qvel
    with pytest.raises(AssertionError):
        assert_same(drive(careless, actions[90:]), expected)


def test_restoring_clears_a_divergence():
    world = make(CHEETAH, Interface())
    state = world.state()
    world._qpos[0, 2] = np.nan
    assert world.step(np.zeros((1, 6))).unstable.all()
    world.restore(state)
    assert not world.step(np.zeros((1, 6))).unstable.any()


@pytest.mark.fault
def test_state_of_another_world_is_refused():
    state = make(CHEETAH, Interface()).state()
    with pytest.raises(CheckpointError, match="not one of 2 halfcheetah"):
        make(CHEETAH, Interface(), Interface()).restore(state)
    with pytest.raises(CheckpointError, match="with these interfaces"):
        make(CHEETAH, FAULTY).restore(state)
