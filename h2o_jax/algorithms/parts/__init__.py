"""Losses over networks, of which the table of every algorithm consists.

Each builder gives a `Loss`, which applies the networks of its view to its rows, calls
the pure functions of the layer below, and takes the mean.
"""

from h2o_jax.algorithms.parts.critics import (
    Weights,
    cloned_target,
    critic,
    given_target,
    in_sample_target,
    min_target,
    mixed_target,
    soft_target,
    unit_weight,
)
from h2o_jax.algorithms.parts.discriminators import (
    corrected_reward,
    discriminator,
    dynamics_weight,
)
from h2o_jax.algorithms.parts.penalties import cql, diversity, dynamics_gap, total
from h2o_jax.algorithms.parts.policies import (
    anchored_policy,
    cloning_policy,
    entropy_regularised_policy,
    likelihood_policy,
    temperature,
)
from h2o_jax.algorithms.parts.values import advantage_weight, value
from h2o_jax.algorithms.parts.weightings import WEIGHTINGS, weighting

__all__ = [
    "WEIGHTINGS",
    "Weights",
    "advantage_weight",
    "anchored_policy",
    "cloned_target",
    "cloning_policy",
    "corrected_reward",
    "cql",
    "critic",
    "discriminator",
    "diversity",
    "dynamics_gap",
    "dynamics_weight",
    "entropy_regularised_policy",
    "given_target",
    "in_sample_target",
    "likelihood_policy",
    "min_target",
    "mixed_target",
    "soft_target",
    "temperature",
    "total",
    "unit_weight",
    "value",
    "weighting",
]
