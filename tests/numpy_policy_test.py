"""The NumPy policy is the compiled one, for every family."""

import jax
import numpy as np
import pytest

from experiments.exporting.forms import Function
from h2o_jax import h2o_plus, iql, numpy_policy, rebrac
from h2o_jax.networks import POLICIES, make_networks
from h2o_jax.types import Actor, ObsScales

OBS, ACTIONS, RUNS, EPISODES = 5, 2, 3, 4


@pytest.fixture(scope="module", params=[h2o_plus, iql, rebrac])
def method(request):
    return request.param(OBS, ACTIONS, hidden=(16, 16), discriminator_hidden=(8,))


@pytest.fixture(scope="module")
def actors(method):
    """Actors with parameters large enough to reach clips and bounds."""
    states = jax.vmap(method.init)(jax.random.split(jax.random.key(0), RUNS))
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda x: np.asarray(x) + 0.5 * rng.random(x.shape, np.float32), states.actor
    )


def observations(*shape):
    return np.random.default_rng(1).normal(0, 3, (*shape, OBS)).astype(np.float32)


@pytest.mark.parametrize("shape", [(RUNS,), (RUNS, EPISODES)])
def test_mode(method, actors, shape):
    obs = observations(*shape)
    action = numpy_policy.make(actors)(obs)
    assert action.shape == (*shape, ACTIONS) and action.dtype == np.float32
    expected = jax.vmap(method.act)(actors, obs)
    np.testing.assert_allclose(action, expected, atol=1e-6)


def test_sample_with_the_keys_normals(method, actors):
    obs, keys = observations(RUNS), jax.random.split(jax.random.key(1), RUNS)
    noise = np.asarray(jax.vmap(lambda k: jax.random.normal(k, (ACTIONS,)))(keys))
    action = numpy_policy.make(actors)(obs, noise)
    expected = jax.vmap(method.act)(actors, obs, keys)
    np.testing.assert_allclose(action, expected, atol=2e-6)
    assert not np.allclose(action, numpy_policy.make(actors)(obs))


def test_a_runs_action_does_not_depend_on_the_others(actors):
    obs = observations(RUNS)
    every = numpy_policy.make(actors)(obs)
    one = numpy_policy.make(jax.tree.map(lambda x: x[1:2], actors))(obs[1:2])
    np.testing.assert_array_equal(every[1:2], one)


@pytest.mark.parametrize("family", POLICIES)
def test_every_family_is_exported_as_it_acts(family):
    networks = make_networks(3, 2, hidden=(8, 8), policy=family)
    params = networks.init["policy"](jax.random.key(0))
    mean, std = np.array([1.0, 2, 3], np.float32), np.array([1.0, 2, 4], np.float32)
    actor = Actor(params, ObsScales(mean, std))
    layers = tuple(numpy_policy.mode_layers(actor))
    limit = np.full(3, np.inf)
    function = Function(-limit, limit, mean, std, layers, np.zeros(2), np.ones(2))
    obs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    act = numpy_policy.make(jax.tree.map(lambda x: np.asarray(x)[None], actor))
    np.testing.assert_allclose(function.act(obs), act(obs[None])[0], atol=1e-6)
