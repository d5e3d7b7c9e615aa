"""Critics: the values that they regress onto, and the regression."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from h2o_jax import critic_losses, targets
from h2o_jax.types import Loss, Metrics, Networks, Noise, View

Target = Callable[[Networks, View, str, jax.Array], jax.Array]
"""`(networks, view, domain, noise [n, A]) -> [n]` value of the next states."""
PerRow = Callable[[Networks, View, str], jax.Array]
"""`(networks, view, domain) -> [n]` a number for each row."""


def logged_reward(networks: Networks, view: View, domain: str) -> jax.Array:
    """The rewards as they are."""
    del networks
    return view.batch[domain].r_t


def unit_weight(networks: Networks, view: View, domain: str) -> jax.Array:
    """Every row counts the same."""
    return jnp.ones_like(view.batch[domain].r_t)


def _next_values(
    networks: Networks, view: View, domain: str, noise: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Values `[n, K]` and log-density `[n]` of the policy's next actions."""
    batch = view.batch[domain]
    mean, log_std = networks.policy(view.params["policy"], batch.s_t)
    a_t, log_pi_t = networks.distribution.sample(mean, log_std, noise)
    return networks.critic(view.target_params["critic"], batch.s_t, a_t), log_pi_t


def min_target(
    networks: Networks, view: View, domain: str, noise: jax.Array
) -> jax.Array:
    """The policy's value of the next states, without entropy."""
    return targets.min_value(_next_values(networks, view, domain, noise)[0])


def soft_target(
    networks: Networks, view: View, domain: str, noise: jax.Array
) -> jax.Array:
    """SAC's value of the next states."""
    q_t, log_pi_t = _next_values(networks, view, domain, noise)
    return targets.soft_value(q_t, log_pi_t, jnp.exp(view.params["log_alpha"]))


_SMOOTHING, _SMOOTHING_BOUND = 0.2, 0.5
"""Std and largest size of the noise on a deterministic policy's next actions (TD3)."""


def cloned_target(
    networks: Networks, view: View, domain: str, noise: jax.Array
) -> jax.Array:
    """The slow policy's value of the next states, less for leaving the log (ReBRAC)."""
    batch = view.batch[domain]
    mean, _ = networks.policy(view.target_params["policy"], batch.s_t)
    smoothing = jnp.clip(_SMOOTHING * noise, -_SMOOTHING_BOUND, _SMOOTHING_BOUND)
    action = jnp.clip(networks.distribution.mode(mean) + smoothing, -1.0, 1.0)
    q_t = networks.critic(view.target_params["critic"], batch.s_t, action)
    return targets.cloned_value(q_t, action, batch.a_t, view.hyper.critic_cloning)


def in_sample_target(
    networks: Networks, view: View, domain: str, noise: jax.Array
) -> jax.Array:
    """The data's own value of the next states; no action is sampled."""
    del noise
    return networks.value(view.params["value"], view.batch[domain].s_t)


def mixed_target(
    networks: Networks, view: View, domain: str, noise: jax.Array
) -> jax.Array:
    """H2O+'s value of the next states (Eq. 7), with lambda of the row's domain."""
    return targets.mixed_value(
        networks.value(view.params["value"], view.batch[domain].s_t),
        soft_target(networks, view, domain, noise),
        getattr(view.hyper, f"lambda_{domain}"),
    )


def critic(
    networks: Networks,
    rows: slice,
    target: Target,
    weights: Mapping[str, PerRow],
    reward: PerRow = logged_reward,
) -> Loss:
    """Regresses every critic onto a Bellman target (H2O+, Eq. 8).

    Args:
        networks: networks.
        rows: rows of each domain.
        target: value of the next states.
        weights: domain -> weight of its rows; the loss is the sum over these domains
            of each one's mean.
        reward: reward of each row.
    """

    def noise(n: int) -> dict[str, tuple[int, ...]]:
        return {f"next_{domain}": (n, networks.action_dim) for domain in weights}

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        loss = jnp.zeros(())
        metrics: Metrics = {}
        for domain, weight in weights.items():
            batch = view.batch[domain]
            target_tm1 = targets.bellman(
                reward(networks, view, domain),
                batch.discount_t,
                target(networks, view, domain, noise[f"next_{domain}"]),
                view.hyper.discount,
            )
            w = weight(networks, view, domain)
            q_tm1 = networks.critic(view.params["critic"], batch.s_tm1, batch.a_tm1)
            domain_loss = jnp.mean(critic_losses.td(q_tm1, target_tm1, w))
            loss += domain_loss
            metrics |= {
                f"critic/{domain}_loss": domain_loss,
                f"critic/{domain}_q": jnp.mean(q_tm1),
                f"critic/{domain}_target": jnp.mean(target_tm1),
                f"critic/{domain}_weight": jnp.mean(w),
            }
        return loss, metrics

    return Loss(apply, rows, noise)
