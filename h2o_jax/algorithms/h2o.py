"""H2O: the predecessor of H2O+, with a penalty on the values of simulated rows."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm, Domains


def h2o(
    obs_dim: int,
    action_dim: int,
    *,
    learn_rows: slice = slice(0, 128),
    discriminate_rows: slice = slice(0, 256),
    **network_settings: Any,
) -> Algorithm:
    """Learns from a log and a simulator, with low values where the simulator is wrong.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        learn_rows: rows of each batch that train critics and policy.
        discriminate_rows: rows of each batch that train the discriminators.
        **network_settings: see `networks.make_networks`.

    References:
        Niu et al., NeurIPS 2022 (arXiv 2206.13464).
    """
    networks = make_networks(obs_dim, action_dim, **network_settings)
    both: Domains = ("real", "sim")
    weights: parts.Weights = {"real": parts.unit_weight, "sim": parts.dynamics_weight}
    stages = (
        {"discriminator": parts.discriminator(discriminate_rows)},
        {
            "critic": parts.total(
                parts.critic(learn_rows, parts.min_target, weights),
                parts.dynamics_gap(learn_rows),
            ),
            "policy": parts.entropy_regularised_policy(learn_rows, both),
            "log_alpha": parts.temperature(learn_rows, both),
        },
    )
    return learner.make(networks, stages, domains=both)
