"""Policies, trained on the critics or on logged actions, and the temperature."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from h2o_jax import policy_losses, targets
from h2o_jax.types import Loss, Metrics, Networks, Noise, View


def _policy_sample(
    networks: Networks, view: View, domains: Sequence[str], noise: Noise
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """States of the domains in order, one action each, and its log-probability."""
    obs = jnp.concatenate([view.batch[domain].s_tm1 for domain in domains])
    mean, log_std = networks.policy(view.params["policy"], obs)
    return obs, *networks.distribution.sample(mean, log_std, noise["policy"])


def _policy_noise(
    networks: Networks, domains: Sequence[str]
) -> Callable[[int], dict[str, tuple[int, ...]]]:
    return lambda n: {"policy": (n * len(domains), networks.action_dim)}


def entropy_regularised_policy(
    networks: Networks, rows: slice, domains: Sequence[str]
) -> Loss:
    """Trains the policy on the online critics, all rows alike (H2O+, Eq. 10)."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        obs, action, log_pi = _policy_sample(networks, view, domains, noise)
        q = networks.critic(view.params["critic"], obs, action)
        alpha = jnp.exp(view.params["log_alpha"])
        loss = jnp.mean(
            policy_losses.entropy_regularised(log_pi, targets.min_value(q), alpha)
        )
        return loss, {"policy/loss": loss, "policy/entropy": -jnp.mean(log_pi)}

    return Loss(apply, rows, _policy_noise(networks, domains))


def temperature(networks: Networks, rows: slice, domains: Sequence[str]) -> Loss:
    """Trains log alpha on the very actions that train the policy."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        _, _, log_pi = _policy_sample(networks, view, domains, noise)
        entropy = view.hyper.entropy_per_action * networks.action_dim
        log_alpha = view.params["log_alpha"]
        loss = jnp.mean(policy_losses.temperature(log_alpha, log_pi, entropy))
        return loss, {"log_alpha/loss": loss, "log_alpha/alpha": jnp.exp(log_alpha)}

    return Loss(apply, rows, _policy_noise(networks, domains))


def cloning_policy(networks: Networks, rows: slice) -> Loss:
    """Trains the deterministic policy on the critics, near the logged actions."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch["real"]
        mean, _ = networks.policy(view.params["policy"], batch.s_tm1)
        action = networks.distribution.mode(mean)
        q = networks.critic(view.params["critic"], batch.s_tm1, action)
        loss = policy_losses.cloning_regularised(
            targets.min_value(q), action, batch.a_tm1, view.hyper.policy_cloning
        )
        return jnp.mean(loss), {"policy/loss": jnp.mean(loss), "policy/q": jnp.mean(q)}

    return Loss(apply, rows, lambda n: {})


def likelihood_policy(
    networks: Networks, rows: slice, weight: Callable[[Networks, View, str], jax.Array]
) -> Loss:
    """Trains the policy to repeat the logged actions, each as much as it counts."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch["real"]
        mean, log_std = networks.policy(view.params["policy"], batch.s_tm1)
        log_prob = networks.distribution.log_prob(mean, log_std, batch.a_tm1)
        weight_tm1 = weight(networks, view, "real")
        loss = jnp.mean(policy_losses.weighted_likelihood(log_prob, weight_tm1))
        metrics = {
            "policy/loss": loss,
            "policy/log_prob": jnp.mean(log_prob),
            "policy/weight": jnp.mean(weight_tm1),
        }
        return loss, metrics

    return Loss(apply, rows, lambda n: {})
