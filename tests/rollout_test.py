"""Collecting and evaluating: what is stored at ends, and who is stepped."""

import jax
import numpy as np
import pytest

from h2o_jax.sim import gaps, models, rollout, tasks
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.world import World
from tests.tasks_test import make_gymnasium

TASKS = {name: tasks.get(name) for name in ("halfcheetah", "walker2d")}
MODELS = {name: models.compile_model(task) for name, task in TASKS.items()}


def make(name, n=2, interface=Interface(), horizon=1000):
    task = rollout_task(name, horizon)
    return World(task, [MODELS[name]] * n, [interface] * n, range(n), nthread=1)


def rollout_task(name, horizon):
    return tasks.task.dataclasses.replace(TASKS[name], horizon=horizon)


def linear(observations, t=0):
    """A deterministic policy of any batch of 17 observations."""
    gain = np.sin(np.arange(17 * 6, dtype=np.float32)).reshape(17, 6)
    return np.tanh(observations @ gain)


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


# --- collect --------------------------------------------------------------------


def test_rows_form_chains_of_float32():
    world = make("halfcheetah", 3)
    rows, episodes = rollout.collect(world, linear, 20)
    columns = jax.tree.leaves(rows)
    assert [x.shape for x in columns] == [
        (3, 20, 17),
        (3, 20, 6),
        (3, 20),
        (3, 20),
        (3, 20, 17),
    ]
    assert all(x.dtype == np.float32 and x.flags.c_contiguous for x in columns)
    np.testing.assert_array_equal(rows.s_t[:, :-1], rows.s_tm1[:, 1:])
    np.testing.assert_array_equal(rows.a_tm1, linear(rows.s_tm1))
    np.testing.assert_array_equal(rows.s_t[:, -1], world.observations.astype("f4"))
    assert (rows.discount_t == 1).all()
    assert len(episodes.returns) == 0


def test_time_limit_is_no_terminal_state():
    world = make("halfcheetah", 1, horizon=4)
    rows, episodes = rollout.collect(world, linear, 10)
    assert (rows.discount_t == 1).all()
    broken = (rows.s_t[0, :-1] != rows.s_tm1[0, 1:]).any(axis=1)
    assert np.flatnonzero(broken).tolist() == [3, 7]
    # The successor stored at the limit is the one that the same episode has
    # without any limit.
    free, _ = rollout.collect(make("halfcheetah", 1), linear, 4)
    np.testing.assert_array_equal(rows.s_t[:, :4], free.s_t)
    assert episodes.length.tolist() == [4, 4]
    expected = rows.r_t[0, :8].reshape(2, 4).sum(axis=1)
    np.testing.assert_allclose(episodes.returns, expected, rtol=1e-5)
    assert world.age.tolist() == [2]


def test_terminal_rows_keep_their_successor():
    world = make("walker2d", 2)
    rows, episodes = rollout.collect(world, linear, 300)
    ends = np.argwhere(rows.discount_t == 0)
    assert len(ends) == len(episodes.length) > 4
    for i, t in ends:
        height, pitch = rows.s_t[i, t, :2]
        assert not (0.8 < height < 2.0 and abs(pitch) < 1.0)
    assert sorted(set(episodes.environment.tolist())) == [0, 1]
    for i in (0, 1):
        cuts = np.flatnonzero(rows.discount_t[i] == 0) + 1
        lengths = np.diff(np.concatenate([[0], cuts]))
        assert episodes.length[episodes.environment == i].tolist() == lengths.tolist()


def test_episodes_go_on_across_calls():
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 2, 6))
    whole, ended = rollout.collect(make("walker2d"), lambda _, t: actions[t], 100)
    world = make("walker2d")
    first, a = rollout.collect(world, lambda _, t: actions[t], 37)
    second, b = rollout.collect(world, lambda _, t: actions[37 + t], 63)
    for x, y, z in zip(*map(jax.tree.leaves, (whole, first, second)), strict=True):
        np.testing.assert_array_equal(x, np.concatenate([y, z], axis=1))
    for x, y, z in zip(ended, a, b, strict=True):
        np.testing.assert_array_equal(x, np.concatenate([y, z]))


def test_the_clean_action_is_stored():
    noise = gaps.interface(gaps.parse("joint_noise"))
    rows, _ = rollout.collect(make("halfcheetah", 2, noise), linear, 5)
    np.testing.assert_array_equal(rows.a_tm1, linear(rows.s_tm1))
    clean, _ = rollout.collect(make("halfcheetah", 2), linear, 5)
    assert (rows.s_t[:, 0] != clean.s_t[:, 0]).any()


@pytest.mark.fault
def test_diverged_rows_are_never_stored():
    world = make("halfcheetah", 3)
    seen = []

    def act(observations, t):
        seen.append((t, observations.copy()))
        if len(seen) in (6, 7):  # step 5 and its first repetition
            world._qpos[1, 2] = np.nan
        return linear(observations)

    rows, episodes = rollout.collect(world, act, 10)
    assert [t for t, _ in seen] == [0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9]
    assert world.unstable_episodes.tolist() == [0, 2, 0]
    assert world.age.tolist() == [10, 5, 10]
    broken = (rows.s_t[:, :-1] != rows.s_tm1[:, 1:]).any(axis=2)
    assert np.argwhere(broken).tolist() == [[1, 4]]
    np.testing.assert_array_equal(rows.a_tm1, linear(rows.s_tm1))
    assert np.isfinite(rows.s_t).all()
    assert len(episodes.length) == 0


@pytest.mark.fault
def test_hopeless_physics_stay_where_they_are_and_leave_others_alone():
    whole, _ = rollout.collect(make("halfcheetah", 2), linear_at, 3)
    world = make("halfcheetah", 2)

    def act(observations, t):
        world._qpos[0, 2] = np.nan
        return linear(observations)

    rows, _ = rollout.collect(world, act, 3)
    np.testing.assert_array_equal(rows.s_t[0], rows.s_tm1[0])
    assert np.isfinite(rows.s_t).all() and not rows.r_t[0].any()
    assert rows.discount_t.all() and world.unstable_episodes.tolist() == [63, 0]
    for column, expected in zip(rows[:-1], whole[:-1], strict=True):
        np.testing.assert_array_equal(column[1], expected[1])


def linear_at(observations, t):
    return linear(observations)


def test_resume_in_the_middle_of_collecting():
    world = make("walker2d", 2)
    rollout.collect(world, linear, 40)
    state = world.state()
    expected, ended = rollout.collect(world, linear, 250)
    other = make("walker2d", 2)
    other.restore(state)
    again, ended_again = rollout.collect(other, linear, 250)
    assert_same(again, expected)
    assert_same(ended_again, ended)


# --- evaluate -------------------------------------------------------------------


def act_two(observations):
    """Two policies: `linear`, and one that does nothing."""
    return linear(observations) * np.array([1, 0], np.float32)[:, None, None]


def test_evaluation_equals_gymnasiums():
    world = make("walker2d", 6, horizon=60)
    scores = rollout.evaluate(world, act_two, episodes=3, seed=10)
    assert scores.returns.shape == scores.lengths.shape == (2, 3)
    env = make_gymnasium("walker2d")
    for p, scale in enumerate((1, 0)):
        for e in range(3):
            s, _ = env.reset(seed=10 + e)
            total, length, terminated = 0.0, 0, False
            while not terminated and length < 60:
                action = scale * linear(s.astype(np.float32)[None])[0]
                s, reward, terminated, _, _ = env.step(action.astype(np.float64))
                total, length = total + reward, length + 1
            assert scores.lengths[p, e] == length
            np.testing.assert_allclose(scores.returns[p, e], total, rtol=1e-5)
    assert (scores.lengths < 60).any()


def test_evaluation_repeats_also_with_noise():
    interface = Interface(action_noise=0.2, latency=1)
    world = make("walker2d", 4, interface, horizon=50)
    first = rollout.evaluate(world, act_two, 2, seed=0)
    rollout.collect(world, linear, 7)
    assert_same(rollout.evaluate(world, act_two, 2, seed=0), first)


def test_ended_environments_are_not_stepped():
    world = make("walker2d", 4, horizon=300)
    scores = rollout.evaluate(world, act_two, 2, seed=0)
    np.testing.assert_array_equal(world.age.reshape(2, 2), scores.lengths)
    np.testing.assert_allclose(
        world._physics.time, 0.008 * scores.lengths.ravel(), rtol=1e-9
    )


@pytest.mark.fault
def test_diverged_evaluation_ends_the_episode():
    world = make("halfcheetah", 2, horizon=9)

    def act(observations):
        if world.age.max() == 4:
            world._qpos[1, 2] = np.nan
        return linear(observations)

    scores = rollout.evaluate(world, act, 2, seed=0)
    assert scores.lengths.tolist() == [[9, 5]]
    assert np.isfinite(scores.returns).all()


def test_episodes_must_fill_the_world():
    with pytest.raises(ValueError, match="5 environments are no multiple of 2"):
        rollout.evaluate(make("halfcheetah", 5), linear, 2, seed=0)
