"""What is added to a critic's regression to keep its values honest."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from h2o_jax import critic_losses, ratios
from h2o_jax.types import Loss, Metrics, Networks, Noise, View

_CQL_ACTIONS = 10
"""Actions from each of three sources: uniform, policy(s), policy(s')."""
_GAP_DRAWS = 10
"""Next states imagined around each simulated one."""


def total(*losses: Loss) -> Loss:
    """The sum of losses over the same rows."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        parts = [loss.apply(view, noise) for loss in losses]
        metrics = {k: v for _, report in parts for k, v in report.items()}
        return sum((part for part, _ in parts), jnp.zeros(())), metrics

    def noise(n: int) -> dict[str, tuple[int, ...]]:
        return {k: v for loss in losses for k, v in loss.noise(n).items()}

    return Loss(apply, losses[0].rows, noise)


def cql(networks: Networks, rows: slice) -> Loss:
    """Lowers the values of actions that the log does not have (CQL)."""
    sources = ("uniform", "here", "next")

    def noise(n: int) -> dict[str, tuple[int, ...]]:
        shape = (n, _CQL_ACTIONS, networks.action_dim)
        return {f"cql_{source}": shape for source in sources}

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch["real"]
        drawn = [
            _uniform(noise["cql_uniform"]),
            _of_policy(networks, view, batch.s_tm1, noise["cql_here"]),
            _of_policy(networks, view, batch.s_t, noise["cql_next"]),
        ]
        action, log_prob = (
            jax.lax.stop_gradient(jnp.concatenate(x, axis=1))
            for x in zip(*drawn, strict=True)
        )
        obs = _repeat(batch.s_tm1, action.shape[1])
        penalty = critic_losses.cql_penalty(
            networks.critic(view.params["critic"], obs, action),
            log_prob,
            networks.critic(view.params["critic"], batch.s_tm1, batch.a_tm1),
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


def _of_policy(
    networks: Networks, view: View, obs: jax.Array, normals: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The policy's actions `[n, M, A]` at `obs` `[n, O]`, and their log-density."""
    mean, log_std = networks.policy(view.params["policy"], obs)
    mean, log_std = (_repeat(x, normals.shape[1]) for x in (mean, log_std))
    return networks.distribution.sample(mean, log_std, normals)


def _repeat(x: jax.Array, times: int) -> jax.Array:
    """`[n, D]` -> `[n, times, D]`."""
    return jnp.broadcast_to(x[:, None], (x.shape[0], times, x.shape[1]))


def dynamics_gap(networks: Networks, rows: slice) -> Loss:
    """Lowers the values of simulated rows by how wrong their dynamics are (H2O).

    The gap of a row is an estimate of KL(simulator, real), from next states imagined
    around the simulated one.
    """

    def noise(n: int) -> dict[str, tuple[int, ...]]:
        return {"gap_s_t": (n, _GAP_DRAWS, networks.obs_dim)}

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        real, sim = view.batch["real"], view.batch["sim"]
        std = (view.hyper.gap_noise * view.scales.next_obs_std)[None, None]
        s_tm1, a_tm1, s_t = (
            _repeat(x, _GAP_DRAWS) for x in (sim.s_tm1, sim.a_tm1, sim.s_t)
        )
        _, sas = networks.discriminator(
            view.params["discriminator"], s_tm1, a_tm1, s_t + std * noise["gap_s_t"]
        )
        gap = -jnp.mean(ratios.dynamics_log_ratio(sas), axis=-1)
        penalty = critic_losses.gap_penalty(
            networks.critic(view.params["critic"], sim.s_tm1, sim.a_tm1),
            gap,
            networks.critic(view.params["critic"], real.s_tm1, real.a_tm1),
        )
        metrics = {"critic/gap_penalty": penalty, "critic/gap": jnp.mean(gap)}
        return view.hyper.gap_weight * penalty, metrics

    return Loss(apply, rows, noise)


def diversity(networks: Networks, rows: slice, domain: str) -> Loss:
    """Keeps an ensemble's critics from all sloping the same way (EDAC)."""

    def apply(view: View, noise: Noise) -> tuple[jax.Array, Metrics]:
        batch = view.batch[domain]
        slopes = [
            jax.grad(_sum_of_one(networks, critic, batch.s_tm1))(batch.a_tm1)
            for critic in view.params["critic"]
        ]
        agreement = jnp.mean(critic_losses.diversity(jnp.stack(slopes, axis=-2)))
        return view.hyper.diversity * agreement, {"critic/agreement": agreement}

    return Loss(apply, rows, lambda n: {})


def _sum_of_one(
    networks: Networks, params: object, obs: jax.Array
) -> Callable[[jax.Array], jax.Array]:
    return lambda action: jnp.sum(networks.critic([params], obs, action))
