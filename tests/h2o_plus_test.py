"""H2O+'s update: routing of gradients, scales, unlogged successors, rows, acting."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax.types import Actor, Hyper, unit_scales
from tests.h2o_plus import DISCRIMINATE, GROUPS, LEARN, OBS, A, H2OPlus

pytestmark = pytest.mark.usefixtures("fast_compile")


@pytest.fixture(scope="module")
def h2o_plus():
    return H2OPlus()


def same(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def moved(h2o_plus, state):
    return {g for g in GROUPS if not same(state.params[g], h2o_plus.state.params[g])}


def rates(*on):
    return {f"{g}_lr": 3e-4 if g in on else 0.0 for g in GROUPS}


@pytest.mark.parametrize("group", GROUPS)
def test_each_rate_moves_its_own_group_only(h2o_plus, group):
    state, _ = h2o_plus(**rates(group))
    assert moved(h2o_plus, state) == {group}


@pytest.mark.parametrize("group", GROUPS[1:])
def test_the_second_stage_sees_one_snapshot(h2o_plus, group):
    """A group moves alike whether the others of its stage move or stand still."""
    alone, _ = h2o_plus(**rates("discriminator", group))
    together, _ = h2o_plus(**rates(*GROUPS))
    assert same(alone.params[group], together.params[group])


def test_critics_see_the_new_discriminators_and_nobody_else_does(h2o_plus):
    fresh, _ = h2o_plus(discriminator_lr=0.1)
    stale, _ = h2o_plus(discriminator_lr=0.0)
    differ = {g for g in GROUPS if not same(fresh.params[g], stale.params[g])}
    assert differ == {"discriminator", "critic"}


def test_real_critic_loss_ignores_the_ratio(h2o_plus):
    _, on = h2o_plus(ratio_low=1e-5)
    _, off = h2o_plus(ratio_low=1.0)
    assert on["critic/real_loss"] == off["critic/real_loss"]
    assert on["critic/sim_loss"] < off["critic/sim_loss"]
    assert off["critic/sim_weight"] == 1


def test_target_average(h2o_plus):
    state, _ = h2o_plus(target_ema=0.25)
    new, old = state.params["critic"], h2o_plus.state.target_params["critic"]
    expected = jax.tree.map(lambda x, y: 0.25 * x + 0.75 * y, new, old)
    for ours, theirs in zip(
        jax.tree.leaves(state.target_params["critic"]),
        jax.tree.leaves(expected),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_average_of_the_policy(h2o_plus):
    """Of one update: a quarter of the way, or all of it."""
    old = h2o_plus.state.params["policy"]
    state, _ = h2o_plus(policy_ema=0.25, policy_lr=0.1)
    expected = jax.tree.map(
        lambda x, y: 0.25 * x + 0.75 * y, state.params["policy"], old
    )
    chex.assert_trees_all_close(state.average_policy, expected, rtol=1e-5, atol=1e-7)
    assert not same(state.average_actor, state.actor)
    itself, _ = h2o_plus(policy_lr=0.1)
    assert same(itself.average_actor, itself.actor)
    assert same(itself.params, state.params)


def test_reward_scale_equals_scaled_rewards(h2o_plus):
    scaled = h2o_plus(reward_scale=4.0)
    given = h2o_plus(
        *(b._replace(r_t=4 * b.r_t) for b in (h2o_plus.real, h2o_plus.sim))
    )
    assert same(scaled[0].params, given[0].params)
    assert same(scaled[1], given[1])


def test_scales_normalise_observations(h2o_plus):
    """(s - mean) / std before every network."""
    scales = unit_scales(OBS, A)._replace(
        obs_mean=np.array([0.5, 0, -1], "f4"), obs_std=np.array([2, 1, 0.25], "f4")
    )

    def raw(batch):
        def undo(s):
            return s * scales.obs_std + scales.obs_mean

        return batch._replace(s_tm1=undo(batch.s_tm1), s_t=undo(batch.s_t))

    plain = h2o_plus()[0]
    normalised = h2o_plus(raw(h2o_plus.real), raw(h2o_plus.sim), scales)[0]
    for x, y in zip(
        jax.tree.leaves(plain.params), jax.tree.leaves(normalised.params), strict=True
    ):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)


def test_discriminator_noise_is_scaled_per_dimension(h2o_plus):
    half = unit_scales(OBS, A)._replace(
        noise_obs=np.full(OBS, 0.5, "f4"), noise_action=np.full(A, 0.5, "f4")
    )
    scaled = h2o_plus(scales=half, discriminator_noise=0.4)[0]
    plain = h2o_plus(discriminator_noise=0.2)[0]
    other = h2o_plus(discriminator_noise=0.4)[0]
    assert same(scaled.params, plain.params)
    assert not same(other.params["discriminator"], plain.params["discriminator"])


def placeholders(batch, values, rows):
    """The batch with `rows` terminal and their successors never logged."""
    s_tm1, s_t, going = batch.s_tm1.copy(), batch.s_t.copy(), batch.discount_t.copy()
    s_tm1[rows] = s_t[rows] = values
    going[rows] = 0
    return batch._replace(s_tm1=s_tm1, s_t=s_t, discount_t=going)


def test_unlogged_successors_do_not_move_the_discriminators(h2o_plus):
    rows = slice(LEARN, LEARN + 3)
    ones, nines = (h2o_plus(placeholders(h2o_plus.real, x, rows)) for x in (1.0, 9.0))
    assert same(ones[0].params, nines[0].params)
    # The mean is over the other rows alone: copies of one of them change nothing.
    row = jax.tree.map(lambda x: np.repeat(x[-1:], len(x), 0), h2o_plus.real)
    few = h2o_plus(placeholders(row, 5.0, rows), discriminator_noise=0.0)[1]
    many = h2o_plus(row, discriminator_noise=0.0)[1]
    name = "discriminator/sas_real_loss"
    np.testing.assert_allclose(few[name], many[name], rtol=1e-6)


def test_logged_terminal_successors_do(h2o_plus):
    real = h2o_plus.real._replace(discount_t=np.zeros(DISCRIMINATE, np.float32))
    far = real._replace(s_t=real.s_t + 1)
    one, other = h2o_plus(real)[0], h2o_plus(far)[0]
    assert not same(one.params["discriminator"], other.params["discriminator"])


def test_no_successor_logged_at_all(h2o_plus):
    rows = slice(0, DISCRIMINATE)
    both = [placeholders(b, 1.0, rows) for b in (h2o_plus.real, h2o_plus.sim)]
    state, metrics = h2o_plus(*both)
    assert metrics["discriminator/sas_real_loss"] == 0
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state.params))


def test_row_ranges(h2o_plus):
    """Rows 0-3 train critics, value and policy; rows 4-9 the discriminators."""

    def perturbed(rows):
        real = jax.tree.map(np.copy, h2o_plus.real)
        for x in jax.tree.leaves(real):
            x[rows] *= 0.5
        state, _ = h2o_plus(real, ratio_low=1.0)
        return {g for g in GROUPS if not same(state.params[g], before.params[g])}

    before, _ = h2o_plus(ratio_low=1.0)
    assert perturbed(slice(LEARN, DISCRIMINATE)) == {"discriminator"}
    assert perturbed(slice(0, LEARN)) == set(GROUPS) - {"discriminator"}


def test_policy_and_temperature_share_their_actions(h2o_plus):
    """The temperature's loss is -log alpha (target entropy - entropy), same actions."""
    alpha = h2o_plus.state.params["log_alpha"]
    _, metrics = h2o_plus()
    expected = alpha * (metrics["policy/entropy"] + A)
    np.testing.assert_allclose(metrics["log_alpha/loss"], expected, rtol=1e-5)
    names = set(h2o_plus.algorithm.noise(jax.random.key(0))[1])
    assert names == {"policy", "next_real", "next_sim"}


def test_lambda_mixes_the_two_values(h2o_plus):
    """The target is linear in lambda, which each domain has of its own."""

    def target(**hyper):
        metrics = h2o_plus(**hyper)[1]
        return np.array([metrics[f"critic/{d}_target"] for d in ("real", "sim")])

    none, all_ = (
        target(lambda_real=0, lambda_sim=0),
        target(lambda_real=1, lambda_sim=1),
    )
    mixed = target(lambda_real=0.25, lambda_sim=1)
    np.testing.assert_allclose(mixed, [0.75, 0] * none + [0.25, 1] * all_, rtol=1e-5)
    assert (none != all_).all()


@pytest.mark.fault
def test_update_donates_nothing(h2o_plus):
    first, again = h2o_plus(), h2o_plus()
    assert same(first[0].params, again[0].params)
    assert same(first[1], again[1])


def test_a_fresh_state_can_be_donated(h2o_plus):
    """Targets begin as parameters, and the caller may give one number twice."""
    half = jnp.float32(0.5)
    given = Hyper(discount=half, target_ema=half)
    state = h2o_plus.algorithm.init(jax.random.key(0), given)
    later = jax.jit(lambda x: x.replace(step=x.step + 1), donate_argnums=0)(state)
    assert same(later.target_params["critic"], later.params["critic"])
    assert state.step.is_deleted() and half + later.hyper.discount == 1


def test_init_keys_differ(h2o_plus):
    one, again, other = (
        h2o_plus.init(jax.random.key(i), Hyper()).params for i in (1, 1, 2)
    )
    assert not same(one["policy"], other["policy"])
    assert same(one, again)


def test_act(h2o_plus):
    act = jax.jit(h2o_plus.algorithm.act)
    actor = h2o_plus.state.actor
    obs = h2o_plus.real.s_tm1
    mode = act(actor, obs)
    assert mode.shape == (DISCRIMINATE, A)
    np.testing.assert_array_equal(mode, act(actor, obs))
    np.testing.assert_allclose(act(actor, obs[0]), mode[0], rtol=1e-5)
    one, other = act(actor, obs, jax.random.key(0)), act(actor, obs, jax.random.key(1))
    assert (one != other).all() and (np.abs(one) <= 1).all()
    np.testing.assert_array_equal(one, act(actor, obs, jax.random.key(0)))
    centre = Actor(actor.policy, actor.scales._replace(obs_mean=jnp.ones(OBS)))
    np.testing.assert_allclose(act(centre, obs + 1), mode, atol=1e-5)
