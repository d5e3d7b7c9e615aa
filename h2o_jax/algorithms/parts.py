"""Losses over networks: the rows of every algorithm's table.

Each builder takes the networks and gives a `Loss`, which applies networks to its rows,
calls the pure functions of the layer below, and takes the mean.
"""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp

from h2o_jax import (
    critic_losses,
    distributions,
    policy_losses,
    ratios,
    targets,
    value_losses,
)
from h2o_jax.types import Loss, Metrics, Networks, Noise, Transition, View

Target = Callable[[Networks, View, str, jax.Array], jax.Array]
"""`(networks, view, domain, noise [n, A]) -> [n]` value of the next states."""
Weight = Callable[[Networks, View, str], jax.Array]
"""`(networks, view, domain) -> [n]` weight of each row."""


# --- discriminators ---------------------------------------------------------------


def discriminator(networks: Networks, rows: slice) -> Loss:
    """Trains both domain classifiers on noisy inputs (H2O+, Section III-B).

    The (s, a, s') loss also trains the (s, a) network, whose logits it adds. Loss per
    network: mean over real rows plus mean over simulated rows.
    """

    def noise(n: int) -> dict[str, tuple[int, ...]]:
        obs, action = (n, networks.obs_dim), (n, networks.action_dim)
        shapes = {"s_tm1": obs, "a_tm1": action, "s_t": obs}
        return {
            f"{domain}_{name}": shape
            for domain in ("real", "sim")
            for name, shape in shapes.items()
        }

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        loss = jnp.zeros(())
        metrics: Metrics = {}
        for domain, label in (("real", ratios.REAL), ("sim", ratios.SIM)):
            batch = view.batch[domain]
            known = _successor_known(batch)
            noisy = _perturb(batch, view, noise, domain)
            sa, sas = networks.discriminator(
                view.params["discriminator"], noisy.s_tm1, noisy.a_tm1, noisy.s_t
            )
            for name, logits in (("sa", sa), ("sas", sas + sa)):
                error = ratios.domain_cross_entropy(logits, label)
                error = jnp.sum(known * error) / jnp.maximum(jnp.sum(known), 1.0)
                metrics[f"discriminator/{name}_{domain}_loss"] = error
                loss += error
        return loss, metrics

    return Loss(apply, rows, noise)


def _perturb(batch: Transition, view: View, noise: Noise, domain: str) -> Transition:
    """The batch with Gaussian noise on what the classifiers read."""
    obs_std = view.hyper.discriminator_noise * view.scales.noise_obs[None]
    action_std = view.hyper.discriminator_noise * view.scales.noise_action[None]
    return batch._replace(
        s_tm1=batch.s_tm1 + obs_std * noise[f"{domain}_s_tm1"],
        a_tm1=batch.a_tm1 + action_std * noise[f"{domain}_a_tm1"],
        s_t=batch.s_t + obs_std * noise[f"{domain}_s_t"],
    )


def _successor_known(batch: Transition) -> jax.Array:
    """`[n]` 0 for terminal rows whose successor was never logged, else 1."""
    placeholder = jnp.all(batch.s_t == batch.s_tm1, axis=-1) & (batch.discount_t == 0)
    return (~placeholder).astype(jnp.float32)


def dynamics_weight(networks: Networks, view: View, domain: str) -> jax.Array:
    """Clipped ratio of real to simulated dynamics on clean inputs (Eq. 9)."""
    batch = view.batch[domain]
    _, sas = networks.discriminator(
        view.params["discriminator"], batch.s_tm1, batch.a_tm1, batch.s_t
    )
    return ratios.importance_weight(
        ratios.dynamics_log_ratio(sas), view.hyper.ratio_low, view.hyper.ratio_high
    )


def unit_weight(networks: Networks, view: View, domain: str) -> jax.Array:
    """Every row counts the same."""
    return jnp.ones_like(view.batch[domain].r_t)


# --- values -----------------------------------------------------------------------


def value(networks: Networks, rows: slice, backbone: str) -> Loss:
    """Trains V on real rows against the smallest target critic (H2O+, Eq. 4)."""
    value_loss = value_losses.BACKBONES[backbone]

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch["real"]
        q_tm1 = targets.min_value(
            networks.critic(view.target_params["critic"], batch.s_tm1, batch.a_tm1)
        )
        v_tm1 = networks.value(view.params["value"], batch.s_tm1)
        loss = jnp.mean(value_loss(q_tm1, v_tm1, view.hyper))
        metrics = {"value/loss": loss, "value/v": jnp.mean(v_tm1)}
        if backbone in ("eql", "xql"):
            scale, clip = view.hyper.exponential_scale, view.hyper.exponential_clip
            above = value_losses.clipped(q_tm1, v_tm1, scale, clip)
            metrics["value/clipped"] = jnp.mean(above.astype(jnp.float32))
        return loss, metrics

    return Loss(apply, rows, lambda n: {})


def soft_target(
    networks: Networks, view: View, domain: str, noise: jax.Array
) -> jax.Array:
    """SAC's value of the next states."""
    batch = view.batch[domain]
    mean, log_std = networks.policy(view.params["policy"], batch.s_t)
    a_t, log_pi_t = distributions.sample(mean, log_std, noise)
    q_t = networks.critic(view.target_params["critic"], batch.s_t, a_t)
    return targets.soft_value(q_t, log_pi_t, jnp.exp(view.params["log_alpha"]))


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
    networks: Networks, rows: slice, target: Target, weights: Mapping[str, Weight]
) -> Loss:
    """Regresses every critic onto a Bellman target (H2O+, Eq. 8).

    Args:
        networks: networks.
        rows: rows of each domain.
        target: value of the next states.
        weights: domain -> weight of its rows; the loss is the sum over these domains
            of each one's mean.
    """

    def noise(n: int) -> dict[str, tuple[int, ...]]:
        return {f"next_{domain}": (n, networks.action_dim) for domain in weights}

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        loss = jnp.zeros(())
        metrics: Metrics = {}
        for domain, weight in weights.items():
            batch = view.batch[domain]
            target_tm1 = targets.bellman(
                batch.r_t,
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


# --- policy -----------------------------------------------------------------------


def _policy_sample(
    networks: Networks, view: View, domains: Sequence[str], noise: Noise
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """States of the domains in order, one action each, and its log-probability."""
    obs = jnp.concatenate([view.batch[domain].s_tm1 for domain in domains])
    mean, log_std = networks.policy(view.params["policy"], obs)
    return obs, *distributions.sample(mean, log_std, noise["policy"])


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
