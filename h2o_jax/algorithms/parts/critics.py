"""Losses of critics, and the targets that critics regress onto."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from h2o_jax import critic_losses, targets
from h2o_jax.types import Domain, Loss, Metrics, Noise, Sizes, View

Target = Callable[[View, Domain, jax.Array], jax.Array]
"""`(view, domain, noise [n, A]) -> [n]` value of the next states."""
PerRow = Callable[[View, Domain], jax.Array]
"""`(view, domain) -> [n]` a number for each row."""
Weights = Mapping[Domain, PerRow]
"""Domain -> weight of its rows."""


def logged_reward(view: View, domain: Domain) -> jax.Array:
    """`[n]` rewards of the batch, uncorrected."""
    return view.batch[domain].r_t


def unit_weight(view: View, domain: Domain) -> jax.Array:
    """Every row counts the same."""
    return jnp.ones_like(view.batch[domain].r_t)


def _next_values(
    view: View, domain: Domain, noise: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Values `[n, K]` and log-density `[n]` of the policy's next actions."""
    s_t = view.batch[domain].s_t
    a_t, log_pi_t = view.policy(s_t).sample(noise)
    return view.target_critic(s_t, a_t), log_pi_t


def min_target(view: View, domain: Domain, noise: jax.Array) -> jax.Array:
    """The policy's value of the next states, without entropy."""
    q_t, _ = _next_values(view, domain, noise)
    return targets.min_value(q_t)


def soft_target(view: View, domain: Domain, noise: jax.Array) -> jax.Array:
    """SAC's value of the next states."""
    q_t, log_pi_t = _next_values(view, domain, noise)
    return targets.soft_value(q_t, log_pi_t, view.alpha())


_SMOOTHING, _SMOOTHING_BOUND = 0.2, 0.5
"""Std and largest size of the noise on a deterministic policy's next actions (TD3)."""


def cloned_target(view: View, domain: Domain, noise: jax.Array) -> jax.Array:
    """The slow policy's value of the next states, minus ReBRAC's cloning penalty."""
    batch = view.batch[domain]
    smoothing = jnp.clip(_SMOOTHING * noise, -_SMOOTHING_BOUND, _SMOOTHING_BOUND)
    action = jnp.clip(view.target_policy(batch.s_t).mode() + smoothing, -1.0, 1.0)
    q_t = view.target_critic(batch.s_t, action)
    return targets.cloned_value(q_t, action, batch.a_t, view.hyper.critic_cloning)


def in_sample_target(view: View, domain: Domain, noise: jax.Array) -> jax.Array:
    """V of the next states; no action is sampled."""
    del noise
    return view.value(view.batch[domain].s_t)


def given_target(view: View, domain: Domain, noise: jax.Array) -> jax.Array:
    """Value of the next actions that the rows carry, whoever chose them."""
    del noise
    batch = view.batch[domain]
    return targets.mean_value(view.target_critic(batch.s_t, batch.a_t))


def mixed_target(view: View, domain: Domain, noise: jax.Array) -> jax.Array:
    """H2O+'s value of the next states (Eq. 7), with lambda of the row's domain."""
    return targets.mixed_value(
        in_sample_target(view, domain, noise),
        soft_target(view, domain, noise),
        getattr(view.hyper, f"lambda_{domain}"),
    )


def critic(
    rows: slice, target: Target, weights: Weights, reward: PerRow = logged_reward
) -> Loss:
    """Regresses every critic onto a Bellman target (H2O+, Eq. 8).

    Args:
        rows: rows of each domain.
        target: value of the next states.
        weights: domain -> weight of its rows; the loss is the sum over these domains
            of each one's mean.
        reward: reward of each row.
    """

    def noise(sizes: Sizes) -> dict[str, tuple[int, ...]]:
        shape = sizes.rows, sizes.action_dim
        return {f"next_{domain}": shape for domain in weights}

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        loss = jnp.zeros(())
        metrics: Metrics = {}
        for domain, weight in weights.items():
            batch = view.batch[domain]
            target_tm1 = targets.bellman(
                reward(view, domain),
                batch.discount_t,
                target(view, domain, noise[f"next_{domain}"]),
                view.hyper.discount,
            )
            w = weight(view, domain)
            q_tm1 = view.critic(batch.s_tm1, batch.a_tm1)
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
