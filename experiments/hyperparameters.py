"""What each float hyperparameter means on a command line, and what it may be."""

import math

UNIT = (0.0, 1.0)
POSITIVE = (math.ulp(0.0), math.inf)
_ANY = (-math.inf, math.inf)

RANGES = {
    "discount": UNIT,
    "target_ema": UNIT,
    "lambda_real": UNIT,
    "lambda_sim": UNIT,
    "expectile": (math.ulp(0.0), 1.0 - 2**-24),
    "exponential_tail": UNIT,
    "entropy_per_action": _ANY,
    "reward_shift": _ANY,
    "discriminator_noise": (0.0, math.inf),
    "cql_weight": (0.0, math.inf),
    "gap_weight": (0.0, math.inf),
    "gap_noise": (0.0, math.inf),
    "darc_clip": (0.0, math.inf),
    "darc_warmup": (0.0, math.inf),
    "diversity": (0.0, math.inf),
    "policy_cloning": (0.0, math.inf),
    "critic_cloning": (0.0, math.inf),
    "decay_updates": (0.0, math.inf),
}
HELP = {
    "discount": "Discount factor gamma, in [0, 1].",
    "target_ema": "Step of the target networks' moving average, in [0, 1].",
    "lambda_real": "Share of V(s') in the target of real rows, in [0, 1].",
    "lambda_sim": "Share of V(s') in the target of simulated rows, in [0, 1].",
    "expectile": "tau of the iql backbone, in (0, 1).",
    "sparse_alpha": "Scale of the sql backbone, > 0.",
    "exponential_scale": "Scale of the eql and xql backbones, > 0.",
    "exponential_clip": "Largest exponent of the eql and xql backbones, > 0.",
    "exponential_tail": "1: linear above that clip; 0: flat, as published.",
    "iql_temperature": "Advantages per e-fold of an iql policy's weights, > 0.",
    "exponential_temperature": "The same of eql and xql, per --exponential_scale, > 0.",
    "weight_high": "Largest weight of a logged action in a policy's likelihood, > 0.",
    "ratio_low": "Smallest weight of a simulated row, > 0.",
    "ratio_high": "Largest weight; --ratio_low=1 --ratio_high=1 is no ratio.",
    "cql_weight": "Factor on cql's penalty, >= 0.",
    "cql_temperature": "Temperature of that penalty's soft maximum, > 0.",
    "gap_weight": "Factor on h2o's penalty, >= 0.",
    "gap_noise": "Spread of h2o's imagined next states, in std of the log's, >= 0.",
    "darc_clip": "Largest correction of a reward by darc, >= 0.",
    "darc_warmup": "Updates of darc before its first correction, >= 0.",
    "diversity": "Factor on edac's penalty, >= 0.",
    "policy_cloning": "What rebrac's policy pays for leaving the logged action, >= 0.",
    "critic_cloning": "What its target pays for leaving the next one, >= 0.",
    "discriminator_noise": "Std of noise on discriminator inputs, >= 0.",
    "entropy_per_action": "Target entropy in nats per action dimension.",
    "reward_shift": "Added to rewards inside the update, before --reward_scale.",
    "reward_scale": "Factor on rewards inside the update, > 0; reports stay unscaled.",
    "policy_lr": "Adam step of the policy, > 0.",
    "policy_lr_steps": "Updates until that of iql, sql, eql and xql has decayed, > 0.",
    "critic_lr": "Adam step of the critics, > 0.",
    "value_lr": "Adam step of the state value, > 0.",
    "log_alpha_lr": "Adam step of the log temperature, > 0.",
    "discriminator_lr": "Adam step of the discriminators, > 0.",
    "decay_updates": "Updates over which all Adam steps fall linearly to 0; 0: never.",
}
