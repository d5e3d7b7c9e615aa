"""CQL: conservative Q-learning from a log alone."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm, Domains


def cql(
    obs_dim: int,
    action_dim: int,
    *,
    learn_rows: slice = slice(0, 256),
    **network_settings: Any,
) -> Algorithm:
    """Actor-critic on real rows, with low values for actions that were not logged.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        learn_rows: rows of the real batch that train everything.
        **network_settings: see `networks.make_networks`.

    References:
        Kumar et al., 2020 (arXiv 2006.04779).
    """
    networks = make_networks(obs_dim, action_dim, **network_settings)
    real: Domains = ("real",)
    weights: parts.Weights = {"real": parts.unit_weight}
    stages = (
        {
            "critic": parts.total(
                parts.critic(learn_rows, parts.min_target, weights),
                parts.cql(learn_rows),
            ),
            "policy": parts.entropy_regularised_policy(learn_rows, real),
            "log_alpha": parts.temperature(learn_rows, real),
        },
    )
    return learner.make(networks, stages, domains=real)
