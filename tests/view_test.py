"""What a loss sees: networks small enough to work out by hand."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

import h2o_jax
from h2o_jax import Hyper, unit_scales
from h2o_jax.distributions import GAUSSIAN
from h2o_jax.types import Loss, Networks, PolicyAt, Sizes, View
from h2o_jax.view import no_noise, repeat

# One observation, one action; a network's only parameter is a factor.
NETWORKS = Networks(
    init={},
    policy=lambda k, s: (k * s, jnp.full_like(s, jnp.log(0.5))),
    distribution=GAUSSIAN,
    critic=lambda members, s, a: jnp.concatenate([k * s + a for k in members], -1),
    value=lambda k, s: k * s[..., 0],
    discriminator=lambda k, s, a, s_t: (k * (s + a), k * (s_t - s)),
    obs_dim=1,
    action_dim=1,
)
S = jnp.asarray([[1.0], [2.0]])
A = jnp.asarray([[0.5], [-0.5]])


@pytest.fixture
def view():
    return View(
        networks=NETWORKS,
        params={
            "policy": 0.1,
            "critic": [1.0, 10.0],
            "value": 3.0,
            "discriminator": 2.0,
            "log_alpha": jnp.log(0.2),
        },
        target_params={"policy": 0.3, "critic": [2.0, 20.0]},
        hyper=Hyper(),
        scales=unit_scales(1, 1),
        step=jnp.uint32(0),
        batch={},
    )


def test_critics_apply_online_or_slow_parameters(view):
    # Member k gives k s + a: 1 + 0.5, 10 + 0.5; 2 - 0.5, 20 - 0.5.
    np.testing.assert_allclose(view.critic(S, A), [[1.5, 10.5], [1.5, 19.5]])
    # The slow ones have k = 2 and 20.
    np.testing.assert_allclose(view.target_critic(S, A), [[2.5, 20.5], [3.5, 39.5]])


def test_critics_one_by_one_are_the_ensembles_columns(view):
    columns = [critic(S, A) for critic in view.critics()]
    assert [column.shape for column in columns] == [(2, 1), (2, 1)]
    np.testing.assert_array_equal(jnp.concatenate(columns, -1), view.critic(S, A))


def test_value_discriminator_and_temperature(view):
    np.testing.assert_allclose(view.value(S), [3.0, 6.0])
    sa, sas = view.discriminator(S, A, S + 1)
    np.testing.assert_allclose(sa, [[3.0], [3.0]])  # 2 (1 + 0.5), 2 (2 - 0.5)
    np.testing.assert_allclose(sas, [[2.0], [2.0]])  # 2 (s + 1 - s)
    np.testing.assert_allclose(view.alpha(), 0.2, rtol=1e-6)


def test_policies_apply_online_or_slow_parameters(view):
    np.testing.assert_allclose(view.policy(S).mean, [[0.1], [0.2]], rtol=1e-6)
    np.testing.assert_allclose(view.target_policy(S).mean, [[0.3], [0.6]], rtol=1e-6)


def test_the_policy_at_a_state_samples_and_scores(view):
    policy = view.policy(S)
    np.testing.assert_allclose(policy.mode(), np.tanh([[0.1], [0.2]]), rtol=1e-6)
    # A normal of 0 is the mean, which a Gaussian with std 0.5 scores with
    # -log 0.5 - log(2 pi) / 2 = 0.6931 - 0.9189 = -0.2258.
    action, log_prob = policy.sample(jnp.zeros((2, 1)))
    np.testing.assert_allclose(action, np.tanh([[0.1], [0.2]]), rtol=1e-6)
    np.testing.assert_allclose(log_prob, [-0.2258, -0.2258], atol=1e-4)
    np.testing.assert_allclose(policy.log_prob(action), log_prob, rtol=1e-6)


def test_repeat_gives_each_state_several_actions():
    x = jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
    expected = [[[1, 2]] * 3, [[3, 4]] * 3]
    np.testing.assert_array_equal(repeat(x, 3), expected)
    policy = PolicyAt(GAUSSIAN, x, -x).repeat(3)
    np.testing.assert_array_equal(policy.mean, expected)
    np.testing.assert_array_equal(policy.log_std, -np.asarray(expected))


def test_a_loss_without_chance_draws_nothing():
    assert no_noise(Sizes(rows=4, obs_dim=2, action_dim=1)) == {}


@pytest.mark.fault
@pytest.mark.parametrize(
    "rows", [slice(0, None), slice(4, 4), slice(-4, 4), slice(0, 4, 2)]
)
def test_rows_without_an_end_or_with_steps_are_named(rows):
    assert Loss(lambda view, noise: (0.0, {}), slice(4)).span == (0, 4)
    with pytest.raises(ValueError, match=re.escape(f"rows are {rows}; give slice(fir")):
        h2o_jax.sac(1, 1, learn_rows=rows)
