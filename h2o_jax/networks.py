"""Multilayer perceptrons for policy, critics, state value and discriminators."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from h2o_jax import distributions
from h2o_jax.errors import ConfigError, check_choice
from h2o_jax.types import Array, Distribution, Networks, Params

LOG_STD_RANGE = (-20.0, 2.0)
GAUSSIAN_LOG_STD_RANGE = (-5.0, 2.0)
EXPLORATION_LOG_STD = math.log(0.1)
LOGIT_BOUND = 2.0
"""Of the discriminators, so that no log-ratio is beyond twice as much."""

Init = Callable[..., jax.Array]


def _uniform(bound: float) -> Init:
    def init(key: jax.Array, shape: Sequence[int], dtype: Any) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class MLP(nn.Module):
    """ReLU perceptron.

    Hidden weights and biases are uniform in +-1/sqrt(fan_in), as the published code
    inherits from PyTorch. The last layer is either the same, or small (Xavier-uniform
    x 0.01, bias 0), so that values begin near zero. Layer normalisation, if any, comes
    before each ReLU (RLPD, arXiv 2302.02948).
    """

    hidden: Sequence[int]
    outputs: int
    small_last: bool = True
    layer_norm: bool = False

    @nn.compact
    def __call__(self, *inputs: jax.Array) -> jax.Array:
        x = jnp.concatenate(inputs, axis=-1)
        for width in self.hidden:
            x = self._dense(x, width, small=False)
            x = nn.relu(nn.LayerNorm()(x) if self.layer_norm else x)
        return self._dense(x, self.outputs, small=self.small_last)

    def _dense(self, x: jax.Array, width: int, small: bool) -> jax.Array:
        fan_in = x.shape[-1]
        bound = 0.01 * (6 / (fan_in + width)) ** 0.5 if small else fan_in**-0.5
        bias = nn.initializers.zeros if small else _uniform(bound)
        return nn.Dense(width, kernel_init=_uniform(bound), bias_init=bias)(x)


class TanhGaussianPolicy(nn.Module):
    """Tanh-Gaussian head: `[..., O]` -> mean and log-std `[..., A]` before squashing.

    The log-std is `m raw + b` with learned scalars m (1 at first) and b (`log_std`),
    then clipped; the published code's parametrisation.
    """

    hidden: Sequence[int]
    action_dim: int
    log_std: float

    @nn.compact
    def __call__(self, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        output = MLP(self.hidden, 2 * self.action_dim)(obs)
        mean, raw = jnp.split(output, 2, axis=-1)
        scale = self.param("log_std_scale", nn.initializers.ones, (), jnp.float32)
        first = nn.initializers.constant(self.log_std)
        offset = self.param("log_std_offset", first, (), jnp.float32)
        return mean, jnp.clip(scale * raw + offset, *LOG_STD_RANGE)


class GaussianPolicy(nn.Module):
    """Gaussian head: a mean that depends on the state, a log-std that does not.

    The policy of IQL's code; `[..., O]` -> mean before its tanh and log-std `[..., A]`.
    """

    hidden: Sequence[int]
    action_dim: int

    @nn.compact
    def __call__(self, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = MLP(self.hidden, self.action_dim)(obs)
        zeros = nn.initializers.zeros
        log_std = self.param("log_std", zeros, (self.action_dim,), jnp.float32)
        log_std = jnp.clip(log_std, *GAUSSIAN_LOG_STD_RANGE)
        return mean, jnp.broadcast_to(log_std, mean.shape)


class DeterministicPolicy(nn.Module):
    """A mean before its tanh, and a log-std that only exploration uses (TD3's 0.1)."""

    hidden: Sequence[int]
    action_dim: int

    @nn.compact
    def __call__(self, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = MLP(self.hidden, self.action_dim)(obs)
        return mean, jnp.full_like(mean, EXPLORATION_LOG_STD)


POLICIES: dict[str, tuple[type[nn.Module], Distribution]] = {
    "tanh_gaussian": (TanhGaussianPolicy, distributions.TANH_GAUSSIAN),
    "gaussian": (GaussianPolicy, distributions.GAUSSIAN),
    "deterministic": (DeterministicPolicy, distributions.GAUSSIAN),
}
"""Name -> the network, and the distribution whose parameters it computes."""


def family(parameters: Iterable[str]) -> str:
    """The name in `POLICIES` of a policy, told by its parameters' names or paths."""
    paths = " ".join(parameters)
    if "log_std_scale" in paths:
        return "tanh_gaussian"
    return "gaussian" if "log_std" in paths else "deterministic"


class Discriminator(nn.Module):
    """Raw logits of the two domain classifiers, `[..., 2]` each, within +-2."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(
        self, s_tm1: jax.Array, a_tm1: jax.Array, s_t: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        sa = MLP(self.hidden, 2, small_last=False, name="sa")(s_tm1, a_tm1)
        sas = MLP(self.hidden, 2, small_last=False, name="sas")(s_tm1, a_tm1, s_t)
        return LOGIT_BOUND * jnp.tanh(sa), LOGIT_BOUND * jnp.tanh(sas)


def _check_sizes(name: str, sizes: Any) -> None:
    if not isinstance(sizes, Sequence | np.ndarray):
        raise ConfigError(f"{name}={sizes!r}: give a width for each layer, as (64, 64)")
    for size in sizes:
        if not hasattr(size, "__index__") or size < 1:
            raise ConfigError(f"{name}: {size!r}; give whole numbers above 0")


def make_networks(
    obs_dim: int,
    action_dim: int,
    hidden: Sequence[int] = (256, 256),
    discriminator_hidden: Sequence[int] = (256, 256),
    critics: int = 2,
    critic_layer_norm: bool = False,
    policy: str = "tanh_gaussian",
    policy_log_std: float = -1.0,
) -> Networks:
    """Builds the networks of every method.

    Args:
        obs_dim: O, number of observations.
        action_dim: A, number of actions.
        hidden: widths of policy, critics and state value.
        discriminator_hidden: widths of both discriminators.
        critics: K, size of the critic ensemble.
        critic_layer_norm: normalise the critics' hidden layers, which bounds how far
            values run away from actions outside the data.
        policy: family of the policy, a name in `POLICIES`.
        policy_log_std: about the log-std of an untrained tanh-Gaussian policy, before
            its tanh; other families have their own.

    Returns:
        Pure functions: `policy(params, s) -> mean, log_std`,
        `critic(params, s, a) -> [..., K]`, `value(params, s) -> [...]`,
        `discriminator(params, s, a, s') -> (s,a) logits, raw (s,a,s') logits`.

    Raises:
        ConfigError: no such policy, or a size is no whole number above 0.
    """
    for name, sizes in (
        ("obs_dim", (obs_dim,)),
        ("action_dim", (action_dim,)),
        ("hidden", hidden),
        ("discriminator_hidden", discriminator_hidden),
        ("critics", (critics,)),
    ):
        _check_sizes(name, sizes)
    check_choice("policy", policy, POLICIES)
    build_policy, distribution = POLICIES[policy]
    given = {"log_std": policy_log_std} if build_policy is TanhGaussianPolicy else {}
    # linen types `apply` as a union that no caller could use unchecked.
    actor: Any = build_policy(hidden, action_dim, **given)
    critic: Any = MLP(hidden, 1, layer_norm=critic_layer_norm)
    value: Any = MLP(hidden, 1)
    discriminator: Any = Discriminator(discriminator_hidden)
    obs, action = jnp.zeros((1, obs_dim)), jnp.zeros((1, action_dim))

    def init_critics(key: jax.Array) -> list[Params]:
        return [critic.init(k, obs, action) for k in jax.random.split(key, critics)]

    # A list, not a stacked ensemble: separate matmuls run at full speed on a CPU, and
    # an accelerator batches over the runs anyway.
    def apply_critics(params: Sequence[Params], s: Array, a: Array) -> jax.Array:
        return jnp.concatenate([critic.apply(p, s, a) for p in params], axis=-1)

    return Networks(
        init={
            "policy": lambda key: actor.init(key, obs),
            "critic": init_critics,
            "value": lambda key: value.init(key, obs),
            "discriminator": lambda key: discriminator.init(key, obs, action, obs),
            "log_alpha": lambda key: jnp.zeros((), jnp.float32),
        },
        policy=actor.apply,
        distribution=distribution,
        critic=apply_critics,
        value=lambda params, s: value.apply(params, s)[..., 0],
        discriminator=discriminator.apply,
        obs_dim=obs_dim,
        action_dim=action_dim,
    )
