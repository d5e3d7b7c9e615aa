"""Domain classifiers and the weight they give a simulated row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from h2o_jax import ratios
from tests.strategies import floats, quick

N = 8
logits = floats((N, 2), -20, 20)
cross_entropy = jax.jit(ratios.domain_cross_entropy, static_argnums=1)
log_ratio = jax.jit(ratios.dynamics_log_ratio)
weight = jax.jit(ratios.importance_weight)


def test_cross_entropy_by_hand():
    # p = (3/4, 1/4): -log(3/4) as a real row, log 4 as a simulated one.
    row = jnp.log(jnp.array([[3.0, 1.0]]))
    np.testing.assert_allclose(cross_entropy(row, 0), [-np.log(0.75)], rtol=1e-6)
    np.testing.assert_allclose(cross_entropy(row, 1), [np.log(4)], rtol=1e-6)


def test_weight_by_hand():
    # log 2 - log 4 = log 1/2; log 4 - log 2 = log 2, clipped at 1.
    l0, l1 = jnp.log(jnp.array([2.0, 4.0])), jnp.log(jnp.array([4.0, 2.0]))
    ratio = log_ratio(jnp.stack([l0, l1], -1))
    np.testing.assert_allclose(weight(ratio, 1e-5, 1.0), [0.5, 1.0], rtol=1e-6)


@quick
@given(raw=logits, sa=logits)
def test_ratio_equals_the_published_one_of_two_softmaxes(raw, sa):
    """q0 p1 / (q1 p0), q of (s, a, s') with (s, a)'s logits added, p of (s, a)."""
    q = scipy.special.softmax(raw.astype(np.float64) + sa, axis=-1)
    p = scipy.special.softmax(sa.astype(np.float64), axis=-1)
    published = q[:, 0] * p[:, 1] / (q[:, 1] * p[:, 0])
    np.testing.assert_allclose(log_ratio(raw), np.log(published), rtol=1e-4, atol=1e-4)


@quick
@given(x=logits)
def test_cross_entropy_oracle(x):
    p = scipy.special.log_softmax(x.astype(np.float64), axis=-1)
    for domain in (ratios.REAL, ratios.SIM):
        ours = cross_entropy(x, domain)
        np.testing.assert_allclose(ours, -p[:, domain], rtol=1e-5, atol=1e-5)


@quick
@given(
    x=floats(N, -(2.0**20), 2.0**20),
    low=st.floats(1e-5, 0.5),
    high=st.floats(0.5, 100),
)
def test_weight_is_positive_clipped_and_monotone(x, low, high):
    w = np.asarray(weight(np.sort(x), low, high))
    assert (w > 0).all()
    assert w.min() >= np.float32(low)
    assert w.max() <= np.float32(high)
    assert (np.diff(w) >= 0).all()


def test_clip_of_one_switches_the_ratio_off():
    x = jnp.array([-jnp.inf, -1.0, 0.0, 1.0, jnp.inf])
    np.testing.assert_array_equal(weight(x, 1.0, 1.0), np.ones(5))


def test_weight_is_constant_under_differentiation():
    raw = jnp.array([[0.1, 0.6], [-1.0, 0.2]])
    assert (weight(log_ratio(raw), 1e-5, 1.0) < 1).all()
    assert not jax.grad(lambda x: weight(log_ratio(x), 1e-5, 1.0).sum())(raw).any()


@pytest.mark.fault
def test_saturated_ratio_is_finite_and_has_no_gradient():
    x = jnp.array([-jnp.inf, -1e4, 1e4, jnp.inf])
    np.testing.assert_allclose(weight(x, 1e-5, 1.0), [1e-5, 1e-5, 1, 1], rtol=1e-6)
    raw = jnp.array([[1e4, -1e4], [-1e4, 1e4], [jnp.inf, 0.0], [0.0, jnp.inf]])
    gradient = jax.grad(lambda x: weight(log_ratio(x), 1e-5, 1.0).sum())(raw)
    assert not gradient.any()


@pytest.mark.fault
@pytest.mark.parametrize("domain", [ratios.REAL, ratios.SIM])
def test_saturated_logits_have_finite_gradients(domain):
    x = jnp.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4]])
    loss, gradient = jax.vmap(
        jax.value_and_grad(lambda x: ratios.domain_cross_entropy(x, domain))
    )(x)
    assert np.isfinite(loss).all()
    assert (np.abs(gradient) <= 1).all()


def test_gradient_pushes_towards_the_domain():
    slope = jax.grad(lambda x: ratios.domain_cross_entropy(x, ratios.REAL))(
        jnp.zeros(2)
    )
    np.testing.assert_allclose(slope, [-0.5, 0.5])


@pytest.mark.fault
def test_an_unknown_domain_is_refused():
    with pytest.raises(ValueError, match=r"domain 7; give REAL \(0\) or SIM \(1\)"):
        ratios.domain_cross_entropy(jnp.zeros((3, 2)), 7)


def test_a_domain_may_be_traced():
    logits = jnp.array([[1.0, 0.0]])
    both = jax.vmap(ratios.domain_cross_entropy, (None, 0))(logits, jnp.arange(2))
    for domain in (ratios.REAL, ratios.SIM):
        one = ratios.domain_cross_entropy(logits, domain)
        np.testing.assert_allclose(both[domain], one)
