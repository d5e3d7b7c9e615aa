"""How long a wheel-legged robot stands: left alone, under its optimal law, traced."""

import dataclasses

import numpy as np
import pytest

from h2o_jax.sim import gaps, rollout
from h2o_jax.sim.robot import lqr
from h2o_jax.sim.tasks.wheel_legged import TORQUE_LIMIT
from tests.wheel_legged import STAND, make, nothing

# --- survival and the optimal law -----------------------------------------------


@pytest.mark.parametrize(("text", "survival"), [("none", 111), ("idealised", 88)])
def test_a_robot_left_alone_falls_as_the_analysis_found(text, survival):
    outcome = rollout.evaluate(make(text, 60), nothing, 60, seed=0)
    assert outcome.fell.all()
    # The standard error of 60 episodes is about 4 steps.
    assert abs(outcome.lengths.mean() - survival) < 15


def test_the_optimal_law_of_the_simulator_stands_in_it_for_thirty_seconds():
    gain = lqr.gains(gaps.parse("idealised"))
    outcome = rollout.evaluate(
        make("idealised", 2), lambda obs: obs @ gain[:, None], 2, seed=0
    )
    assert not outcome.fell.any()
    assert outcome.lengths.tolist() == [[6000, 6000]]
    np.testing.assert_allclose(outcome.seconds, 30.0)
    assert (30 - outcome.returns / outcome.lengths < 0.005).all()


def test_the_optimal_law_of_the_real_model_leaves_dry_friction_out():
    # Within friction's grip finite differences ask for seven times the gain, which no
    # motor could deliver.
    ideal, real = (lqr.gains(gaps.parse(text)) for text in ("idealised", "none"))
    np.testing.assert_allclose(real, ideal, rtol=0.3)


def test_riccati_by_hand():
    # One unstable state, s' = 2 s + u: P = 1 + 4 P - 4 P^2 / (1 + P) gives
    # P^2 - 4 P - 1 = 0, P = 2 + sqrt 5, and K = 2 P / (1 + P) = 1.618.
    gain = lqr.riccati(np.array([[2.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(gain, [(1 + np.sqrt(5)) / 2])


def test_gains_are_those_of_value_iteration():
    """What iterating the Riccati equation gave, also where later costs count less."""
    gain = lqr.gains(gaps.parse("idealised"))
    wanted = [2.71951471, 0.49719861, 0.29746114, 0.51808742]
    np.testing.assert_allclose(gain, wanted, rtol=1e-7)
    law = TORQUE_LIMIT * lqr.gains(gaps.parse("idealised"), discount=0.9)
    wanted = [1.77295917, 0.70955248, -0.00512354, -0.14995902]
    np.testing.assert_allclose(law, wanted, rtol=1e-5)


# --- evaluation over simulated time ---------------------------------------------


def test_evaluation_is_cut_by_simulated_time():
    task = dataclasses.replace(STAND, evaluation_seconds=0.2)
    outcome = rollout.evaluate(make(n=4, task=task), nothing, 2, seed=0)
    assert outcome.seconds.shape == (2, 2)
    # The last period of 4 to 8 ms, or a stall, begins before 0.2 s are over.
    assert (outcome.seconds >= 0.2 - 1e-9).all()
    assert (outcome.lengths < 200 / 4 + 1).all()
    assert not outcome.fell.any()
    outcome = rollout.evaluate(make("idealised", 2, task), nothing, 2, seed=0)
    assert outcome.lengths.tolist() == [[40, 40]]


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
