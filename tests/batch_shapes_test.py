"""Formulas take rows of any batch shape, as their `[...]` promises."""

import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax import critic_losses, distributions, policy_losses, ratios, targets

K, M, A = 2, 4, 5  # no two alike, and none like the batch's
ROWS = {
    "td": (critic_losses.td, (K,), (), ()),
    "cql": (critic_losses.cql_penalty, (M, K), (M,), (K,)),
    "diversity": (critic_losses.diversity, (K, A)),
    "min": (targets.min_value, (K,)),
    "mean": (targets.mean_value, (K,)),
    "cloned": (lambda *x: targets.cloned_value(*x, 0.5), (K,), (A,), (A,)),
    "domain": (lambda x: ratios.domain_cross_entropy(x, ratios.SIM), (2,)),
    "ratio": (ratios.dynamics_log_ratio, (2,)),
    "tanh": (distributions.log_prob, (A,), (A,), (A,)),
    "Gaussian": (distributions.gaussian_log_prob, (A,), (A,), (A,)),
    "sample": (lambda *x: distributions.sample(*x)[1], (A,), (A,), (A,)),
    "density": (lambda *x: distributions.gaussian_sample(*x)[1], (A,), (A,), (A,)),
    "likelihood": (policy_losses.weighted_likelihood, (), ()),
}
"""Name -> a formula, and what follows the batch in the shape of each argument."""


@pytest.mark.parametrize("name", ROWS)
def test_any_batch_shape(name):
    formula, *shapes = ROWS[name]
    rng = np.random.default_rng(0)
    flat = [jnp.array(rng.uniform(-0.9, 0.9, (6, *x)), jnp.float32) for x in shapes]
    folded = [x.reshape(3, 2, *x.shape[1:]) for x in flat]
    wanted = np.stack([formula(*(x[i] for x in flat)) for i in range(6)])
    assert wanted.shape == (6,)
    np.testing.assert_allclose(formula(*flat), wanted, rtol=1e-5)
    np.testing.assert_allclose(formula(*folded), wanted.reshape(3, 2), rtol=1e-5)


LOST = {
    "td, K": (critic_losses.td, (3,), (3,), (3,)),
    "td, w": (critic_losses.td, (3, 3, K), (3,), (3,)),
    "cql, K": (critic_losses.cql_penalty, (3, M), (3, M), (3,)),
    "cql, B": (critic_losses.cql_penalty, (3, M, K), (3, M), (K,)),
    "gap, K": (critic_losses.gap_penalty, (3,), (3,), (3,)),
    "gap, real K": (critic_losses.gap_penalty, (3, K), (3,), (3,)),
    "cloning, value": (policy_losses.cloning_regularised, (3, 1), (3, A), (3, A), ()),
    "cloning, A": (policy_losses.cloning_regularised, (3,), (3,), (3,), ()),
}
"""A formula, and shapes in which an axis is lost or gained; NumPy would broadcast."""


@pytest.mark.fault
@pytest.mark.parametrize("name", LOST)
def test_a_lost_axis_is_refused(name):
    formula, *shapes = LOST[name]
    with pytest.raises(AssertionError):
        formula(*map(jnp.ones, shapes))
