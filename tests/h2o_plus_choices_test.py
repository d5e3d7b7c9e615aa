"""What may be chosen within H2O+: backbone, weighting, anchor."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import h2o_jax
from h2o_jax.errors import ConfigError
from tests.h2o_plus import DISCRIMINATE, LEARN, OBS, A, H2OPlus

pytestmark = pytest.mark.usefixtures("fast_compile")


@pytest.fixture(scope="module")
def h2o_plus():
    return H2OPlus()


@pytest.mark.fault
def test_an_unknown_backbone_is_named():
    with pytest.raises(ConfigError, match="backbone 'foo' is unknown; choose from iql"):
        h2o_jax.h2o_plus(3, 1, backbone="foo")


def learner_of(weighting="ratio", anchor="none"):
    return h2o_jax.h2o_plus(
        OBS,
        A,
        hidden=(8, 8),
        discriminator_hidden=(8, 8),
        learn_rows=slice(0, LEARN),
        discriminate_rows=slice(LEARN, DISCRIMINATE),
        weighting=weighting,
        anchor=anchor,
    )


def test_unit_weights_need_no_discriminators(h2o_plus):
    """The same critics as with a ratio that is clipped to one, without its networks."""
    unit = learner_of("unit")
    names = set(h2o_plus.state.params) - {"discriminator"}
    state = h2o_plus.state.replace(
        params={k: h2o_plus.state.params[k] for k in names},
        opt_state={k: h2o_plus.state.opt_state[k] for k in names},
    )
    shapes = jax.eval_shape(unit.init, jax.random.key(0))
    assert shapes.params.keys() == names
    batches = {"real": h2o_plus.real, "sim": h2o_plus.sim}
    noise = h2o_plus.algorithm.noise(jax.random.key(1))
    given, report = unit.step(state, *batches.values(), noise=noise[1:])
    low = h2o_plus.state.replace(hyper=state.hyper.replace(ratio_low=jnp.float32(1)))
    clipped, _ = h2o_plus.algorithm.step(low, *batches.values(), noise=noise)
    for group in names:
        for one, other in zip(
            jax.tree.leaves(given.params[group]),
            jax.tree.leaves(clipped.params[group]),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert report["critic/sim_weight"] == 1
    assert not any(name.startswith("discriminator") for name in report)


def test_normalised_weights_have_mean_one(h2o_plus):
    state, report = learner_of("normalised").update(
        h2o_plus.state, h2o_plus.real, h2o_plus.sim
    )
    _, ratio = h2o_plus()
    np.testing.assert_allclose(report["critic/sim_weight"], 1, rtol=1e-6)
    # A mean of w * error over a mean of w.
    scaled = ratio["critic/sim_loss"] / ratio["critic/sim_weight"]
    np.testing.assert_allclose(report["critic/sim_loss"], scaled, rtol=1e-4)
    assert jnp.isfinite(state.params["log_alpha"])


@pytest.mark.fault
def test_an_unknown_weighting_is_named():
    with pytest.raises(ConfigError, match="weighting 'foo' is unknown; choose from ra"):
        h2o_jax.h2o_plus(3, 1, weighting="foo")


def test_an_anchor_moves_the_policy_alone(h2o_plus):
    state = h2o_plus.state
    loose = state.replace(hyper=state.hyper.replace(anchor_weight=jnp.float32(0)))
    tight = state.replace(hyper=state.hyper.replace(anchor_weight=jnp.float32(1000)))
    anchored = learner_of(anchor="advantage")
    batches = {"real": h2o_plus.real, "sim": h2o_plus.sim}
    noise = h2o_plus.algorithm.noise(jax.random.key(1))
    free, pulled, nothing = (
        step(given, *batches.values(), noise=noise)[0].params
        for step, given in (
            (h2o_plus.algorithm.step, state),
            (anchored.step, tight),
            (anchored.step, loose),
        )
    )
    chex.assert_trees_all_close(nothing["policy"], free["policy"], rtol=1e-5, atol=1e-7)
    moved = jax.tree.map(lambda x, y: jnp.abs(x - y).max(), pulled, free)
    assert max(jax.tree.leaves(moved["policy"])) > 1e-5
    assert max(jax.tree.leaves((moved["critic"], moved["value"]))) < 1e-7


def test_an_unknown_anchor_is_named():
    with pytest.raises(ConfigError, match="anchor 'foo' is unknown; choose from none"):
        h2o_jax.h2o_plus(3, 1, anchor="foo")
