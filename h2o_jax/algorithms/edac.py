"""EDAC: offline actor-critic with an ensemble that disagrees where data are few."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm, Domains


def edac(
    obs_dim: int,
    action_dim: int,
    *,
    learn_rows: slice = slice(0, 256),
    critics: int = 10,
    **network_settings: Any,
) -> Algorithm:
    """Soft actor-critic on real rows, with the smallest of many diverse critics.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        learn_rows: rows of the real batch that train everything.
        critics: K, size of the ensemble.
        **network_settings: see `networks.make_networks`.

    References:
        An et al., 2021 (arXiv 2110.01548).
    """
    networks = make_networks(obs_dim, action_dim, critics=critics, **network_settings)
    real: Domains = ("real",)
    weights: parts.Weights = {"real": parts.unit_weight}
    stages = (
        {
            "critic": parts.total(
                parts.critic(learn_rows, parts.soft_target, weights),
                parts.diversity(learn_rows, "real"),
            ),
            "policy": parts.entropy_regularised_policy(learn_rows, real),
            "log_alpha": parts.temperature(learn_rows, real),
        },
    )
    return learner.make(networks, stages, domains=real)
