"""Tables of losses, hyperparameters and actors that cannot work are named at once."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import h2o_jax
from h2o_jax import learner, numpy_policy
from h2o_jax.errors import ConfigError
from h2o_jax.types import Loss, unit_scales

ROWS = slice(0, 4)
NETWORKS = h2o_jax.make_networks(3, 2, hidden=(4,))


def nothing(view, noise):
    return jnp.float32(0), {}


LOSS = Loss(nothing, ROWS)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"domains": "real"}, "domain 'r' is unknown; .*choose from real, sim"),
        ({"domains": ["reel"]}, "domain 'reel' is unknown; did you mean real\\?"),
        ({"stages": {"policy": LOSS}}, "stage 'policy': give a dict of group -> h2o_"),
        (
            {"stages": [{"policy": nothing}]},
            "'policy': got function, want an h2o_",
        ),
        ({"stages": [{"model": LOSS}]}, "group 'model' is unknown; .*networks.init"),
        ({"stages": []}, "no stages or no domains"),
        ({"domains": []}, "no stages or no domains"),
        ({"stages": [{}]}, "stage {}: give a dict"),
        ({"stages": [{"policy": LOSS}] * 2}, "group 'policy': 2 stages train it; keep"),
        ({"targets": ["critic"]}, "target 'critic' is unknown; choose from policy"),
        (
            {"schedules": {"polcy": h2o_jax.schedules.policy_cosine}},
            "schedule of group 'polcy' is unknown; did you mean policy",
        ),
    ],
)
def test_tables_that_are_refused(given, message):
    table = {"stages": [{"policy": LOSS}], "domains": ["real"], "targets": [], **given}
    with pytest.raises(ConfigError, match=message):
        learner.make(NETWORKS, **table)


@pytest.mark.fault
def test_rows_that_are_a_number_are_refused():
    with pytest.raises(ConfigError, match=r"rows are 4; give slice\(first, end\)"):
        learner.make(NETWORKS, [{"policy": Loss(nothing, 4)}], ["real"], [])


@pytest.mark.fault
def test_hyperparameters_that_are_refused():
    init = {**NETWORKS.init, "model": NETWORKS.init["value"]}
    networks = NETWORKS._replace(init=init)
    algorithm = learner.make(networks, [{"model": LOSS}], ["real"], [])
    key = jax.random.key(0)
    with pytest.raises(ConfigError, match="Hyper has no model_lr; add it in a sub"):
        algorithm.init(key)
    with pytest.raises(ConfigError, match="got Scales, want an h2o_jax"):
        algorithm.init(key, unit_scales(3, 2))
    own = dataclasses.make_dataclass("Own", [("model_lr", float, 0.1)])
    with pytest.raises(ConfigError, match="got Own, want"):
        algorithm.init(key, own())


@pytest.fixture(scope="module")
def acting():
    algorithm = h2o_jax.bc(3, 2, hidden=(4,), learn_rows=ROWS)
    return algorithm, algorithm.init(jax.random.key(0))


def test_acts_on_lists_and_any_numbers(acting):
    algorithm, state = acting
    wanted = algorithm.act(state.actor, np.ones(3, np.float32))
    for obs in ([1.0, 1.0, 1.0], [1, 1, 1], np.ones(3)):
        np.testing.assert_array_equal(algorithm.act(state.actor, obs), wanted)


@pytest.mark.fault
def test_what_cannot_act_is_refused(acting):
    algorithm, state = acting
    with pytest.raises(ValueError, match=r"observations are \[2, 4\]; want \[..., 3\]"):
        algorithm.act(state.actor, np.ones((2, 4)))
    with pytest.raises(ValueError, match="a LearnerState cannot act; give"):
        algorithm.act(state, np.ones(3))
    with pytest.raises(ValueError, match="without a run axis"):
        numpy_policy.make(state.actor)


def test_networks_read_what_was_learned(acting):
    algorithm, state = acting
    obs = np.ones((5, 3), np.float32)
    mean, _ = algorithm.networks.policy(state.params["policy"], obs)
    mode = algorithm.networks.distribution.mode(mean)
    np.testing.assert_allclose(mode, algorithm.act(state.actor, obs), rtol=1e-5)
