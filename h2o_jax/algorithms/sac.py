"""SAC in the simulator only: zero-shot transfer, the baseline of H2O+."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm, Domains


def sac(
    obs_dim: int,
    action_dim: int,
    *,
    learn_rows: slice = slice(0, 256),
    **network_settings: Any,
) -> Algorithm:
    """Soft actor-critic on simulated rows; needs no data.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        learn_rows: rows of the simulated batch that train everything.
        **network_settings: see `networks.make_networks`.

    References:
        Haarnoja et al., 2018 (arXiv 1812.05905).
    """
    networks = make_networks(obs_dim, action_dim, **network_settings)
    sim: Domains = ("sim",)
    weights: parts.Weights = {"sim": parts.unit_weight}
    stages = (
        {
            "critic": parts.critic(learn_rows, parts.soft_target, weights),
            "policy": parts.entropy_regularised_policy(learn_rows, sim),
            "log_alpha": parts.temperature(learn_rows, sim),
        },
    )
    return learner.make(networks, stages, domains=sim)
