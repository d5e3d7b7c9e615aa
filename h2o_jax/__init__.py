"""H2O+ in JAX: train a policy for a real system from a log and a wrong simulator.

    alg = h2o_jax.h2o_plus(obs_dim, action_dim)
    state = alg.init(jax.random.key(0))
    state, metrics = alg.update(state, real_batch, sim_batch)
    action = alg.act(state.actor, observation)

New methods are tables over the losses of `parts`: see docs/write_a_method.md.

No simulator, flag or checkpoint library is imported here, and JAX's configuration is
left alone.
"""

from h2o_jax import (
    critic_losses,
    distributions,
    learner,
    packing,
    policy_losses,
    ratios,
    replay,
    schedules,
    targets,
    value_losses,
)
from h2o_jax._version import __version__
from h2o_jax.algorithms import ALGORITHMS, parts
from h2o_jax.algorithms.bc import bc
from h2o_jax.algorithms.cql import cql
from h2o_jax.algorithms.darc import darc
from h2o_jax.algorithms.edac import edac
from h2o_jax.algorithms.h2o import h2o
from h2o_jax.algorithms.h2o_plus import h2o_plus
from h2o_jax.algorithms.in_sample import eql, iql, sql, xql
from h2o_jax.algorithms.rebrac import rebrac
from h2o_jax.algorithms.sac import sac
from h2o_jax.networks import make_networks
from h2o_jax.scales import log_scales
from h2o_jax.types import (
    Actor,
    Algorithm,
    Hyper,
    LearnerState,
    Loss,
    Networks,
    Scales,
    Sizes,
    Stage,
    Transition,
    View,
    unit_scales,
    with_next_action,
)
from h2o_jax.value_losses import BACKBONES

__all__ = [
    "ALGORITHMS",
    "BACKBONES",
    "Actor",
    "Algorithm",
    "Hyper",
    "LearnerState",
    "Loss",
    "Networks",
    "Scales",
    "Sizes",
    "Stage",
    "Transition",
    "View",
    "__version__",
    "bc",
    "cql",
    "critic_losses",
    "darc",
    "distributions",
    "edac",
    "eql",
    "h2o",
    "h2o_plus",
    "iql",
    "learner",
    "log_scales",
    "make_networks",
    "packing",
    "parts",
    "policy_losses",
    "ratios",
    "rebrac",
    "replay",
    "sac",
    "schedules",
    "sql",
    "targets",
    "unit_scales",
    "value_losses",
    "with_next_action",
    "xql",
]
