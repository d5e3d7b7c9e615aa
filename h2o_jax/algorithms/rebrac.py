"""ReBRAC: offline actor-critic with cloning penalties on policy and target."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm


def rebrac(
    obs_dim: int,
    action_dim: int,
    *,
    learn_rows: slice = slice(0, 256),
    **network_settings: Any,
) -> Algorithm:
    """Deterministic actor-critic on real rows, with penalties in policy and target.

    Every update trains policy and critics alike (published: the policy every second
    one). Real rows carry the next logged action: see `h2o_jax.with_next_action`.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        learn_rows: rows of the real batch that train everything.
        **network_settings: see `networks.make_networks`; critics have LayerNorm
            unless told otherwise.

    References:
        Tarasov et al., 2023 (arXiv 2305.09836).
    """
    settings = {
        "policy": "deterministic",
        "critic_layer_norm": True,
        **network_settings,
    }
    networks = make_networks(obs_dim, action_dim, **settings)
    weights: parts.Weights = {"real": parts.unit_weight}
    stages = (
        {
            "critic": parts.critic(learn_rows, parts.cloned_target, weights),
            "policy": parts.cloning_policy(learn_rows),
        },
    )
    targets = ("policy", "critic")
    return learner.make(networks, stages, ("real",), targets, needs_next_action=True)
