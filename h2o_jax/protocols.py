"""Protocols of the functions that networks and methods consist of.

Arguments before a `/` are passed by position, so that an implementation may name them
as it likes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import jax
import numpy as np

from h2o_jax.hyper import Hyper
from h2o_jax.records import (
    Actor,
    LearnerState,
    Metrics,
    Params,
    Scales,
    Transition,
)

Array = jax.Array | np.ndarray
Domain = Literal["real", "sim"]
"""Origin of a row: the log (real) or the simulator (sim)."""
Domains = Sequence[Domain]
Noise = dict[str, jax.Array]
"""Name -> standard normals of one stage."""


# --- networks -------------------------------------------------------------------------


class Sample(Protocol):
    """Reparameterised actions and their log-probability."""

    def __call__(
        self, mean: jax.Array, log_std: jax.Array, noise: jax.Array, /
    ) -> tuple[jax.Array, jax.Array]:
        """`[..., A]` each `-> actions [..., A], log-probability [...]`."""


class LogProb(Protocol):
    """Log-probability of given actions."""

    def __call__(
        self, mean: jax.Array, log_std: jax.Array, action: jax.Array, /
    ) -> jax.Array:
        """`[..., A]` each `-> [...]`."""


class Mode(Protocol):
    """The deterministic action."""

    def __call__(self, mean: jax.Array, /) -> jax.Array:
        """`[..., A] -> [..., A]`."""


class Distribution(NamedTuple):
    """A family of policies over mean and log-std, `[..., A]` each."""

    sample: Sample
    log_prob: LogProb
    mode: Mode


class InitNetwork(Protocol):
    """Initialises the parameters of one group."""

    def __call__(self, key: jax.Array, /) -> Params:
        """A random key `->` parameters."""


class PolicyNetwork(Protocol):
    """Computes the parameters of the distribution of actions."""

    def __call__(self, params: Params, s: Array, /) -> tuple[jax.Array, jax.Array]:
        """`s [..., O] -> mean, log_std`, `[..., A]` each."""


class CriticNetwork(Protocol):
    """An ensemble; its parameters are a sequence, one entry for each of K members."""

    def __call__(self, params: Sequence[Params], s: Array, a: Array, /) -> jax.Array:
        """`s [..., O], a [..., A] -> [..., K]`."""


class ValueNetwork(Protocol):
    """The value of a state."""

    def __call__(self, params: Params, s: Array, /) -> jax.Array:
        """`s [..., O] -> [...]`."""


class DiscriminatorNetwork(Protocol):
    """Both domain classifiers."""

    def __call__(
        self, params: Params, s: Array, a: Array, s_t: Array, /
    ) -> tuple[jax.Array, jax.Array]:
        """`-> (s, a) logits, raw (s, a, s') logits`, `[..., 2]` each."""


class Networks(NamedTuple):
    """Pure functions over parameters; see `networks.make_networks`."""

    init: Mapping[str, InitNetwork]
    """Parameter group -> its initialiser."""
    policy: PolicyNetwork
    distribution: Distribution
    """The distribution whose parameters `policy` computes."""
    critic: CriticNetwork
    value: ValueNetwork
    discriminator: DiscriminatorNetwork
    obs_dim: int
    action_dim: int


# --- methods --------------------------------------------------------------------------


class Init(Protocol):
    """Starts a run."""

    def __call__(
        self, key: jax.Array, hyper: Hyper | None = None, scales: Scales | None = None
    ) -> LearnerState:
        """Without `hyper` its defaults, without `scales` raw observations."""


class Update(Protocol):
    """Learns from one batch of each domain.

    Both are arguments of every call; the batch of a domain that the method does not use
    may be None.
    """

    def __call__(
        self,
        state: LearnerState,
        real_batch: Transition | None,
        sim_batch: Transition | None,
    ) -> tuple[LearnerState, Metrics]:
        """Batches have `Algorithm.batch_size` rows or more."""


class Step(Protocol):
    """`Update` with given noise."""

    def __call__(
        self,
        state: LearnerState,
        real_batch: Transition | None,
        sim_batch: Transition | None,
        *,
        noise: Sequence[Noise],
    ) -> tuple[LearnerState, Metrics]:
        """`noise` as `Algorithm.noise` draws it."""


class DrawNoise(Protocol):
    """Draws all normals of an update."""

    def __call__(self, key: jax.Array, /) -> tuple[Noise, ...]:
        """A random key `->` one dict of normals per stage."""


class Act(Protocol):
    """Acts on observations as they are logged; the scales are the actor's."""

    def __call__(
        self, actor: Actor, obs: Array, key: jax.Array | None = None
    ) -> jax.Array:
        """`obs [..., O] -> [..., A]`; without a key the mode."""


class Algorithm(NamedTuple):
    """A method as pure functions."""

    init: Init
    update: Update
    """Jitted; donates nothing."""
    step: Step
    noise: DrawNoise
    act: Act
    """Takes `state.actor`, or `state.average_actor`."""
    groups: tuple[str, ...]
    """Groups of parameters in the order in which an update trains them."""
    domains: frozenset[Domain]
    """Domains whose rows the method reads."""
    batch_size: int
    """Rows of each domain that one update takes."""
    networks: Networks
    """What the losses see as a view: functions over a state's `params`. They take
    observations as `batches.normalised` gives them."""
    needs_next_action: bool = False
    """Whether real rows must carry the next logged action, `a_t`."""

    def __repr__(self) -> str:
        """What tells methods apart; the functions print as pages."""
        domains = ", ".join(sorted(self.domains))
        groups = ", ".join(self.groups)
        rows = f"batch_size={self.batch_size}"
        return f"Algorithm(trains {groups} on {domains} rows, {rows})"


class Builder(Protocol):
    """Builds a method for a system of given sizes."""

    def __call__(self, obs_dim: int, action_dim: int, **settings: Any) -> Algorithm:
        """`settings` are the method's own and those of `make_networks`."""
