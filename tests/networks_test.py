"""Networks: shapes, how parameters begin, and the ranges of what comes out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.networks import make_networks

pytestmark = pytest.mark.usefixtures("fast_compile")
OBS, A, K, WIDTH, N = 11, 3, 3, 64, 5
LAYERS = ("Dense_0", "Dense_1", "Dense_2")


@pytest.fixture(scope="module")
def networks():
    return make_networks(
        OBS, A, hidden=(WIDTH, WIDTH), discriminator_hidden=(32, 32), critics=K
    )


@pytest.fixture(scope="module")
def params(networks):
    def init(key):
        return {group: make(key) for group, make in networks.init.items()}

    return jax.jit(init)(jax.random.key(0))


@pytest.fixture(scope="module")
def batch():
    keys = jax.random.split(jax.random.key(1), 3)
    shapes = (N, OBS), (N, A), (N, OBS)
    return [10 * jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True)]


def perceptrons(params):
    """Name -> layers of every multilayer perceptron."""
    critics = {f"critic{i}": p["params"] for i, p in enumerate(params["critic"])}
    return critics | {
        "policy": params["policy"]["params"]["MLP_0"],
        "value": params["value"]["params"],
        "sa": params["discriminator"]["params"]["sa"],
        "sas": params["discriminator"]["params"]["sas"],
    }


INPUTS = {"policy": OBS, "value": OBS, "sa": OBS + A, "sas": 2 * OBS + A}
OUTPUTS = {"policy": 2 * A, "sa": 2, "sas": 2}


def test_shapes(networks, params, batch):
    s, a, s_t = batch
    mean, log_std = networks.policy(params["policy"], s)
    assert mean.shape == log_std.shape == (N, A)
    assert networks.critic(params["critic"], s, a).shape == (N, K)
    assert networks.value(params["value"], s).shape == (N,)
    sa, sas = networks.discriminator(params["discriminator"], s, a, s_t)
    assert sa.shape == sas.shape == (N, 2)
    assert networks.value(params["value"], s[0]).shape == ()
    assert (networks.obs_dim, networks.action_dim) == (OBS, A)


def test_layers_have_the_stated_widths(params):
    for name, layers in perceptrons(params).items():
        assert tuple(sorted(layers)) == LAYERS
        width = 32 if name in ("sa", "sas") else WIDTH
        shapes = [layers[layer]["kernel"].shape for layer in LAYERS]
        ends = INPUTS.get(name, OBS + A), OUTPUTS.get(name, 1)
        assert shapes == [(ends[0], width), (width, width), (width, ends[1])]


def assert_uniform(x, bound):
    """Within the bound, and spread as a uniform's std, bound / sqrt(3)."""
    assert np.abs(x).max() <= bound
    if x.size >= 100:
        assert np.std(x) == pytest.approx(bound / np.sqrt(3), rel=0.15)


def test_initial_bounds(params):
    for name, layers in perceptrons(params).items():
        plain = LAYERS if name in ("sa", "sas") else LAYERS[:-1]
        for layer in plain:
            kernel, bias = layers[layer]["kernel"], layers[layer]["bias"]
            assert_uniform(kernel, kernel.shape[0] ** -0.5)
            assert_uniform(bias, kernel.shape[0] ** -0.5)
            assert np.abs(bias).max() > 0
        if plain == LAYERS[:-1]:
            last = layers[LAYERS[-1]]
            assert_uniform(
                last["kernel"], 0.01 * (6 / sum(last["kernel"].shape)) ** 0.5
            )
            assert np.abs(last["kernel"]).max() > 0
            assert not last["bias"].any()


def test_values_and_policy_begin_near_zero(networks, params, batch):
    s, a, _ = batch
    mean, log_std = networks.policy(params["policy"], s)
    np.testing.assert_allclose(mean, 0, atol=0.2)
    np.testing.assert_allclose(log_std, -1, atol=0.2)
    np.testing.assert_allclose(networks.critic(params["critic"], s, a), 0, atol=0.2)
    assert params["log_alpha"] == 0


def test_log_std_is_scaled_shifted_and_clipped(networks, params, batch):
    def log_std(scale, offset):
        inner = params["policy"]["params"]
        scalars = {
            "log_std_scale": jnp.float32(scale),
            "log_std_offset": jnp.float32(offset),
        }
        return networks.policy({"params": inner | scalars}, batch[0])[1]

    raw = log_std(1.0, 0.0)
    np.testing.assert_allclose(log_std(2.0, 0.5), 2 * raw + 0.5, rtol=1e-5)
    assert (log_std(0.0, 100.0) == 2).all()
    assert (log_std(0.0, -100.0) == -20).all()


def test_an_untrained_policy_explores_as_widely_as_asked(batch):
    wide = make_networks(OBS, A, hidden=(WIDTH, WIDTH), policy_log_std=0.0)
    _, log_std = wide.policy(wide.init["policy"](jax.random.key(0)), batch[0])
    np.testing.assert_allclose(log_std, 0, atol=0.1)


def test_logits_are_bounded(networks, params, batch):
    huge = [1e4 * x for x in batch]
    sa, sas = networks.discriminator(params["discriminator"], *huge)
    assert np.abs([sa, sas]).max() == 2
    # The (s, a) network does not see s'.
    other, raw = networks.discriminator(params["discriminator"], *batch[:2], huge[2])
    first, before = networks.discriminator(params["discriminator"], *batch)
    np.testing.assert_array_equal(other, first)
    assert (raw != before).any()


def test_critics_differ(networks, params, batch):
    q = networks.critic(params["critic"], *batch[:2])
    assert (np.diff(q, axis=-1) != 0).all()


def test_parameters_are_float32(params):
    assert {x.dtype for x in jax.tree.leaves(params)} == {np.dtype("float32")}


def test_gaussian_policy_has_one_log_std_for_all_states(batch):
    networks = make_networks(OBS, A, hidden=(WIDTH,), policy="gaussian")
    params = networks.init["policy"](jax.random.key(0))
    mean, log_std = networks.policy(params, batch[0])
    assert mean.shape == log_std.shape == (N, A)
    assert not log_std.any()
    low = {"params": params["params"] | {"log_std": jnp.full(A, -9.0)}}
    assert (networks.policy(low, batch[0])[1] == -5).all()


def test_normalised_critics_do_not_grow_with_their_inputs(batch):
    s, a, _ = batch
    for layer_norm in (False, True):
        networks = make_networks(OBS, A, critics=K, critic_layer_norm=layer_norm)
        params = networks.init["critic"](jax.random.key(0))
        near, far = (networks.critic(params, x * s, x * a) for x in (1, 1e4))
        assert near.shape == (N, K)
        assert (np.abs(far).max() > 1e3 * np.abs(near).max()) != layer_norm


@pytest.mark.fault
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": 8}, r"hidden=8: give a width for each layer, as \(64, 64\)"),
        ({"hidden": (8, 0)}, "hidden: 0; give whole numbers above 0"),
        ({"critics": 0}, "critics: 0; give whole"),
        ({"obs_dim": 0}, "obs_dim: 0; give whole"),
        ({"discriminator_hidden": (8.5,)}, "discriminator_hidden: 8.5; give whole"),
    ],
)
def test_sizes_that_are_none_are_named(given, message):
    with pytest.raises(ConfigError, match=message):
        make_networks(**{"obs_dim": 3, "action_dim": 2, **given})


@pytest.mark.fault
def test_an_unknown_policy_is_named():
    message = "policy 'gausian' is unknown; did you mean gaussian"
    with pytest.raises(ConfigError, match=message):
        make_networks(OBS, A, policy="gausian")
