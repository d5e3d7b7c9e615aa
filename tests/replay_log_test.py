"""A state from an observation, and a log replayed from it."""

import dataclasses

import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import replay_log, tasks, worlds
from h2o_jax.sim.interface import Interface
from h2o_jax.types import Transition
from tests import wheel_legged
from tests.worlds import CHEETAH, WALKER, make

HOPPER = tasks.get("hopper")
IDEAL = {"latency": 0, "strength": 1.0, "substeps": None, "stall_probability": 0.0,
         "sensor_noise": (), "sensor_quantum": ()}  # fmt: skip


def record(world, steps, seed=0):
    """Rows `[steps * n]` under random actions, one environment after the other."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(steps):
        a_tm1 = rng.uniform(-1, 1, (world.n, world.task.action_dim))
        s_tm1 = world.observations.copy()
        x = world.step(a_tm1)
        rows.append(Transition(s_tm1, a_tm1, x.reward, 1.0 - x.terminated, x.s_t))
        world.reset(np.flatnonzero(x.terminated))
    columns = zip(*(row[:5] for row in rows), strict=True)
    return Transition(*(np.concatenate(np.stack(x, axis=1)) for x in columns))


def chain(joints, ends=()):
    """A log of one observation whose row goes on in the next where `joints` says so."""
    s_tm1 = np.arange(len(joints) + 1.0)[:, None]
    s_t = np.append(s_tm1[1:, 0], -1.0)[:, None]
    s_t[:-1][~np.array(joints, bool)] = -1.0
    rows = len(s_tm1)
    discount_t = 1.0 - np.isin(np.arange(rows), ends)
    return Transition(s_tm1, np.zeros((rows, 1)), np.zeros(rows), discount_t, s_t)


# --- the state behind an observation ---------------------------------------------


@pytest.mark.parametrize("name", ["halfcheetah", "walker2d", "hopper"])
def test_a_state_put_back_goes_on_as_it_did(name):
    task = tasks.get(name)
    world, other = (worlds.make(task, [()] * 16, range(16), threads=1) for _ in "ab")
    rng = np.random.default_rng(1)
    exact = []
    for _ in range(25):
        exact.append(other.put(world.observations))
        actions = rng.uniform(-1, 1, (16, task.action_dim))
        on, put = world.step(actions), other.step(actions)
        known = exact[-1]
        # A step's solver starts from the last one's solution, which is not observed.
        np.testing.assert_allclose(put.s_t[known], on.s_t[known], atol=1e-9)
        np.testing.assert_allclose(put.reward[known], on.reward[known], atol=1e-9)
        np.testing.assert_array_equal(put.terminated[known], on.terminated[known])
        world.reset(np.flatnonzero(on.terminated))
    assert np.mean(exact) > 0.2


def test_clipped_velocities_are_not_exact():
    model = make(WALKER, Interface())._physics.models[0]
    s = np.zeros((3, 17))
    s[1, 10], s[2, 16] = 10.0, -10.0
    assert WALKER.pose(model, s).exact.tolist() == [True, False, False]
    assert CHEETAH.pose(model, s).exact.all()


@pytest.mark.parametrize("task", [wheel_legged.STAND, wheel_legged.FORWARD])
def test_a_wheel_legged_robot_put_back(task):
    """All but the tyre's compression, which no sensor tells."""
    world, other = (wheel_legged.make(n=64, task=task, **IDEAL) for _ in "ab")
    rng = np.random.default_rng(0)
    errors, changes = [], []
    for _ in range(12):
        before = world.observations.copy()
        assert other.put(before).all()
        actions = rng.uniform(-0.3, 0.3, (64, 1))
        on = world.step(actions)
        errors.append(other.step(actions).s_t - on.s_t)
        changes.append(on.s_t - before)
    unit = np.std(np.concatenate(changes), axis=0)
    worst = np.quantile(np.abs(np.concatenate(errors)) / unit, 0.5, axis=0)
    assert worst.max() < 0.02


def test_the_odometry_goes_on_from_the_log():
    world = wheel_legged.make(n=2, **IDEAL)
    world.put(np.array([[0.0, 0.0, 0.7, 0.2], [0.0, 0.0, -3.0, 0.0]]))
    s_t = world.step(np.zeros((2, 1))).s_t
    np.testing.assert_allclose(s_t[:, 2], [0.7, -3.0] + 0.005 * s_t[:, 3], atol=1e-12)


@pytest.mark.fault
def test_a_task_without_poses_is_refused():
    task = dataclasses.replace(CHEETAH, pose=None)
    log = record(make(CHEETAH, Interface()), 2)
    with pytest.raises(ConfigError, match="halfcheetah: its simulator cannot be put"):
        replay_log.replay(task, (), log, np.array([0]), threads=1)


# --- windows ---------------------------------------------------------------------


def test_windows_never_cross_a_break():
    # Rows 0 1 2 | 3 4 | 5 6 7: row 2 was not followed, row 4 ended the episode.
    log = chain([1, 1, 0, 1, 1, 1, 1], ends=[4])
    assert replay_log.joined(log).tolist() == [1, 1, 0, 1, 0, 1, 1]
    assert replay_log.starts(log, 1).tolist() == list(range(8))
    assert replay_log.starts(log, 2).tolist() == [0, 1, 3, 5, 6]
    assert replay_log.starts(log, 3).tolist() == [0, 5]
    assert replay_log.starts(log, 1, before=1).tolist() == [1, 2, 4, 6, 7]
    assert replay_log.starts(log, 2, before=1).tolist() == [1, 6]
    assert replay_log.starts(log, 9).tolist() == []


def test_dropped_and_shuffled_rows_break_a_sequence():
    log = record(make(CHEETAH, Interface()), 20)
    kept = Transition(*(np.delete(x, 7, axis=0) for x in log[:5]))
    assert 6 not in replay_log.starts(kept, 2)
    assert len(replay_log.starts(kept, 2)) == 17
    order = np.random.default_rng(0).permutation(20)
    shuffled = Transition(*(x[order] for x in log[:5]))
    assert len(replay_log.starts(shuffled, 3)) == 0


# --- replay ----------------------------------------------------------------------


def test_several_steps_are_the_rollout_that_was_logged(monkeypatch):
    monkeypatch.setattr(replay_log, "_ROWS", 16)  # more windows than fit one batch
    log = record(make(CHEETAH, Interface(), Interface()), 30)
    first = replay_log.starts(log, 5)
    assert len(first) == 2 * 26
    found = replay_log.replay(CHEETAH, (), log, first, 5, threads=1)
    rows = first[:, None] + np.arange(5)
    np.testing.assert_allclose(found.s_t, log.s_t[rows], atol=1e-7)
    np.testing.assert_allclose(found.r_t, log.r_t[rows], atol=1e-7)
    assert found.exact.all() and not found.unstable.any()
    assert not found.terminated.any()


def test_no_window_is_no_prediction():
    log = record(make(CHEETAH, Interface()), 3)
    found = replay_log.replay(CHEETAH, (), log, replay_log.starts(log, 9), 9)
    assert found.s_t.shape == (0, 9, 17) and found.exact.shape == (0,)


def test_commands_that_wait_come_from_the_log():
    interface = Interface(latency=2)
    task = dataclasses.replace(CHEETAH, interface=interface)
    log = record(make(CHEETAH, interface), 20)
    first = replay_log.starts(log, 3, before=2)
    found = replay_log.replay(task, (), log, first, 3, threads=1)
    rows = first[:, None] + np.arange(3)
    np.testing.assert_allclose(found.s_t, log.s_t[rows], atol=1e-7)
    empty = replay_log.replay(CHEETAH, (), log, first, 3, threads=1)
    assert np.abs(empty.s_t - log.s_t[rows]).max() > 0.1
