"""The parts that apply networks, on stub networks whose outputs are known."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from h2o_jax.algorithms import parts
from h2o_jax.algorithms.parts import penalties
from h2o_jax.distributions import TANH_GAUSSIAN
from h2o_jax.types import Hyper, Loss, Networks, Sizes, Transition, View, unit_scales

OBS, A, N = 2, 1, 4


def discriminator(params, s_tm1, a_tm1, s_t):
    """The log-ratio of dynamics is `params` times the first entry of s'."""
    real = params * s_t[..., :1]
    return jnp.zeros((*s_t.shape[:-1], 2)), jnp.concatenate([real, 0 * real], -1)


def critic(params, s, a):
    """`params[k]` times the action."""
    return jnp.concatenate([p * a for p in params], -1)


NETWORKS = Networks(
    init={},
    policy=lambda params, s: (params + 0 * s[..., :A], -20 + 0 * s[..., :A]),
    distribution=TANH_GAUSSIAN,
    critic=critic,
    value=lambda params, s: params * s[..., 0],
    discriminator=discriminator,
    obs_dim=OBS,
    action_dim=A,
)
PARAMS = {
    "policy": jnp.arctanh(0.5),
    "critic": [jnp.float32(1), jnp.float32(3)],
    "value": jnp.float32(2),
    "discriminator": jnp.float32(1),
    "log_alpha": jnp.log(0.1),
}
ROWS, SIZES = slice(0, N), Sizes(N, OBS, A)


def view(step=0, params=None, **hyper):
    batch = Transition(
        s_tm1=jnp.ones((N, OBS)),
        a_tm1=jnp.array([[0.0], [0.25], [0.5], [1.0]]),
        r_t=jnp.arange(4.0),
        discount_t=jnp.ones(N),
        s_t=jnp.array([[-30.0, 0], [-1, 0], [2, 0], [30, 0]]),
    )
    return View(
        networks=NETWORKS,
        params=PARAMS | (params or {}),
        target_params={"critic": [jnp.float32(2), jnp.float32(5)]},
        hyper=Hyper(**hyper),
        scales=unit_scales(OBS, A),
        step=jnp.uint32(step),
        batch={"real": batch, "sim": batch},
    )


def test_total_adds_losses_and_joins_what_they_report():
    def loss(size, name):
        return Loss(
            lambda view, noise: (size * noise[name].sum(), {name: size}),
            ROWS,
            lambda sizes: {name: (sizes.rows,)},
        )

    both = parts.total(loss(2.0, "x"), loss(3.0, "y"))
    assert both.rows == ROWS
    assert both.noise(SIZES) == {"x": (N,), "y": (N,)}
    value, metrics = both.apply(view(), {"x": jnp.ones(1), "y": jnp.ones(2)})
    # 2 * 1 + 3 * 2.
    assert value == 8 and metrics == {"x": 2.0, "y": 3.0}


@pytest.mark.fault
def test_a_total_over_different_rows_is_refused():
    message = r"over slice\(0, 8, None\) and slice\(0, 4, None\); give all of them"
    with pytest.raises(ValueError, match=message):
        parts.total(parts.cql(slice(0, 8)), parts.cql(slice(0, 4)))
    parts.total(parts.cql(slice(0, 8)), parts.cql(slice(8)))


def test_darc_pays_the_clipped_log_ratio():
    # Log-ratios -30, -1, 2, 30, clipped at 10, on top of rewards 0, 1, 2, 3.
    reward = parts.corrected_reward(view(), "sim")
    np.testing.assert_allclose(reward, [-10, 0, 4, 13])
    # Rewards arrive scaled; the correction stays in nats.
    scaled = parts.corrected_reward(view(reward_scale=2.0), "sim")
    np.testing.assert_allclose(scaled, reward)


@pytest.mark.parametrize(("step", "correction"), [(4, 0), (5, 1)])
def test_darc_warms_up(step, correction):
    reward = parts.corrected_reward(view(step, darc_warmup=5.0), "sim")
    np.testing.assert_allclose(reward[1], 1 - correction)


def test_targets_of_one_state():
    """Policy's action 0.5 everywhere: target critics say 1 and 2.5; V is 2 s'."""
    noise = jnp.zeros((N, A))
    lowest = parts.min_target(view(), "real", noise)
    np.testing.assert_allclose(lowest, np.ones(N), rtol=1e-5)
    inside = parts.in_sample_target(view(), "real", noise)
    np.testing.assert_allclose(inside, [-60, -2, 4, 60])


def test_rebracs_target_leaves_the_log_behind_the_slow_policy():
    """The slow policy's action is -0.5; its noise of 0.2 is bounded by 0.5."""
    whole = view(critic_cloning=0.1)
    slow = {**whole.target_params, "policy": jnp.arctanh(-0.5)}
    a_t = jnp.array([[0.5], [-0.5], [jnp.inf], [1.0]])
    batch = whole.batch["real"]._replace(a_t=a_t)
    given = whole._replace(target_params=slow, batch={"real": batch})
    noise = jnp.array([[0.0], [1.0], [9.0], [-9.0]])
    value = parts.cloned_target(given, "real", noise)
    # Actions -0.5, -0.3, 0 and -1: min(2, 5) a less 0.1 times 1, 0.04, 0 and 4.
    # A negative action's smallest value is the larger critic's.
    np.testing.assert_allclose(value, [-2.6, -1.504, 0.0, -5.4], atol=1e-5)


def test_cloning_policy_by_hand():
    loss, report = parts.cloning_policy(ROWS).apply(view(policy_cloning=2.0), {})
    # Action 0.5 everywhere, valued 0.5; mean squared distance (4 + 1 + 0 + 4) / 64.
    distance = np.mean([0.25, 0.0625, 0, 0.25])
    np.testing.assert_allclose(loss, 2 * distance - 1, rtol=1e-5)
    np.testing.assert_allclose(report["policy/q"], 2 * 0.5, rtol=1e-5)


def test_advantages_use_the_smaller_target_critic_and_the_online_value():
    # min(2, 5) a - 2 = -2, -1.5, -1, 0, times 3.
    weight = parts.advantage_weight("iql")(view(), "real")
    np.testing.assert_allclose(weight, np.exp([-6, -4.5, -3, 0]), rtol=1e-5)


def test_an_anchor_is_cloning_in_units_of_the_values():
    """Critics say 1 a and 3 a: 0.875 on average over logged actions."""
    wide = NETWORKS._replace(policy=lambda p, s: (p + 0 * s[..., :A], 0 * s[..., :A]))
    given = view(anchor_weight=2.0)._replace(networks=wide)
    weight = parts.advantage_weight("iql")
    free = parts.entropy_regularised_policy(ROWS, ("real", "sim"))
    noise = {"policy": jnp.zeros((2 * N, A))}
    loss, report = parts.anchored_policy(ROWS, ("real", "sim"), weight).apply(
        given, noise
    )
    logged = given.batch["real"].a_tm1
    mean = jnp.full((N, A), PARAMS["policy"])
    log_prob = TANH_GAUSSIAN.log_prob(mean, 0 * mean, logged)
    cloning = np.exp([-6, -4.5, -3, 0]) * log_prob
    expected = free.apply(given, noise)[0] - 2 * 0.875 * cloning.mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert report["policy/loss"] == loss and "policy/weight" in report


def test_normals_become_uniform_actions():
    z = np.linspace(-6, 6, 101)[:, None, None].astype("f4")
    action, log_prob = penalties._uniform(z)
    expected = 2 * scipy.stats.norm.cdf(z) - 1
    np.testing.assert_allclose(action, expected, atol=1e-6)
    np.testing.assert_allclose(log_prob, np.full((101, 1), np.log(0.5)))


def test_cql_part_by_hand():
    """Normals of zero: ten uniform actions are 0 and twenty of the policy 0.5."""
    loss = parts.cql(ROWS)
    noise = {name: jnp.zeros(shape) for name, shape in loss.noise(SIZES).items()}
    one = view(params={"critic": [jnp.float32(2)]}, cql_weight=3.0)
    value, metrics = loss.apply(one, noise)
    _, log_pi = TANH_GAUSSIAN.sample(
        PARAMS["policy"][None], jnp.full(1, -20.0), 0 * noise["cql_here"][0, 0]
    )
    # log(10 exp(0) / 0.5 + 20 exp(2 * 0.5) / pi) - mean of 2 a, which is 0.875.
    expected = np.log(20 + 20 * np.e * np.exp(-float(log_pi))) - 0.875
    np.testing.assert_allclose(metrics["critic/cql_penalty"], expected, rtol=1e-5)
    np.testing.assert_allclose(value, 3 * metrics["critic/cql_penalty"], rtol=1e-6)


def test_gap_part_by_hand():
    """Imagined states one std (half of 2) further on: log-ratios -29, 0, 3, 31."""
    loss = parts.dynamics_gap(ROWS)
    assert loss.noise(SIZES) == {"gap_s_t": (N, 10, OBS)}
    one = view(params={"critic": [jnp.float32(4)]}, gap_noise=0.5, gap_weight=2.0)
    one = one._replace(scales=one.scales._replace(next_obs_std=jnp.full(OBS, 2.0)))
    value, metrics = loss.apply(one, {"gap_s_t": jnp.ones((N, 10, OBS))})
    # Gaps 29 -> 10 and three at the floor 1e-30: all weight on the first row, q = 0,
    # against the mean of 4 a, which is 1.75.
    np.testing.assert_allclose(metrics["critic/gap_penalty"], -1.75, atol=1e-4)
    np.testing.assert_allclose(metrics["critic/gap"], (29 - 0 - 3 - 31) / 4)
    np.testing.assert_allclose(value, 2 * metrics["critic/gap_penalty"])


def test_diversity_part_by_hand():
    """Critics that slope alike agree fully, and opposite ones not at all."""
    loss = parts.diversity(ROWS, "real")
    assert loss.noise(SIZES) == {}
    for other, cosine in ((3.0, 1), (-3.0, -1)):
        params = {"critic": [jnp.float32(1), jnp.float32(other)]}
        value, metrics = loss.apply(view(params=params, diversity=0.5), {})
        # Two ordered pairs over K - 1 = 1.
        np.testing.assert_allclose(metrics["critic/agreement"], 2 * cosine, rtol=1e-5)
        np.testing.assert_allclose(value, cosine, rtol=1e-5)
