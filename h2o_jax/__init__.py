"""H2O+ in JAX: train a policy for a real system from a log and a wrong simulator.

    alg = h2o_jax.h2o_plus(obs_dim, action_dim)
    state = alg.init(jax.random.key(0))
    state, metrics = alg.update(state, real_batch, sim_batch)
    action = alg.act(state.actor, observation)

No simulator, flag or checkpoint library is imported here, and JAX's configuration is
left alone.
"""

from h2o_jax._version import __version__
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.algorithms.h2o_plus import h2o_plus
from h2o_jax.algorithms.sac import sac
from h2o_jax.networks import make_networks
from h2o_jax.types import (
    Actor,
    Algorithm,
    Hyper,
    LearnerState,
    Networks,
    Scales,
    Transition,
    unit_scales,
)
from h2o_jax.value_losses import BACKBONES

__all__ = [
    "ALGORITHMS",
    "BACKBONES",
    "Actor",
    "Algorithm",
    "Hyper",
    "LearnerState",
    "Networks",
    "Scales",
    "Transition",
    "__version__",
    "h2o_plus",
    "make_networks",
    "sac",
    "unit_scales",
]
