"""IQL, SQL, EQL and XQL: offline methods whose critics see logged actions only.

They have one table in common. IQL, SQL and EQL differ in value loss and policy weight;
XQL is EQL by the name of another paper.

References:
    Kostrikov et al., 2021 (arXiv 2110.06169); Xu et al., 2023 (arXiv 2303.15810);
    Garg et al., 2023 (arXiv 2301.02328).
"""

from typing import Any

from h2o_jax import learner, schedules
from h2o_jax.algorithms import parts
from h2o_jax.networks import make_networks
from h2o_jax.types import Algorithm, Builder


def _with_backbone(backbone: str) -> Builder:
    def build(
        obs_dim: int,
        action_dim: int,
        *,
        learn_rows: slice = slice(0, 256),
        **network_settings: Any,
    ) -> Algorithm:
        """Learns the values of logged actions, then repeats the better ones.

        Args:
            obs_dim: O, number of observations.
            action_dim: A, number of actions.
            learn_rows: rows of the real batch that train everything.
            **network_settings: see `networks.make_networks`.
        """
        settings = {"policy": "gaussian", **network_settings}
        networks = make_networks(obs_dim, action_dim, **settings)
        advantage = parts.advantage_weight(backbone)
        weights: parts.Weights = {"real": parts.unit_weight}
        stages = (
            {"value": parts.value(learn_rows, backbone)},
            {"policy": parts.likelihood_policy(learn_rows, advantage)},
            {"critic": parts.critic(learn_rows, parts.in_sample_target, weights)},
        )
        cosine = {"policy": schedules.policy_cosine}
        return learner.make(networks, stages, domains=("real",), schedules=cosine)

    return build


iql = _with_backbone("iql")
sql = _with_backbone("sql")
eql = _with_backbone("eql")
xql = _with_backbone("xql")
