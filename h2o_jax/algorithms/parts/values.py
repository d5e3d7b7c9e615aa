"""Loss of the state value on real rows, and the weights of logged actions."""

import jax
import jax.numpy as jnp

from h2o_jax import targets, value_losses
from h2o_jax.algorithms.parts.critics import PerRow
from h2o_jax.errors import check_choice
from h2o_jax.types import Domain, Loss, Metrics, Noise, View


def value(rows: slice, backbone: str) -> Loss:
    """Trains V on real rows against the smallest target critic (H2O+, Eq. 4)."""
    value_loss, _, clipped = _backbone(backbone)

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch["real"]
        q_tm1 = targets.min_value(view.target_critic(batch.s_tm1, batch.a_tm1))
        v_tm1 = view.value(batch.s_tm1)
        loss = jnp.mean(value_loss(q_tm1, v_tm1, view.hyper))
        metrics = {"value/loss": loss, "value/v": jnp.mean(v_tm1)}
        if clipped is not None:
            above = clipped(q_tm1, v_tm1, view.hyper)
            metrics["value/clipped"] = jnp.mean(above.astype(jnp.float32))
        return loss, metrics

    return Loss(apply, rows)


def advantage_weight(backbone: str) -> PerRow:
    """`[n]` how much each logged action counts for the policy, by its advantage."""
    policy_weight = _backbone(backbone).policy_weight

    def weight(view: View, domain: Domain) -> jax.Array:
        batch = view.batch[domain]
        q_tm1 = targets.min_value(view.target_critic(batch.s_tm1, batch.a_tm1))
        v_tm1 = view.value(batch.s_tm1)
        return policy_weight(q_tm1, v_tm1, view.hyper)

    return weight


def _backbone(name: str) -> value_losses.Backbone:
    check_choice("backbone", name, value_losses.BACKBONES)
    return value_losses.BACKBONES[name]
