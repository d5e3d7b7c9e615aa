"""The wheel-legged robot's gaps: the ideal simulator, and gaps larger than it."""

import dataclasses

import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, models, rollout, worlds
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.robot import calibration, scripted_operator
from h2o_jax.sim.world import World
from tests.wheel_legged import FORWARD, MODELS, STAND, make

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


# --- larger gaps ----------------------------------------------------------------


def test_every_gap_of_the_robot_has_an_effect():
    names = gaps.names("wheel_legged")
    assert {"idealised", "latency", "deadband", "push", "reset_spread"} <= set(names)
    for task in (STAND, FORWARD):
        worlds.check_effect(task, gaps.parse("+".join(names), task.robot))
    assert "idealised" not in gaps.names("halfcheetah")


def test_a_rare_push_is_waited_for():
    # With the noise of this task and seed the first push comes after step 200.
    worlds.check_effect(FORWARD, gaps.parse("push:2"), steps=1)


@pytest.mark.fault
def test_a_gap_that_repeats_the_real_robot_is_refused():
    with pytest.raises(ConfigError, match="latency:2 changes nothing"):
        worlds.check_effect(STAND, gaps.parse("latency:2"), steps=20)


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
    gain = scripted_operator.GAINS[[2, 3, 0, 1]] / 3
    outcome = rollout.evaluate(world, lambda o: o @ gain[:, None], episodes, seed=0)
    cost = (30 - outcome.returns / outcome.lengths).mean(axis=1)
    fallen = outcome.fell.mean(axis=1)
    assert fallen[0] == 0
    assert (cost[1:] > 1.5 * cost[0]).all(), dict(zip(texts, cost, strict=True))
    # Over 30 s all but the best laws lie after either of these.
    assert (fallen[-2:] >= 0.5).all()


def test_latency_makes_the_operator_shake():
    rates = [
        np.mean([calibration.spread(log)["theta_dot"] for log in logs])
        for text in ("none", "latency:3", "latency:4")
        for logs in [scripted_operator.drive(1000, range(6), gaps.parse(text))]
    ]
    # Over 20 seeds of 30 s: 0.53, 0.73 and 1.02 rad/s.
    assert rates[0] * 1.15 < rates[1]
    assert rates[1] * 1.15 < rates[2]


def test_latency_is_absolute_and_replaces_the_robots_own():
    for text, steps in (("latency:3", 3), ("latency:0", 0), ("latency", 3)):
        assert gaps.interface(gaps.parse(text), STAND.interface).latency == steps


@pytest.mark.fault
@pytest.mark.parametrize("text", ["latency:2.5", "idealised:1.5", "deadband:-1"])
def test_impossible_factors(text):
    with pytest.raises(ConfigError, match=text.partition(":")[0]):
        gaps.parse(text)


def test_a_push_is_an_impulse():
    exact = {"stall_probability": 0.0, "substeps": (5, 5), "push_probability": 1.0}
    world = make("push:1.2", 20, **exact)
    world.step(np.zeros((20, 1)))
    # 1.2 N s in 5 ms are 240 N; each way about as often.
    force = world._physics.force[:, 1, 0]
    assert set(np.abs(force).round(6)) == {240.0}
    assert 4 <= np.sum(force > 0) <= 16
    world = make("push:1.2", 20)
    world.step(np.zeros((20, 1)))
    assert not world._physics.force.any()
