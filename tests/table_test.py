"""Tables of losses, hyperparameters and actors that cannot work are named at once."""

import dataclasses

import flax.struct
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
_SHAPES = (4, 3), (4, 2), (4,), (4,), (4, 3)
BATCH = h2o_jax.Transition(*(np.zeros(shape, np.float32) for shape in _SHAPES))


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


@pytest.mark.fault
def test_scales_and_several_hyperparameters_that_are_refused():
    algorithm = learner.make(NETWORKS, [{"policy": LOSS}], ["real"])
    key = jax.random.key(0)
    with pytest.raises(ConfigError, match=r"scales: got tuple, want h2o_jax.Scales"):
        algorithm.init(key, None, (0.0, 1.0))
    with pytest.raises(
        ConfigError, match=r"obs_mean has the shape \(4,\), want \(3,\)"
    ):
        algorithm.init(key, None, unit_scales(4, 2))
    with pytest.raises(ConfigError, match=r"noise_action has .* \(1,\), want \(2,\)"):
        algorithm.init(key, None, unit_scales(3, 1))
    several = h2o_jax.Hyper(lambda_real=np.float32([0.0, 0.1]))
    with pytest.raises(ConfigError, match=r"lambda_real has the shape \(2,\).*vmap"):
        algorithm.init(key, several)


def test_the_critic_is_averaged_where_there_is_one():
    first = learner.make(NETWORKS, [{"policy": LOSS, "critic": LOSS}], ["real"])
    second = learner.make(NETWORKS, [{"policy": LOSS}], ["real"])
    states = (x.init(jax.random.key(0)) for x in (first, second))
    assert [[*x.target_params] for x in states] == [["critic"], []]


def noisy(shape):
    return Loss(nothing, ROWS, lambda sizes: {"z": shape(sizes)})


@pytest.mark.fault
def test_noise_that_losses_cannot_share_is_refused():
    one = noisy(lambda sizes: (sizes.rows,))
    wide = noisy(lambda sizes: (sizes.rows, sizes.action_dim))
    for other, message in (
        (wide, r"'critic': noise 'z' has the shape \(4, 2\), and \(4,\) in another"),
        (noisy(lambda sizes: sizes.rows), "noise 'z' has the shape 4; give a tuple"),
    ):
        with pytest.raises(ConfigError, match=message):
            learner.make(NETWORKS, [{"policy": one, "critic": other}], ["real"])
    learner.make(NETWORKS, [{"policy": one}, {"critic": wide}], ["real"])


@pytest.mark.fault
@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda view, noise: (view.batch["sim"].r_t.mean(), {}), "reads 'sim', which"),
        (lambda view, noise: (view.critic(0, 0), {}), "reads 'critic', which is not"),
        (lambda view, noise: (noise["z"], {}), "batch 'real', group 'policy'"),
        (
            lambda view, noise: jnp.float32(0),
            r"an array of the shape \(\); want a scalar",
        ),
        (lambda view, noise: (jnp.zeros(4), {}), r"the shape \(4,\), a dict\); want"),
        (lambda view, noise: (jnp.float32(0), None), "a NoneType\\); want a scalar"),
    ],
)
def test_losses_that_give_or_read_something_else_are_named(apply, message):
    algorithm = learner.make(NETWORKS, [{"policy": Loss(apply, ROWS)}], ["real"])
    with pytest.raises(ConfigError, match=f"group 'policy': its loss .*{message}"):
        algorithm.update(algorithm.init(jax.random.key(0)), BATCH)


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


class Named(h2o_jax.Hyper):
    names: tuple = flax.struct.field(pytree_node=False, default=("a", "b"))


def test_what_is_no_leaf_of_hyperparameters_may_be_anything():
    plain = Loss(lambda view, noise: (0.0, {"names": len(view.hyper.names)}), ROWS)
    algorithm = learner.make(NETWORKS, [{"policy": plain}], ["real"])
    _, metrics = algorithm.update(algorithm.init(jax.random.key(0), Named()), BATCH)
    assert metrics["names"] == 2
