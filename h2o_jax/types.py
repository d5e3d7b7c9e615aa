"""The records that every other module speaks: transitions, state, algorithms.

Suffixes follow the field's convention: `x_tm1` belongs to the state a transition
leaves, `x_t` to the one it reaches. `[...]` is any batch shape, `O` the number of
observations, `A` of actions, `K` of critics.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

Params = Any
Metrics = dict[str, jax.Array]
Noise = dict[str, jax.Array]


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
    """`[..., A]` logged actions at `s_t`, inf where unknown; see `replay.follow`."""


class Hyper(struct.PyTreeNode):
    """Float hyperparameters: leaves of the state, so that one program spans a sweep."""

    discount: Any = 0.99
    """Discount factor gamma."""
    target_ema: Any = 0.005
    """Step of the target networks' exponential moving average."""
    lambda_real: Any = 0.1
    """Share of V(s') in the Bellman target of real rows (lambda, Eq. 7)."""
    lambda_sim: Any = 0.1
    """Share of V(s') in the Bellman target of simulated rows."""
    expectile: Any = 0.7
    """tau of the `iql` backbone, in (0, 1)."""
    sparse_alpha: Any = 1.0
    """Scale of the `sql` backbone (a quarter of IVR's)."""
    exponential_scale: Any = 2.0
    """Scale of the `eql` and `xql` backbones."""
    exponential_clip: Any = 5.0
    """Largest exponent of the `eql` and `xql` backbones."""
    exponential_tail: Any = 0.0
    """1 continues the exponential linearly above the clip, 0 (published) is flat."""
    iql_temperature: Any = 3.0
    """`iql` weighs a logged action by the exponential of so many advantages."""
    exponential_temperature: Any = 10.0
    """The same for `eql` and `xql`, in units of 1 / `exponential_scale`."""
    weight_high: Any = 100.0
    """Largest weight of a logged action in a policy's likelihood."""
    ratio_low: Any = 1e-5
    """Smallest importance weight of a simulated row."""
    ratio_high: Any = 1.0
    """Largest importance weight; low = high = 1 switches the ratio off."""
    cql_weight: Any = 2.0
    """Factor on the penalty of `cql`."""
    cql_temperature: Any = 1.0
    """Temperature of that penalty's soft maximum over actions."""
    gap_weight: Any = 0.01
    """Factor on the penalty of `h2o`."""
    gap_noise: Any = 1.0
    """Spread of the next states that `h2o` imagines, in std of the log's states."""
    darc_clip: Any = 10.0
    """Largest correction of a reward by `darc`."""
    darc_warmup: Any = 0.0
    """Updates of `darc` before its first correction."""
    diversity: Any = 1.0
    """Factor on the penalty of `edac` (its eta)."""
    policy_cloning: Any = 0.01
    """What `rebrac`'s policy pays for squared distance from the logged action."""
    critic_cloning: Any = 0.001
    """What its target pays for that from the next logged action."""
    discriminator_noise: Any = 0.1
    """Std of the noise on the discriminators' training inputs."""
    entropy_per_action: Any = -1.0
    """Target entropy of the policy, per action dimension."""
    reward_shift: Any = 0.0
    """Added to both domains' rewards inside `update`, before `reward_scale`."""
    reward_scale: Any = 1.0
    """Factor on both domains' rewards inside `update`; reports stay unscaled."""
    policy_lr: Any = 3e-4
    """Adam step of the policy."""
    policy_lr_steps: Any = 1e6
    """Updates until `iql`, `sql`, `eql`, `xql` have brought it to 0 (half a cosine)."""
    critic_lr: Any = 3e-4
    """Adam step of the critics."""
    value_lr: Any = 3e-4
    """Adam step of the state value."""
    log_alpha_lr: Any = 3e-4
    """Adam step of the log temperature."""
    discriminator_lr: Any = 3e-4
    """Adam step of both discriminators."""
    decay_updates: Any = 0.0
    """Updates over which every Adam step falls linearly to zero; 0: never."""


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
    """What acting needs: the part of a state that goes to a robot."""

    policy: Params
    """Parameters of the policy network."""
    scales: ObsScales


class LearnerState(struct.PyTreeNode):
    """Everything that learning changes or depends on, in one pytree."""

    params: dict[str, Params]
    """Online parameters by group: policy, critic, value, discriminator, log_alpha."""
    target_params: dict[str, Params]
    """Moving averages of some groups."""
    opt_state: dict[str, Any]
    """Optimiser state by group."""
    hyper: Hyper
    scales: Scales
    key: jax.Array
    """Base key; randomness of an update is a function of `(key, step)`."""
    step: jax.Array
    """Updates done so far, uint32."""

    @property
    def actor(self) -> Actor:
        """The policy of this state, for `Algorithm.act`."""
        scales = ObsScales(self.scales.obs_mean, self.scales.obs_std)
        return Actor(self.params["policy"], scales)


class View(NamedTuple):
    """What one loss sees: a snapshot of the parameters and its rows of each domain."""

    params: Mapping[str, Params]
    target_params: Mapping[str, Params]
    hyper: Hyper
    scales: Scales
    step: jax.Array
    """Updates done so far."""
    batch: Mapping[str, Transition]
    """Domain (`real`, `sim`) -> its rows, normalised and with scaled rewards."""


class Loss(NamedTuple):
    """A loss over networks, trained on a range of rows with named noise."""

    apply: Callable[[View, Noise], tuple[jax.Array, Metrics]]
    """`(view, noise) -> (scalar loss, metrics)`."""
    rows: slice
    """Which rows of each domain's batch it sees."""
    noise: Callable[[int], dict[str, tuple[int, ...]]]
    """Number of rows per domain -> shape of each normal draw; equal names share one."""


Stage = Mapping[str, Loss]
"""Parameter group -> the one loss that trains it; all see the same snapshot."""


class Distribution(NamedTuple):
    """A family of policies over mean and log-std, `[..., A]` each."""

    sample: Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    """`(mean, log_std, noise [..., A]) -> actions [..., A], log-probability [...]`."""
    log_prob: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    """`(mean, log_std, actions [..., A]) -> [...]`."""
    mode: Callable[[jax.Array], jax.Array]
    """`mean -> [..., A]` the deterministic action."""


class Networks(NamedTuple):
    """Pure functions over parameters; see `networks.make_networks`."""

    init: Mapping[str, Callable[[jax.Array], Params]]
    """Parameter group -> its initialiser, `key -> params`."""
    policy: Callable[..., tuple[jax.Array, jax.Array]]
    distribution: Distribution
    """What `policy`'s two outputs parametrise."""
    critic: Callable[..., jax.Array]
    value: Callable[..., jax.Array]
    discriminator: Callable[..., tuple[jax.Array, jax.Array]]
    obs_dim: int
    action_dim: int


class Algorithm(NamedTuple):
    """A method as pure functions."""

    init: Callable[..., LearnerState]
    """`(key, hyper=Hyper(), scales=None) -> state`."""
    update: Callable[..., tuple[LearnerState, Metrics]]
    """`(state, real_batch, sim_batch) -> (state, metrics)`, jitted."""
    step: Callable[..., tuple[LearnerState, Metrics]]
    """`update` with given noise: `(state, real_batch, sim_batch, *, noise)`."""
    noise: Callable[..., tuple[Noise, ...]]
    """`key ->` one dict of normals per stage."""
    act: Callable[..., jax.Array]
    """`(state.actor, obs [..., O], key=None) -> [..., A]`; no key gives the mode."""
    domains: frozenset[str]
    """Which of `real`, `sim` the method learns from."""
    batch_size: int
    """Rows of each domain that one update takes."""
    follows: bool = False
    """Whether real rows must carry the next logged action, `a_t`."""
