"""The methods by name: each a short table of stages over shared parts."""

from collections.abc import Callable

from h2o_jax.algorithms.h2o_plus import h2o_plus
from h2o_jax.algorithms.sac import sac
from h2o_jax.types import Algorithm

ALGORITHMS: dict[str, Callable[..., Algorithm]] = {"h2o_plus": h2o_plus, "sac": sac}
"""Name -> builder `(obs_dim, action_dim, **settings) -> Algorithm`."""
