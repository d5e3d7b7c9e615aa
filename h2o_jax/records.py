"""Records of data and state: transitions, scales, learner states, actors.

Suffixes follow the field's convention: `x_tm1` belongs to the state a transition
leaves, `x_t` to the one it reaches. `[...]` is any batch shape, `O` the number of
observations, `A` of actions, `K` of critics.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from h2o_jax.hyper import Hyper

Params = Any
Metrics = dict[str, jax.Array]


class Transition(NamedTuple):
    """One step, or any batch of steps, of a decision process.

    The discount factor enters in the losses, so `discount_t` only tells whether the
    episode went on: 0 at a true terminal state, 1 otherwise, also at a time limit.
    A terminal row whose successor was never logged carries `s_t = s_tm1`; no value
    is bootstrapped from it and the discriminators leave it out.
    """

    s_tm1: Any
    """`[..., O]` observations."""
    a_tm1: Any
    """`[..., A]` actions in [-1, 1]."""
    r_t: Any
    """`[...]` rewards, unscaled."""
    discount_t: Any
    """`[...]` 0 at a true terminal state, else 1."""
    s_t: Any
    """`[..., O]` next observations."""
    a_t: Any = None
    """`[..., A]` logged actions at `s_t`, inf where unknown; see `with_next_action`."""


def with_next_action(log: Transition) -> Transition:
    """Adds to rows `[N, *]` in a log's order the action logged next, `a_t`.

    A row whose successor does not begin the following row (an episode's end, a stall)
    has no such action: inf. The two are compared to the bit, in float32.
    """
    xp = log.s_tm1.__array_namespace__()
    s_tm1, s_t = (x.astype(xp.float32) for x in (log.s_tm1, log.s_t))
    known = xp.all(s_t[:-1] == s_tm1[1:], axis=-1, keepdims=True)
    a_t = xp.where(known, log.a_tm1[1:], xp.inf)
    unknown = xp.full_like(log.a_tm1[:1], xp.inf, dtype=a_t.dtype)  # at the log's end
    return log._replace(a_t=xp.concatenate([a_t, unknown]))


def has_successor(rows: Transition) -> Any:
    """`[...]` False at terminal rows whose successor was never logged."""
    return ~((rows.s_t == rows.s_tm1).all(axis=-1) & (rows.discount_t == 0))


class Scales(NamedTuple):
    """Per-dimension constants taken from the data when a run begins.

    The defaults (`unit_scales`) are the published behaviour: raw observations and
    absolute discriminator noise.
    """

    obs_mean: Any
    """`[O]` subtracted from observations before every network."""
    obs_std: Any
    """`[O]` observations are divided by this."""
    noise_obs: Any
    """`[O]` multiplies `Hyper.discriminator_noise` on states."""
    noise_action: Any
    """`[A]` multiplies `Hyper.discriminator_noise` on actions."""
    next_obs_std: Any
    """`[O]` std of the log's states; multiplies `Hyper.gap_noise`."""


def unit_scales(obs_dim: int, action_dim: int) -> Scales:
    """Scales that leave observations raw and the discriminator noise absolute."""
    return Scales(
        obs_mean=jnp.zeros(obs_dim),
        obs_std=jnp.ones(obs_dim),
        noise_obs=jnp.ones(obs_dim),
        noise_action=jnp.ones(action_dim),
        next_obs_std=jnp.ones(obs_dim),
    )


class ObsScales(NamedTuple):
    """The scales that acting needs."""

    obs_mean: Any
    obs_std: Any


class Actor(NamedTuple):
    """The part of a state that acting needs, and that goes to a robot."""

    policy: Params
    """Parameters of the policy network."""
    scales: ObsScales


class LearnerState(struct.PyTreeNode):
    """Everything that learning changes or depends on, in one pytree."""

    params: dict[str, Params]
    """Online parameters by group: policy, critic, value, discriminator, log_alpha."""
    target_params: dict[str, Params]
    """Moving averages of some groups."""
    average_policy: Params
    """Moving average of the policy by steps of `hyper.policy_ema`, at first the policy
    itself; None of a method that trains no policy."""
    opt_state: dict[str, Any]
    """Optimiser state by group."""
    hyper: Hyper
    scales: Scales
    key: jax.Array
    """Base key; randomness of an update is a function of `(key, step)`."""
    step: jax.Array
    """Updates done so far, uint32."""
    failures: dict[str, jax.Array]
    """Per group, how many of the latest skipped updates it was the first to spoil by
    numbers that are not finite (uint32); 0 after an update that was kept. See
    `learning`."""

    @property
    def actor(self) -> Actor:
        """The policy that explores, for `Algorithm.act`."""
        return Actor(self.params["policy"], self._obs_scales)

    @property
    def average_actor(self) -> Actor:
        """The policy that is evaluated and goes to a robot, for `Algorithm.act`."""
        return Actor(self.average_policy, self._obs_scales)

    @property
    def _obs_scales(self) -> ObsScales:
        return ObsScales(self.scales.obs_mean, self.scales.obs_std)
