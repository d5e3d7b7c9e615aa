"""The learner: order of stages, routing of gradients, rows, noise, scales, acting."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import h2o_jax
from h2o_jax import learner
from h2o_jax.types import Actor, Hyper, Loss, Networks, Transition, unit_scales

# --- toy tables: every parameter is one number -------------------------------------

START = {"discriminator": 1.0, "value": 2.0, "critic": 3.0}


def toy_loss(formula, rows=slice(0, 2), noise=None):
    """Loss `formula(params)`; reports its rows' rewards and its noise."""

    def apply(view, normals):
        params = dict(view.params)
        loss = formula(params, view)
        report = {f"noise/{k}": v for k, v in normals.items()}
        report |= {f"rows/{d}": b.r_t for d, b in view.batch.items()}
        return loss, report

    return Loss(apply, rows, lambda n: {k: (n,) for k in noise or ()})


def toy(*stages, domains=("sim",)):
    networks = Networks(
        init={group: lambda key, x=x: jnp.float32(x) for group, x in START.items()},
        policy=None,
        distribution=None,
        critic=None,
        value=None,
        discriminator=None,
        obs_dim=1,
        action_dim=1,
    )
    return learner.make(networks, stages, domains)


def rewards(*r):
    r = jnp.array(r)
    zeros = jnp.zeros((len(r), 1))
    return Transition(zeros, zeros, r, jnp.ones_like(r), zeros)


HYPER = Hyper(discriminator_lr=0.1, value_lr=0.1, critic_lr=0.2, target_ema=0.5)


@pytest.fixture(scope="module")
def toy_update():
    def product(p, view):
        return p["discriminator"] * p["value"] * p["critic"]

    algorithm = toy(
        {"discriminator": toy_loss(lambda p, view: 5 * p["discriminator"])},
        {"value": toy_loss(product), "critic": toy_loss(product)},
    )
    state = algorithm.init(jax.random.key(0), HYPER)
    return state, algorithm.update(state, None, rewards(0, 0))[0]


def gradient_of(state, group):
    """Adam's first moment after one update is a tenth of the gradient."""
    return state.opt_state[group].mu / 0.1


def test_stages_run_in_order_and_share_a_snapshot_within(toy_update):
    _, state = toy_update
    # d: 5.  Later d = 1 - 0.1 = 0.9 is seen, and v, c as they were:
    # v: 0.9 * 3 = 2.7.  c: 0.9 * 2 = 1.8.
    expected = {"discriminator": 5.0, "value": 2.7, "critic": 1.8}
    for group, gradient in expected.items():
        np.testing.assert_allclose(gradient_of(state, group), gradient, rtol=1e-5)


def test_each_group_steps_by_its_own_rate(toy_update):
    _, state = toy_update
    # Adam's first step is the learning rate, against the gradient's sign.
    expected = {"discriminator": 0.9, "value": 1.9, "critic": 2.8}
    for group, value in expected.items():
        np.testing.assert_allclose(state.params[group], value, rtol=1e-6)


def test_targets_follow_the_new_critics(toy_update):
    before, state = toy_update
    # 3 + 0.5 * (2.8 - 3) = 2.9.
    np.testing.assert_allclose(state.target_params["critic"], 2.9, rtol=1e-6)
    assert before.target_params["critic"] == 3
    assert set(state.target_params) == {"critic"}
    assert state.step == 1


def test_optimiser_is_adam():
    """Ten steps of a quadratic against optax.adam."""
    algorithm = toy({"critic": toy_loss(lambda p, view: (p["critic"] - 1) ** 2)})
    state = algorithm.init(jax.random.key(0), HYPER)
    adam = optax.adam(0.2)
    x = jnp.float32(3)
    moments = adam.init(x)
    for _ in range(10):
        state, _ = algorithm.update(state, None, rewards(0, 0))
        step, moments = adam.update(2 * (x - 1), moments)
        x = x + step
    np.testing.assert_allclose(state.params["critic"], x, rtol=1e-5)


def test_a_decaying_rate_follows_half_a_cosine():
    networks = Networks(
        **{**dict.fromkeys(Networks._fields), "obs_dim": 1, "action_dim": 1}
    )._replace(init={"policy": lambda key: jnp.float32(1)})
    stages = ({"policy": toy_loss(lambda p, view: 5 * p["policy"])},)
    algorithm = learner.make(networks, stages, ("sim",), (), decaying=("policy",))
    hyper = Hyper(policy_lr=0.1, policy_lr_steps=4)
    state = algorithm.init(jax.random.key(0), hyper)
    steps = []
    for _ in range(6):
        before = state.params["policy"]
        state, _ = algorithm.update(state, None, rewards(0, 0))
        steps.append(before - state.params["policy"])
    # 0.1 * (1 + cos(pi t / 4)) / 2 at t = 0, 1, 2, 3, then nothing.
    root = 2**-0.5
    expected = 0.05 * np.array([2, 1 + root, 1, 1 - root, 0, 0])
    np.testing.assert_allclose(steps, expected, atol=1e-6)


def test_losses_see_target_parameters_and_hyper():
    def formula(p, view):
        return p["critic"] * (view.target_params["critic"] + view.hyper.discount)

    algorithm = toy({"critic": toy_loss(formula)})
    state = algorithm.init(jax.random.key(0), Hyper(discount=0.5))
    state, _ = algorithm.update(state, None, rewards(0, 0))
    np.testing.assert_allclose(gradient_of(state, "critic"), 3.5, rtol=1e-6)


def test_rows_and_noise():
    def report(rows, noise):
        return toy_loss(lambda p, view: p["critic"], rows, noise)

    algorithm = toy(
        {"discriminator": report(slice(1, 4), ["z"])},
        {"critic": report(slice(0, 2), ["x", "y"]), "value": report(slice(0, 2), "x")},
        domains=("real", "sim"),
    )
    assert algorithm.batch_size == 4
    assert algorithm.domains == {"real", "sim"}
    draws = algorithm.noise(jax.random.key(3))
    # One draw per name and stage, as many rows as the loss sees, all different.
    assert [{k: v.shape for k, v in d.items()} for d in draws] == [
        {"z": (3,)},
        {"x": (2,), "y": (2,)},
    ]
    values = np.concatenate([v for d in draws for v in d.values()])
    assert len(set(values.tolist())) == 7
    state = algorithm.init(jax.random.key(0), HYPER)
    batches = rewards(0, 1, 2, 3), rewards(4, 5, 6, 7)
    _, metrics = algorithm.step(state, *batches, noise=draws)
    np.testing.assert_array_equal(metrics["noise/x"], draws[1]["x"])
    # The second stage reported last.
    np.testing.assert_array_equal(metrics["rows/real"], [0, 1])
    np.testing.assert_array_equal(metrics["rows/sim"], [4, 5])
    first = toy({"critic": report(slice(1, 4), ["z"])})
    state = first.init(jax.random.key(0), HYPER)
    _, metrics = first.step(state, None, batches[1], noise=draws[:1])
    np.testing.assert_array_equal(metrics["rows/sim"], [5, 6, 7])


def test_update_is_step_with_noise_of_key_and_step():
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"], noise=["x"])})
    state = algorithm.init(jax.random.key(5), HYPER)
    seen = []
    for i in range(3):
        noise = algorithm.noise(jax.random.fold_in(state.key, i))
        state, metrics = algorithm.update(state, None, rewards(0, 0))
        np.testing.assert_array_equal(metrics["noise/x"], noise[0]["x"])
        seen += metrics["noise/x"].tolist()
    assert len(set(seen)) == 6


def test_reward_scale_reaches_the_losses():
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])})
    state = algorithm.init(jax.random.key(0), Hyper(reward_scale=3.0))
    _, metrics = algorithm.update(state, None, rewards(1, 2))
    np.testing.assert_array_equal(metrics["rows/sim"], [3, 6])


@pytest.mark.parametrize("domain", ["real", "sim"])
def test_a_missing_batch_is_named(domain):
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])}, domains=[domain])
    state = algorithm.init(jax.random.key(0))
    with pytest.raises(ValueError, match=f"learns from {domain} rows; got None"):
        algorithm.update(state, None, None)


# --- H2O+ -----------------------------------------------------------------------------

OBS, A = 3, 2
LEARN, DISCRIMINATE = 4, 10
GROUPS = ("discriminator", "value", "critic", "policy", "log_alpha")


def transitions(seed):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    n = DISCRIMINATE
    going = (rng.uniform(size=n) > 0.2).astype(np.float32)
    return Transition(
        normal(n, OBS), np.tanh(normal(n, A)), normal(n), going, normal(n, OBS)
    )


class H2OPlus:
    """One compiled update; everything varied below is a leaf or a batch."""

    real, sim = transitions(0), transitions(1)

    def __init__(self):
        self.algorithm = h2o_jax.h2o_plus(
            OBS,
            A,
            hidden=(8, 8),
            discriminator_hidden=(8, 8),
            learn_rows=slice(0, LEARN),
            discriminate_rows=slice(LEARN, DISCRIMINATE),
        )
        self.init = jax.jit(self.algorithm.init)
        # A few steps away from the small initial values.
        state = self.init(jax.random.key(0), Hyper(policy_lr=0.1, value_lr=0.1))
        for _ in range(3):
            state, _ = self.algorithm.update(state, self.real, self.sim)
        self.state = state.replace(hyper=jax.tree.map(jnp.float32, Hyper()))

    def __call__(self, real=None, sim=None, scales=None, **hyper):
        leaves = {k: jnp.float32(v) for k, v in hyper.items()}
        state = self.state.replace(hyper=self.state.hyper.replace(**leaves))
        if scales is not None:
            state = state.replace(scales=scales)
        real = self.real if real is None else real
        sim = self.sim if sim is None else sim
        return self.algorithm.update(state, real, sim)


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
        for x in real:
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


def test_update_donates_nothing(h2o_plus):
    first, again = h2o_plus(), h2o_plus()
    assert same(first[0].params, again[0].params)
    assert same(first[1], again[1])


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


def test_step_sizes_fall_linearly_to_zero():
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])})
    state = algorithm.init(jax.random.key(0), Hyper(critic_lr=0.1, decay_updates=4.0))
    values = [3.0]
    for _ in range(6):
        state, _ = algorithm.update(state, None, rewards(0.0, 0.0))
        values.append(float(state.params["critic"]))
    # A constant gradient makes every Adam step as long as its step size.
    np.testing.assert_allclose(
        np.diff(values), [-0.1, -0.075, -0.05, -0.025, 0, 0], atol=1e-6
    )


def test_rewards_are_shifted_then_scaled():
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])})
    hyper = Hyper(reward_shift=-29.5, reward_scale=2.0)
    state = algorithm.init(jax.random.key(0), hyper)
    _, metrics = algorithm.update(state, None, rewards(30.0, 28.5))
    np.testing.assert_allclose(metrics["rows/sim"], [1.0, -2.0])
