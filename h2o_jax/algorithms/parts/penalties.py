"""Penalties of critics, added to their regression against overestimated values."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from h2o_jax import critic_losses, ratios
from h2o_jax.types import Domain, Loss, Metrics, Noise, Sizes, View
from h2o_jax.view import repeat

_CQL_ACTIONS = 10
"""Actions from each of three sources: uniform, policy(s), policy(s')."""
_GAP_DRAWS = 10
"""Next states imagined around each simulated one."""


def total(*losses: Loss) -> Loss:
    """The sum of losses over the same rows.

    Raises:
        ValueError: two of them are over different rows.
    """
    first = losses[0]
    for other in losses[1:]:
        if other.span != first.span:
            raise ValueError(
                f"a sum of losses over {first.rows} and {other.rows}; give all of them "
                "the same rows"
            )

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        parts = [loss.apply(view, noise) for loss in losses]
        metrics = {k: v for _, report in parts for k, v in report.items()}
        return sum((part for part, _ in parts), jnp.zeros(())), metrics

    def noise(sizes: Sizes) -> dict[str, tuple[int, ...]]:
        return {k: v for loss in losses for k, v in loss.noise(sizes).items()}

    return Loss(apply, first.rows, noise)


def cql(rows: slice) -> Loss:
    """Lowers the values of actions that are not in the log (CQL)."""
    sources = ("uniform", "here", "next")

    def noise(sizes: Sizes) -> dict[str, tuple[int, ...]]:
        shape = (sizes.rows, _CQL_ACTIONS, sizes.action_dim)
        return {f"cql_{source}": shape for source in sources}

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch["real"]
        drawn = [
            _uniform(noise["cql_uniform"]),
            view.policy(batch.s_tm1).repeat(_CQL_ACTIONS).sample(noise["cql_here"]),
            view.policy(batch.s_t).repeat(_CQL_ACTIONS).sample(noise["cql_next"]),
        ]
        action, log_prob = (
            jax.lax.stop_gradient(jnp.concatenate(x, axis=1))
            for x in zip(*drawn, strict=True)
        )
        penalty = critic_losses.cql_penalty(
            view.critic(repeat(batch.s_tm1, action.shape[1]), action),
            log_prob,
            view.critic(batch.s_tm1, batch.a_tm1),
            view.hyper.cql_temperature,
        )
        penalty = jnp.mean(penalty)
        return view.hyper.cql_weight * penalty, {"critic/cql_penalty": penalty}

    return Loss(apply, rows, noise)


def _uniform(normals: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Uniform actions in the box from normals, and their log-density."""
    action = jax.lax.erf(normals / math.sqrt(2))
    log_density = normals.shape[-1] * math.log(0.5)
    return action, jnp.full(normals.shape[:-1], log_density, normals.dtype)


def dynamics_gap(rows: slice) -> Loss:
    """Lowers the values of simulated rows, more where the dynamics gap is larger (H2O).

    The gap of a row is an estimate of KL(simulator, real), from next states imagined
    around the simulated one.
    """

    def noise(sizes: Sizes) -> dict[str, tuple[int, ...]]:
        return {"gap_s_t": (sizes.rows, _GAP_DRAWS, sizes.obs_dim)}

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        real, sim = view.batch["real"], view.batch["sim"]
        std = (view.hyper.gap_noise * view.scales.next_obs_std)[None, None]
        s_tm1, a_tm1, s_t = (
            repeat(x, _GAP_DRAWS) for x in (sim.s_tm1, sim.a_tm1, sim.s_t)
        )
        _, sas = view.discriminator(s_tm1, a_tm1, s_t + std * noise["gap_s_t"])
        gap = -jnp.mean(ratios.dynamics_log_ratio(sas), axis=-1)
        penalty = critic_losses.gap_penalty(
            view.critic(sim.s_tm1, sim.a_tm1),
            gap,
            view.critic(real.s_tm1, real.a_tm1),
        )
        metrics = {"critic/gap_penalty": penalty, "critic/gap": jnp.mean(gap)}
        return view.hyper.gap_weight * penalty, metrics

    return Loss(apply, rows, noise)


def diversity(rows: slice, domain: Domain) -> Loss:
    """Penalises critics whose gradients in the action point the same way (EDAC)."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch[domain]
        slopes = [
            jax.grad(_summed(critic), argnums=1)(batch.s_tm1, batch.a_tm1)
            for critic in view.critics()
        ]
        agreement = jnp.mean(critic_losses.diversity(jnp.stack(slopes, axis=-2)))
        return view.hyper.diversity * agreement, {"critic/agreement": agreement}

    return Loss(apply, rows)


def _summed(critic: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Sum over rows, whose gradient has each row's own slope."""
    return lambda s, a: jnp.sum(critic(s, a))
