"""The learner on toy tables of one number each: stages, rates, rows, noise, rewards."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from h2o_jax import learner, schedules
from h2o_jax.types import Hyper, Loss, Networks, Transition

START = {"discriminator": 1.0, "value": 2.0, "critic": 3.0}


def toy_loss(formula, rows=slice(0, 2), noise=None):
    """Loss `formula(params)`; reports its rows' rewards and its noise."""

    def apply(view, normals):
        params = dict(view.params)
        loss = formula(params, view)
        report = {f"noise/{k}": v for k, v in normals.items()}
        report |= {f"rows/{d}": b.r_t for d, b in view.batch.items()}
        return loss, report

    return Loss(apply, rows, lambda sizes: {k: (sizes.rows,) for k in noise or ()})


def toy(*stages, domains=("sim",), **settings):
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
    return learner.make(networks, stages, domains, **settings)


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
    cosine = {"policy": schedules.policy_cosine}
    algorithm = learner.make(networks, stages, ("sim",), (), schedules=cosine)
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


@pytest.mark.parametrize("rows", [slice(3), slice(None, 3), slice(0, 3, 1)])
def test_rows_begin_with_the_first_unless_told_otherwise(rows):
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"], rows, ["x"])})
    assert algorithm.batch_size == 3
    state = algorithm.init(jax.random.key(0), HYPER)
    _, metrics = algorithm.update(state, None, rewards(0, 1, 2, 3))
    assert metrics["noise/x"].shape == metrics["rows/sim"].shape == (3,)


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


def test_rewards_are_shifted_then_scaled():
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])})
    hyper = Hyper(reward_shift=-29.5, reward_scale=2.0)
    state = algorithm.init(jax.random.key(0), hyper)
    _, metrics = algorithm.update(state, None, rewards(30.0, 28.5))
    np.testing.assert_allclose(metrics["rows/sim"], [1.0, -2.0])


@pytest.mark.fault
@pytest.mark.parametrize("domain", ["real", "sim"])
def test_a_missing_batch_is_named(domain):
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])}, domains=[domain])
    state = algorithm.init(jax.random.key(0))
    with pytest.raises(ValueError, match=f"learns from {domain} rows; got None"):
        algorithm.update(state, None, None)


@pytest.mark.fault
def test_a_missing_next_action_is_named():
    stage = {"critic": toy_loss(lambda p, view: p["critic"])}
    algorithm = toy(stage, domains=["real"], needs_next_action=True)
    state, rows = algorithm.init(jax.random.key(0)), rewards(1.0, 2.0)
    with pytest.raises(ValueError, match="reads real rows' a_t; give it by "):
        algorithm.update(state, rows, None)
    assert algorithm.update(state, rows._replace(a_t=rows.a_tm1), None)[0].step == 1


@pytest.mark.fault
def test_a_short_batch_is_named():
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])})
    state = algorithm.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"reads 2 sim rows a batch .*; got 1"):
        algorithm.update(state, None, rewards(1.0))


ROWS = rewards(1.0, 2.0, 3.0)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"s_tm1": np.zeros((3, 2))}, r"s_tm1 is float32 \[3, 2\]; want .* \[3, 1\]"),
        (
            {"s_t": np.zeros((4, 1))},
            r"s_t is float32 \[4, 1\]; .*, as s_tm1 has 3 rows",
        ),
        ({"a_tm1": np.zeros(3)}, r"a_tm1 is float32 \[3\]; want float32 \[3, 1\]"),
        ({"r_t": np.zeros((3, 1))}, r"r_t is float32 \[3, 1\]; want float32 \[3\]"),
        (
            {"discount_t": np.ones(2)},
            r"discount_t is float32 \[2\]; want float32 \[3\]",
        ),
        ({"r_t": np.float32(1)}, r"r_t is float32 \[\]; want float32 \[3\]"),
        ({"r_t": [1.0, 2.0, 3.0]}, "r_t is a list; want float32"),
        ({"r_t": None}, "r_t is a NoneType; want float32"),
        ({"r_t": np.zeros(3, complex)}, "r_t is complex64 .*; want float32"),
        ({"r_t": np.zeros(3, object)}, "r_t is object .*; want float32"),
        ({"s_tm1": np.float32(1)}, r"s_tm1 is float32 \[\]; want float32 \[rows, 1\]"),
        ({"a_t": np.zeros((3, 2))}, r"a_t is float32 \[3, 2\]; want float32 \[3, 1\]"),
    ],
)
def test_a_field_that_does_not_fit_is_named(changed, said):
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])})
    state = algorithm.init(jax.random.key(0))
    with pytest.raises(ValueError, match=f"^the sim rows' {said}"):
        algorithm.update(state, None, ROWS._replace(**changed))


@pytest.mark.fault
def test_rows_that_are_no_transition_are_named():
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])})
    state = algorithm.init(jax.random.key(0))
    with pytest.raises(ValueError, match="the sim rows are a dict; give an "):
        algorithm.update(state, None, ROWS._asdict())


def test_whole_numbers_and_truth_values_are_read_as_numbers():
    algorithm = toy({"critic": toy_loss(lambda p, view: p["critic"])})
    state = algorithm.init(jax.random.key(0))
    rows = ROWS._replace(r_t=np.arange(3), discount_t=np.ones(3, bool))
    _, metrics = algorithm.update(state, None, rows)
    assert metrics["rows/sim"].dtype == np.float32
    np.testing.assert_array_equal(metrics["rows/sim"], [0, 1])
