"""FQE: what a policy would earn in the system that a log is of. Trains no policy."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm


def fqe(
    obs_dim: int,
    action_dim: int,
    *,
    learn_rows: slice = slice(0, 256),
    **network_settings: Any,
) -> Algorithm:
    r"""Learns the values of a fixed policy's actions from logged rows.

    .. math:: Q(s, a) \leftarrow r + \gamma \, Q(s', \pi(s'))

    The policy takes part as data: each row carries :math:`\pi(s')` as its `a_t`. There
    is no actor, so `act` cannot be called.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        learn_rows: rows of the real batch.
        **network_settings: see `networks.make_networks`; one critic, with LayerNorm,
            unless told otherwise.

    References:
        Le et al., 2019 (arXiv 1903.08738).
    """
    settings = {"critics": 1, "critic_layer_norm": True, **network_settings}
    networks = make_networks(obs_dim, action_dim, **settings)
    weights: parts.Weights = {"real": parts.unit_weight}
    stages = ({"critic": parts.critic(learn_rows, parts.given_target, weights)},)
    return learner.make(networks, stages, ("real",), needs_next_action=True)
