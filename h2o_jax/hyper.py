"""The float hyperparameters of every method, each with its default, help and range."""

from typing import Any

from flax import struct

from h2o_jax.settings import (
    ANY,
    NOT_NEGATIVE,
    OPEN_UNIT,
    POSITIVE,
    SHARE,
    UNIT,
    setting,
)


class Hyper(struct.PyTreeNode):
    """Float hyperparameters: leaves of the state, so that one program spans a sweep."""

    discount: Any = setting(0.99, "Discount factor gamma.", UNIT)
    target_ema: Any = setting(
        0.005, "Step of the target networks' exponential moving average.", UNIT
    )
    policy_ema: Any = setting(
        1.0,
        "Step of the policy's moving average, which is evaluated and exported, while "
        "the policy itself explores; 1: they are the same.",
        SHARE,
    )
    lambda_real: Any = setting(
        0.1, "Share of V(s') in the Bellman target of real rows (lambda, Eq. 7).", UNIT
    )
    lambda_sim: Any = setting(
        0.1, "Share of V(s') in the Bellman target of simulated rows.", UNIT
    )
    expectile: Any = setting(0.7, "tau of the iql backbone.", OPEN_UNIT)
    sparse_alpha: Any = setting(
        1.0, "Scale of the sql backbone (a quarter of IVR's).", POSITIVE
    )
    exponential_scale: Any = setting(
        2.0, "Scale of the eql and xql backbones.", POSITIVE
    )
    exponential_clip: Any = setting(
        5.0, "Largest exponent of the eql and xql backbones.", POSITIVE
    )
    exponential_tail: Any = setting(
        0.0,
        "Slope of the eql and xql loss above the clip, relative to that at the clip; "
        "0 as published.",
        UNIT,
    )
    iql_temperature: Any = setting(
        3.0,
        "E-folds of a logged action's weight in iql's policy per unit of advantage.",
        POSITIVE,
    )
    exponential_temperature: Any = setting(
        10.0,
        "E-folds of a logged action's weight in the policy of eql and xql per "
        "exponential_scale of advantage.",
        POSITIVE,
    )
    weight_high: Any = setting(
        100.0,
        "Largest weight of a logged action in the policy of iql, sql, eql, xql and an "
        "anchored h2o_plus.",
        POSITIVE,
    )
    anchor_weight: Any = setting(
        0.1,
        "Factor on the anchor of h2o_plus' policy, relative to the mean size of Q.",
        NOT_NEGATIVE,
    )
    ratio_low: Any = setting(
        1e-5,
        "Smallest importance weight of a simulated row; none is below exp(-4) = 0.018, "
        "as logits are within +-2.",
        POSITIVE,
    )
    ratio_high: Any = setting(
        1.0,
        "Largest importance weight of a simulated row; equal to ratio_low: no ratio.",
        POSITIVE,
    )
    cql_weight: Any = setting(2.0, "Factor on cql's penalty.", NOT_NEGATIVE)
    cql_temperature: Any = setting(
        1.0, "Temperature of the soft maximum over actions in cql's penalty.", POSITIVE
    )
    gap_weight: Any = setting(0.01, "Factor on h2o's penalty.", NOT_NEGATIVE)
    gap_noise: Any = setting(
        1.0,
        "Spread of the next states that h2o imagines, in std of the log's states.",
        NOT_NEGATIVE,
    )
    darc_clip: Any = setting(
        10.0,
        "Largest correction of a reward by darc, in nats; none is beyond 4, as logits "
        "are within +-2.",
        NOT_NEGATIVE,
    )
    darc_warmup: Any = setting(
        0.0, "Updates of darc before its first correction.", NOT_NEGATIVE
    )
    diversity: Any = setting(
        1.0, "Factor on edac's penalty (eta in its paper).", NOT_NEGATIVE
    )
    policy_cloning: Any = setting(
        0.01,
        "Factor on the squared distance from the logged action in rebrac's policy.",
        NOT_NEGATIVE,
    )
    critic_cloning: Any = setting(
        0.001,
        "Factor on the squared distance from the next logged action in rebrac's "
        "target.",
        NOT_NEGATIVE,
    )
    discriminator_noise: Any = setting(
        0.1, "Std of the noise on the discriminators' training inputs.", NOT_NEGATIVE
    )
    entropy_per_action: Any = setting(
        -1.0, "Target entropy of the policy, in nats per action dimension.", ANY
    )
    reward_shift: Any = setting(
        0.0, "Added to both domains' rewards inside the update, before the scale.", ANY
    )
    reward_scale: Any = setting(
        1.0,
        "Factor on both domains' rewards inside the update; reports stay unscaled.",
        POSITIVE,
    )
    policy_lr: Any = setting(3e-4, "Adam step of the policy.", POSITIVE)
    policy_lr_steps: Any = setting(
        1e6,
        "Updates over which the policy's step falls to 0 along half a cosine in iql, "
        "sql, eql and xql.",
        POSITIVE,
    )
    critic_lr: Any = setting(3e-4, "Adam step of the critics.", POSITIVE)
    value_lr: Any = setting(3e-4, "Adam step of the state value.", POSITIVE)
    log_alpha_lr: Any = setting(3e-4, "Adam step of the log temperature.", POSITIVE)
    discriminator_lr: Any = setting(3e-4, "Adam step of both discriminators.", POSITIVE)
    decay_updates: Any = setting(
        0.0,
        "Updates over which every Adam step falls linearly to zero; 0: never.",
        NOT_NEGATIVE,
    )
