"""The tanh-Gaussian: log-probabilities against float64, and its edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given

from h2o_jax import distributions
from tests.strategies import floats, quick

N, A = 8, 3


def numbers(low, high):
    return floats((N, A), low, high)


sample = jax.jit(distributions.sample)
log_prob = jax.jit(distributions.log_prob)


def oracle(u, mean, log_std):
    """Change of variables in float64: log N(u) - log |d tanh(u) / du|."""
    gaussian = scipy.stats.norm.logpdf(u, mean, np.exp(log_std))
    slope = -2 * np.logaddexp(u, -u) + 2 * np.log(2)  # log 1 / cosh(u)^2
    return (gaussian - slope).sum(-1)


def test_by_hand():
    # u = 0, std 1: the density of N(0, 1) at 0, and tanh'(0) = 1.
    zero = jnp.zeros((1, 1))
    action, log_pi = sample(zero, zero, zero)
    assert action == 0
    np.testing.assert_allclose(log_pi, [-0.5 * np.log(2 * np.pi)], rtol=1e-6)


@quick
@given(mean=numbers(-4, 4), log_std=numbers(-4, 1), noise=numbers(-3, 3))
def test_sample_oracle(mean, log_std, noise):
    wide = [x.astype(np.float64) for x in (mean, log_std, noise)]
    u = wide[0] + np.exp(wide[1]) * wide[2]
    action, log_pi = sample(mean, log_std, noise)
    np.testing.assert_allclose(action, np.tanh(u), atol=1e-5)
    np.testing.assert_allclose(log_pi, oracle(u, *wide[:2]), rtol=1e-4, atol=1e-4)


@quick
@given(mean=numbers(-2, 2), log_std=numbers(-1, 1), u=numbers(-3, 3))
def test_log_prob_oracle(mean, log_std, u):
    action = np.tanh(u)
    exact = np.arctanh(action.astype(np.float64))
    expected = oracle(exact, mean.astype(np.float64), log_std.astype(np.float64))
    ours = log_prob(mean, log_std, action)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


def test_density_integrates_to_one():
    a = np.linspace(-1, 1, 20001)[1:-1, None].astype(np.float32)
    shape = np.ones_like(a)
    density = np.exp(log_prob(0.3 * shape, -0.5 * shape, a))
    assert np.trapezoid(density, a[:, 0]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("u", [-50.0, -15.0, 15.0, 50.0])
def test_sample_beyond_the_precision_of_tanh(u):
    """1 - tanh(u)^2 is 0 in float32 there; the log-probability is exact anyway."""
    mean, log_std = jnp.full((1, A), u), jnp.full((1, A), -1.0)

    def log_pi(mean, log_std):
        return sample(mean, log_std, jnp.ones((1, A)))[1].sum()

    at = np.asarray(mean, np.float64) + np.exp(-1)
    np.testing.assert_allclose(log_pi(mean, log_std), oracle(at, mean, log_std), 1e-5)
    for gradient in jax.grad(log_pi, argnums=(0, 1))(mean, log_std):
        assert np.isfinite(gradient).all()


@pytest.mark.fault
@pytest.mark.parametrize("edge", [-1.0, 1.0])
@pytest.mark.parametrize("log_std", [-20.0, -5.0, 2.0])
def test_logged_actions_on_the_bound_are_finite(edge, log_std):
    action = jnp.full((1, A), edge)
    value, gradients = jax.value_and_grad(
        lambda *x: log_prob(*x, action).sum(), argnums=(0, 1)
    )(jnp.zeros((1, A)), jnp.full((1, A), log_std))
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)


def test_mode_is_the_sample_without_noise():
    mean = jnp.linspace(-3, 3, A)[None]
    action, _ = sample(mean, jnp.zeros((1, A)), jnp.zeros((1, A)))
    np.testing.assert_array_equal(distributions.mode(mean), action)


def test_gradient_flows_through_the_sample():
    # d tanh(m + s e) / dm = 1 - a^2, and times s e for log s.
    mean, log_std, noise = jnp.array([0.2]), jnp.array([-1.0]), jnp.array([0.7])
    action = sample(mean, log_std, noise)[0]
    slopes = jax.grad(lambda *x: sample(*x, noise)[0].sum(), argnums=(0, 1))(
        mean, log_std
    )
    np.testing.assert_allclose(slopes[0], 1 - action**2, rtol=1e-6)
    expected = (1 - action**2) * np.exp(-1) * 0.7
    np.testing.assert_allclose(slopes[1], expected, rtol=1e-6)


# --- a squashed mean, plain Gaussian around it ---------------------------------------

gaussian_log_prob = jax.jit(distributions.gaussian_log_prob)


@given(mean=numbers(-4, 4), log_std=numbers(-5, 2), action=numbers(-1, 1))
@quick
def test_gaussian_log_prob_oracle(mean, log_std, action):
    centre = np.tanh(mean.astype(np.float64))
    std = np.exp(log_std.astype(np.float64))
    expected = scipy.stats.norm.logpdf(action, centre, std).sum(-1)
    ours = gaussian_log_prob(mean, log_std, action)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


def test_gaussian_sample_by_hand():
    # tanh(0) + 0.5 * 1 = 0.5; tanh(0) - 0.5 * 4 = -2, clipped to the box.
    mean, log_std = jnp.zeros((2, 1)), jnp.full((2, 1), jnp.log(0.5))
    noise = jnp.array([[1.0], [-4.0]])
    action, density = distributions.gaussian_sample(mean, log_std, noise)
    np.testing.assert_allclose(action, [[0.5], [-1.0]])
    # log N(0.5; 0, 0.5) and log N(-2; 0, 0.5), the unclipped one.
    expected = scipy.stats.norm.logpdf([0.5, -2], 0, 0.5)
    np.testing.assert_allclose(density, expected, rtol=1e-6)
