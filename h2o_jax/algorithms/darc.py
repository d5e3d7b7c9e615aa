"""DARC: soft actor-critic in a simulator, with rewards corrected by the log-ratio."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm, Domains


def darc(
    obs_dim: int,
    action_dim: int,
    *,
    learn_rows: slice = slice(0, 256),
    discriminate_rows: slice = slice(0, 256),
    **network_settings: Any,
) -> Algorithm:
    """Learns from simulated rows; the log trains the domain classifiers only.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        learn_rows: rows of the simulated batch that train critics and policy.
        discriminate_rows: rows of each batch that train the discriminators.
        **network_settings: see `networks.make_networks`.

    References:
        Eysenbach et al., 2021 (arXiv 2006.13916).
    """
    networks = make_networks(obs_dim, action_dim, **network_settings)
    sim: Domains = ("sim",)
    weights: parts.Weights = {"sim": parts.unit_weight}
    reward = parts.corrected_reward
    stages = (
        {"discriminator": parts.discriminator(discriminate_rows)},
        {
            "critic": parts.critic(learn_rows, parts.soft_target, weights, reward),
            "policy": parts.entropy_regularised_policy(learn_rows, sim),
            "log_alpha": parts.temperature(learn_rows, sim),
        },
    )
    return learner.make(networks, stages, domains=("real", "sim"))
