"""The float hyperparameters of every method."""

from typing import Any

from flax import struct


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
