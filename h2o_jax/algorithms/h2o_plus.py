"""H2O+: hybrid offline-and-online reinforcement learning with dynamics gaps."""

from typing import Any

from h2o_jax import learner
from h2o_jax.algorithms import parts
from h2o_jax.errors import check_choice
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm, Domains, Loss, Stage

ANCHORS = ("none", "advantage")
"""What keeps the policy near the log: nothing, as published, or cloning of logged
actions by their advantage."""


def h2o_plus(
    obs_dim: int,
    action_dim: int,
    *,
    backbone: str = "iql",
    weighting: str = "ratio",
    anchor: str = "none",
    learn_rows: slice = slice(0, 128),
    discriminate_rows: slice = slice(0, 256),
    **network_settings: Any,
) -> Algorithm:
    """Learns from a log of real transitions and from a simulator with wrong dynamics.

    A state value learned on real data keeps the Bellman target honest; the policy's
    own value lets it explore in the simulator; simulated rows count by how likely
    their dynamics are to be real.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        backbone: value loss on real rows, a name in `value_losses.BACKBONES`.
        weighting: how simulated rows count, a name in `parts.WEIGHTINGS`.
        anchor: what keeps the policy near the log, a name in `ANCHORS`.
        learn_rows: rows of each batch that train value, critics and policy.
        discriminate_rows: rows of each batch that train the discriminators.
        **network_settings: see `networks.make_networks`.

    References:
        Niu et al., ICRA 2025 (arXiv 2309.12716).
    """
    networks = make_networks(obs_dim, action_dim, **network_settings)
    both: Domains = ("real", "sim")
    chosen = parts.weighting(weighting)
    weights: parts.Weights = {"real": parts.unit_weight, "sim": chosen.weight}
    stages: tuple[Stage, ...] = (
        {"discriminator": parts.discriminator(discriminate_rows)},
        {
            "value": parts.value(learn_rows, backbone),
            "critic": parts.critic(learn_rows, parts.mixed_target, weights),
            "policy": _policy(anchor, learn_rows, both, backbone),
            "log_alpha": parts.temperature(learn_rows, both),
        },
    )
    if not chosen.discriminates:
        stages = stages[1:]
    return learner.make(networks, stages, domains=both)


def _policy(anchor: str, rows: slice, domains: Domains, backbone: str) -> Loss:
    check_choice("anchor", anchor, ANCHORS)
    if anchor == "none":
        return parts.entropy_regularised_policy(rows, domains)
    return parts.anchored_policy(rows, domains, parts.advantage_weight(backbone))
