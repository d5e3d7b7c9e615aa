"""Loss of the two domain classifiers, and the dynamics ratio computed from them."""

import jax
import jax.numpy as jnp

from h2o_jax import ratios
from h2o_jax.types import (
    Domain,
    Loss,
    Metrics,
    Noise,
    Sizes,
    Transition,
    View,
    has_successor,
)

_LABELS: dict[Domain, int] = {"real": ratios.REAL, "sim": ratios.SIM}


def discriminator(rows: slice) -> Loss:
    """Trains both domain classifiers on noisy inputs (H2O+, Section III-B).

    The (s, a, s') loss also trains the (s, a) network, whose logits it adds. Loss per
    network: mean over real rows plus mean over simulated rows.
    """

    def noise(sizes: Sizes) -> dict[str, tuple[int, ...]]:
        obs, action = (sizes.rows, sizes.obs_dim), (sizes.rows, sizes.action_dim)
        shapes = {"s_tm1": obs, "a_tm1": action, "s_t": obs}
        return {
            f"{domain}_{name}": shape
            for domain in _LABELS
            for name, shape in shapes.items()
        }

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        loss = jnp.zeros(())
        metrics: Metrics = {}
        for domain, label in _LABELS.items():
            batch = view.batch[domain]
            known = has_successor(batch).astype(jnp.float32)
            noisy = _perturb(batch, view, noise, domain)
            sa, sas = view.discriminator(noisy.s_tm1, noisy.a_tm1, noisy.s_t)
            for name, logits in (("sa", sa), ("sas", sas + sa)):
                error = ratios.domain_cross_entropy(logits, label)
                error = jnp.sum(known * error) / jnp.maximum(jnp.sum(known), 1.0)
                metrics[f"discriminator/{name}_{domain}_loss"] = error
                loss += error
        return loss, metrics

    return Loss(apply, rows, noise)


def _perturb(batch: Transition, view: View, noise: Noise, domain: Domain) -> Transition:
    """The batch with Gaussian noise on the inputs of the classifiers."""
    obs_std = view.hyper.discriminator_noise * view.scales.noise_obs[None]
    action_std = view.hyper.discriminator_noise * view.scales.noise_action[None]
    return batch._replace(
        s_tm1=batch.s_tm1 + obs_std * noise[f"{domain}_s_tm1"],
        a_tm1=batch.a_tm1 + action_std * noise[f"{domain}_a_tm1"],
        s_t=batch.s_t + obs_std * noise[f"{domain}_s_t"],
    )


def _log_ratio(view: View, domain: Domain) -> jax.Array:
    """Log-ratio of real to simulated dynamics on clean inputs (Eq. 9)."""
    batch = view.batch[domain]
    _, sas = view.discriminator(batch.s_tm1, batch.a_tm1, batch.s_t)
    return ratios.dynamics_log_ratio(sas)


def dynamics_weight(view: View, domain: Domain) -> jax.Array:
    """Clipped ratio of real to simulated dynamics."""
    log_ratio = _log_ratio(view, domain)
    return ratios.importance_weight(
        log_ratio, view.hyper.ratio_low, view.hyper.ratio_high
    )


def corrected_reward(view: View, domain: Domain) -> jax.Array:
    """The reward plus the clipped log-ratio of real to simulated dynamics (DARC).

    The correction is in nats beside the scaled reward, so that `Hyper.reward_scale`
    says what a nat is worth; it is 0 during the warm-up.
    """
    bound = view.hyper.darc_clip
    correction = jnp.clip(_log_ratio(view, domain), -bound, bound)
    warm = (view.step >= view.hyper.darc_warmup).astype(jnp.float32)
    return view.batch[domain].r_t + warm * correction
