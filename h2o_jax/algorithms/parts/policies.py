"""Losses of policies and of the entropy temperature."""

import jax
import jax.numpy as jnp

from h2o_jax import policy_losses, targets
from h2o_jax.algorithms.parts.critics import PerRow
from h2o_jax.types import Domains, Loss, Metrics, Noise, Sizes, View
from h2o_jax.view import NoiseShapes


def _policy_sample(
    view: View, domains: Domains, noise: Noise
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """States of the domains in order, one action each, and its log-probability."""
    obs = jnp.concatenate([view.batch[domain].s_tm1 for domain in domains])
    return obs, *view.policy(obs).sample(noise["policy"])


def _policy_noise(domains: Domains) -> NoiseShapes:
    def noise(sizes: Sizes) -> dict[str, tuple[int, ...]]:
        return {"policy": (sizes.rows * len(domains), sizes.action_dim)}

    return noise


def entropy_regularised_policy(rows: slice, domains: Domains) -> Loss:
    """Trains the policy on the online critics, all rows alike (H2O+, Eq. 10)."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        obs, action, log_pi = _policy_sample(view, domains, noise)
        q = view.critic(obs, action)
        loss = policy_losses.entropy_regularised(
            log_pi, targets.min_value(q), view.alpha()
        )
        loss = jnp.mean(loss)
        return loss, {"policy/loss": loss, "policy/entropy": -jnp.mean(log_pi)}

    return Loss(apply, rows, _policy_noise(domains))


def anchored_policy(rows: slice, domains: Domains, weight: PerRow) -> Loss:
    r"""Trains the policy on the critics, near logged actions by what they count.

    .. math:: \alpha \log \pi - \min_i Q_i - c \; mean |Q| \; w \log \pi(a | s)

    The first two terms are means over all rows, the last is one over real rows; the
    size of their values makes the anchor's weight c independent of the rewards' unit.
    """
    free = entropy_regularised_policy(rows, domains)
    anchor = likelihood_policy(rows, weight)

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        loss, metrics = free.apply(view, noise)
        distance, report = anchor.apply(view, noise)
        batch = view.batch["real"]
        size = jnp.mean(jnp.abs(view.critic(batch.s_tm1, batch.a_tm1)))
        scale = view.hyper.anchor_weight * jax.lax.stop_gradient(size)
        loss = loss + scale * distance
        return loss, {**report, **metrics, "policy/loss": loss}

    return Loss(apply, rows, free.noise)


def temperature(rows: slice, domains: Domains) -> Loss:
    """Trains log alpha on the same sampled actions as the policy."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        _, action, log_pi = _policy_sample(view, domains, noise)
        entropy = view.hyper.entropy_per_action * action.shape[-1]
        log_alpha = view.params["log_alpha"]
        loss = jnp.mean(policy_losses.temperature(log_alpha, log_pi, entropy))
        return loss, {"log_alpha/loss": loss, "log_alpha/alpha": view.alpha()}

    return Loss(apply, rows, _policy_noise(domains))


def cloning_policy(rows: slice) -> Loss:
    """Trains the deterministic policy on the critics, near the logged actions."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch["real"]
        action = view.policy(batch.s_tm1).mode()
        q = view.critic(batch.s_tm1, action)
        loss = policy_losses.cloning_regularised(
            targets.min_value(q), action, batch.a_tm1, view.hyper.policy_cloning
        )
        return jnp.mean(loss), {"policy/loss": jnp.mean(loss), "policy/q": jnp.mean(q)}

    return Loss(apply, rows)


def likelihood_policy(rows: slice, weight: PerRow) -> Loss:
    """Trains the policy on the weighted likelihood of the logged actions."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch["real"]
        log_prob = view.policy(batch.s_tm1).log_prob(batch.a_tm1)
        weight_tm1 = weight(view, "real")
        loss = jnp.mean(policy_losses.weighted_likelihood(log_prob, weight_tm1))
        metrics = {
            "policy/loss": loss,
            "policy/log_prob": jnp.mean(log_prob),
            "policy/weight": jnp.mean(weight_tm1),
        }
        return loss, metrics

    return Loss(apply, rows)
