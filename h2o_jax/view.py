"""Losses, and the view of networks, parameters and rows that a loss gets."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from h2o_jax.errors import ConfigError
from h2o_jax.hyper import Hyper
from h2o_jax.protocols import Distribution, Domain, Networks, Noise
from h2o_jax.records import Metrics, Params, Scales, Transition


class PolicyAt(NamedTuple):
    """The policy at given states: one distribution of actions for each."""

    family: Distribution
    mean: jax.Array
    """`[..., A]`, as `family` reads it."""
    log_std: jax.Array
    """`[..., A]`."""

    def sample(self, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Actions from normals, `[..., A]` both, and their log-probability `[...]`."""
        return self.family.sample(self.mean, self.log_std, noise)

    def log_prob(self, action: jax.Array) -> jax.Array:
        """`[...]` log-probability of given actions `[..., A]`."""
        return self.family.log_prob(self.mean, self.log_std, action)

    def mode(self) -> jax.Array:
        """`[..., A]` the deterministic actions."""
        return self.family.mode(self.mean)

    def repeat(self, times: int) -> "PolicyAt":
        """`[n, A]` -> `[n, times, A]`: so that each state can have several actions."""
        return PolicyAt(
            self.family, repeat(self.mean, times), repeat(self.log_std, times)
        )


def repeat(x: jax.Array, times: int) -> jax.Array:
    """`[n, D]` -> `[n, times, D]`, each row several times."""
    return jnp.broadcast_to(x[:, None], (x.shape[0], times, x.shape[1]))


class View(NamedTuple):
    """Arguments of a loss: a snapshot of the parameters and its rows of each domain.

    Its methods apply the networks; `target_` ones use the moving averages.
    """

    networks: Networks
    params: Mapping[str, Params]
    """Parameter group -> the snapshot, differentiated in the loss's own group."""
    target_params: Mapping[str, Params]
    hyper: Hyper
    scales: Scales
    step: jax.Array
    """Updates done so far."""
    batch: Mapping[Domain, Transition]
    """Each domain's rows, normalised and with scaled rewards."""

    def policy(self, s: jax.Array) -> PolicyAt:
        """The policy at states `[..., O]`."""
        return self._policy(self.params, s)

    def target_policy(self, s: jax.Array) -> PolicyAt:
        """The slow policy at states `[..., O]`."""
        return self._policy(self.target_params, s)

    def critic(self, s: jax.Array, a: jax.Array) -> jax.Array:
        """`[..., K]` values of actions `[..., A]` at states `[..., O]`."""
        return self.networks.critic(self.params["critic"], s, a)

    def target_critic(self, s: jax.Array, a: jax.Array) -> jax.Array:
        """`[..., K]` values of the slow critics; see `critic`."""
        return self.networks.critic(self.target_params["critic"], s, a)

    def critics(self) -> list[Callable[[jax.Array, jax.Array], jax.Array]]:
        """The K critics one by one, each `s, a -> [..., 1]`."""
        return [
            functools.partial(self.networks.critic, [member])
            for member in self.params["critic"]
        ]

    def value(self, s: jax.Array) -> jax.Array:
        """`[...]` values of states `[..., O]`."""
        return self.networks.value(self.params["value"], s)

    def discriminator(
        self, s: jax.Array, a: jax.Array, s_t: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """(s, a) logits and raw (s, a, s') logits, `[..., 2]` each."""
        return self.networks.discriminator(self.params["discriminator"], s, a, s_t)

    def alpha(self) -> jax.Array:
        """`[]` temperature of the entropy."""
        return jnp.exp(self.params["log_alpha"])

    def _policy(self, params: Mapping[str, Params], s: jax.Array) -> PolicyAt:
        mean, log_std = self.networks.policy(params["policy"], s)
        return PolicyAt(self.networks.distribution, mean, log_std)


class Sizes(NamedTuple):
    """Sizes from which a loss derives the shapes of its noise."""

    rows: int
    """Rows of each domain that the loss sees."""
    obs_dim: int
    action_dim: int


class Apply(Protocol):
    """Applies a loss."""

    def __call__(self, view: View, noise: Noise, /) -> tuple[jax.Array, Metrics]:
        """`-> scalar loss, metrics`."""


class NoiseShapes(Protocol):
    """Names the normals that a loss needs; losses of a stage share equal names."""

    def __call__(self, sizes: Sizes, /) -> dict[str, tuple[int, ...]]:
        """`->` name and shape of each."""


def no_noise(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """The `NoiseShapes` of a loss without chance."""
    del sizes
    return {}


class Loss(NamedTuple):
    """A loss over networks, trained on a range of rows with named noise."""

    apply: Apply
    rows: slice
    """The rows of each domain's batch that it gets."""
    noise: NoiseShapes = no_noise

    @property
    def span(self) -> tuple[int, int]:
        """The first of its rows, and the one after the last.

        Raises:
            ConfigError: `rows` is no slice, leaves out where they end, or some between.
        """
        if not isinstance(self.rows, slice):
            raise ConfigError(f"a loss's rows are {self.rows}; give slice(first, end)")
        first, end = self.rows.start or 0, self.rows.stop
        if end is None or not 0 <= first < end or self.rows.step not in (None, 1):
            raise ConfigError(
                f"a loss's rows are {self.rows}; give slice(first, end), such as "
                "slice(0, 256)"
            )
        return first, end


Stage = Mapping[str, Loss]
"""Parameter group -> the one loss that trains it; all see the same snapshot."""
