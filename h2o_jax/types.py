"""Collects the types of the library, so that other modules import them from here.

`hyper` defines the hyperparameters, `records` transitions and states, `protocols` the
functions of networks and methods, `view` losses and their arguments.
"""

from h2o_jax.hyper import Hyper
from h2o_jax.protocols import (
    Algorithm,
    Array,
    Builder,
    Distribution,
    Domain,
    Domains,
    Networks,
    Noise,
    Update,
)
from h2o_jax.records import (
    Actor,
    LearnerState,
    Metrics,
    ObsScales,
    Params,
    Scales,
    Transition,
    has_successor,
    unit_scales,
    with_next_action,
)
from h2o_jax.view import Loss, PolicyAt, Sizes, Stage, View

__all__ = [
    "Actor",
    "Algorithm",
    "Array",
    "Builder",
    "Distribution",
    "Domain",
    "Domains",
    "Hyper",
    "LearnerState",
    "Loss",
    "Metrics",
    "Networks",
    "Noise",
    "ObsScales",
    "Params",
    "PolicyAt",
    "Scales",
    "Sizes",
    "Stage",
    "Transition",
    "Update",
    "View",
    "has_successor",
    "unit_scales",
    "with_next_action",
]
