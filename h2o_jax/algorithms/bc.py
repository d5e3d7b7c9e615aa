"""Behaviour cloning, the baseline of every method that reads a log."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm


def bc(
    obs_dim: int,
    action_dim: int,
    *,
    learn_rows: slice = slice(0, 256),
    **network_settings: Any,
) -> Algorithm:
    """Repeats the logged actions, good and bad alike.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        learn_rows: rows of the real batch that train the policy.
        **network_settings: see `networks.make_networks`.

    References:
        Pomerleau, 1989 (ALVINN); the policy is that of IQL's code.
    """
    settings = {"policy": "gaussian", **network_settings}
    networks = make_networks(obs_dim, action_dim, **settings)
    cloning = parts.likelihood_policy(learn_rows, parts.unit_weight)
    return learner.make(networks, ({"policy": cloning},), domains=("real",))
