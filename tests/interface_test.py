"""Interfaces between policy and physics: actions, control periods, sensors, draws."""

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, models
from h2o_jax.sim.interface import Channel, Interface
from h2o_jax.sim.world import World
from tests.worlds import (
    CHEETAH,
    FAULTY,
    WALKER,
    assert_same,
    make,
    plain,
    random_actions,
)


def test_ideal_interface_costs_nothing_but_is_the_same():
    actions = random_actions(50, 2)
    ideal = make(CHEETAH, Interface(), Interface())
    # One noisy environment brings the channel in for both.
    mixed = make(CHEETAH, Interface(), FAULTY)
    for action in actions:
        expected, step = ideal.step(action), mixed.step(action)
        np.testing.assert_array_equal(step.s_t[0], expected.s_t[0])
        assert step.reward[0] == expected.reward[0]
        assert (step.s_t[1] != expected.s_t[1]).any()


def test_noise_is_clipped_before_physics_and_cost():
    world = make(CHEETAH, Interface(action_noise=1e6))
    before = world._qpos[0, 0]
    step = world.step(np.zeros((1, 6)))
    # Huge noise saturates every motor: the effort is 0.1 * 6.
    speed = (world._qpos[0, 0] - before) / CHEETAH.dt
    np.testing.assert_allclose(step.reward, speed - 0.6)


def test_actions_beyond_the_range_are_clipped():
    first, second = make(CHEETAH, Interface()), make(CHEETAH, Interface())
    a, b = first.step(np.full((1, 6), 9.0)), second.step(np.ones((1, 6)))
    np.testing.assert_array_equal(a.s_t, b.s_t)
    assert a.reward == b.reward


def test_latency_shifts_the_actions():
    actions = random_actions(12, 1)
    late = make(CHEETAH, Interface(latency=3))
    prompt = make(CHEETAH, Interface())
    shifted = np.concatenate([np.zeros((3, 1, 6)), actions[:-3]])
    for action, old in zip(actions, shifted, strict=True):
        step = late.step(action)
        np.testing.assert_array_equal(step.s_t, prompt.step(old).s_t)
    late.reset()
    assert not late.state()["queue"].any()


def test_strength_weakens_the_motors_but_not_the_cost():
    action = random_actions(1, 1)[0]
    weak = make(CHEETAH, Interface(strength=0.5)).step(action)
    half = make(CHEETAH, Interface()).step(0.5 * action)
    np.testing.assert_array_equal(weak.s_t, half.s_t)
    # Same speed; the cost is of the whole action against a quarter of it.
    effort = 0.1 * np.square(action).sum()
    np.testing.assert_allclose(weak.reward - half.reward, -0.75 * effort)


def test_actions_span_the_motors_range():
    gap = gaps.parse("flexible_thigh_ctrlrange:2")
    model = models.compile_model(WALKER, gap)
    world = World(WALKER, [model], [Interface()], [0])
    world.step(np.full((1, 6), 0.5))
    np.testing.assert_array_equal(world._physics._ctrl, [[1, 0.5, 0.5, 1, 0.5, 0.5]])


def test_control_period_counts_physics_steps():
    world = make(CHEETAH, Interface(substeps=(7, 7)))
    data = mujoco.MjData(plain(CHEETAH))
    data.qpos, data.qvel = world._qpos[0], world._qvel[0]
    mujoco.mj_forward(plain(CHEETAH), data)
    data.ctrl = 0.3
    world.step(np.full((1, 6), 0.3))
    mujoco.mj_step(plain(CHEETAH), data, nstep=7)
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


@pytest.mark.fault
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


@pytest.mark.fault
def test_sensors_must_match_the_observations():
    with pytest.raises(ConfigError, match="2 sensor values for 17 observations"):
        make(CHEETAH, Interface(sensor_noise=(0.1, 0.1)))
