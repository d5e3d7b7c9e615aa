"""Factors on Adam's step sizes, worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax import Hyper, schedules


@pytest.mark.parametrize("updates", [0.0, 7.0, 1e6])
def test_constant(updates):
    assert schedules.constant(Hyper(), jnp.float32(updates)) == 1.0


# 1 - updates / 200, and zero from there on.
@pytest.mark.parametrize(
    ("updates", "factor"), [(0, 1.0), (50, 0.75), (100, 0.5), (200, 0.0), (300, 0.0)]
)
def test_linear(updates, factor):
    found = schedules.linear(Hyper(decay_updates=200.0), jnp.float32(updates))
    np.testing.assert_allclose(found, factor, atol=1e-6)


def test_linear_of_length_zero_never_falls():
    found = schedules.linear(Hyper(decay_updates=0.0), jnp.float32(1e6))
    assert found == 1.0


# (1 + cos(pi t)) / 2 at t = 0, 1/3, 1/2, 2/3, 1 and beyond: cos(pi / 3) = 1/2.
@pytest.mark.parametrize(
    ("updates", "factor"),
    [(0, 1.0), (100, 0.75), (150, 0.5), (200, 0.25), (300, 0.0), (900, 0.0)],
)
def test_policy_cosine(updates, factor):
    found = schedules.policy_cosine(Hyper(policy_lr_steps=300.0), jnp.float32(updates))
    np.testing.assert_allclose(found, factor, atol=1e-6)


def test_lengths_are_leaves_so_that_one_program_has_several():
    lengths = jnp.asarray([100.0, 200.0, 0.0])
    hyper = Hyper(decay_updates=lengths)
    axes = jax.tree.map(lambda x: None, Hyper()).replace(decay_updates=0)
    factors = jax.vmap(schedules.linear, in_axes=(axes, None))(hyper, jnp.float32(50))
    np.testing.assert_allclose(factors, [0.5, 0.75, 1.0], atol=1e-6)
