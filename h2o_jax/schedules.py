"""Schedules of Adam's step sizes: optax's, with lengths that are leaves of `Hyper`.

optax takes the length of a schedule as a Python number, so that each length in a sweep
would be compiled as a program of its own. Each optax schedule here therefore has length
1, and its argument is the number of updates divided by the length in `Hyper`.
"""

from typing import Protocol

import jax
import jax.numpy as jnp
import optax

from h2o_jax.types import Hyper

_LINEAR = optax.linear_schedule(1.0, 0.0, transition_steps=1)
_COSINE = optax.cosine_decay_schedule(1.0, decay_steps=1)


class Schedule(Protocol):
    """A factor on the Adam steps of a parameter group."""

    def __call__(self, hyper: Hyper, updates: jax.Array, /) -> jax.Array:
        """`updates []` done so far, float32 `-> []` the factor."""


def constant(hyper: Hyper, updates: jax.Array) -> jax.Array:
    """Every step is as long as the first."""
    del hyper
    return jnp.ones_like(updates)


def linear(hyper: Hyper, updates: jax.Array) -> jax.Array:
    """Falls from 1 to 0 over `hyper.decay_updates`; where that is 0, never."""
    length = hyper.decay_updates
    return jnp.where(length > 0, _LINEAR(updates / jnp.maximum(length, 1.0)), 1.0)


def policy_cosine(hyper: Hyper, updates: jax.Array) -> jax.Array:
    """Half a cosine from 1 to 0 over `hyper.policy_lr_steps`, as in IQL's code."""
    return _COSINE(updates / hyper.policy_lr_steps)
