"""What a run's log decides about its numbers: observations, noise, rewards."""

import numpy as np

from experiments.experiment import Experiment
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError
from h2o_jax.scales import divisor, log_scales, moments
from h2o_jax.types import Hyper, Scales, unit_scales


def hyper(experiment: Experiment, dataset: Dataset | None, padded: int) -> Hyper:
    """Hyperparameters of all runs, with `--return_range` in their reward scale.

    Raises:
        ConfigError: there is no log, or no two episodes with different returns.
    """
    given = experiment.hyper(padded)
    if experiment.return_range is None:
        return given
    if dataset is None:
        raise ConfigError(
            f"--return_range={experiment.return_range:g}: {experiment.algorithm} reads "
            "no log; drop the flag"
        )
    returns = dataset.episode_returns
    apart = float(np.ptp(returns)) if len(returns) else 0.0
    if not apart:
        raise ConfigError(
            f"--return_range={experiment.return_range:g}: the log has no two whole "
            "episodes of different return; give --reward_scale instead"
        )
    scale = experiment.return_range / apart
    return given.replace(reward_scale=given.reward_scale * scale)


def scales(experiment: Experiment, dataset: Dataset | None) -> Scales:
    """Per-dimension constants, from the data where an option asks for them."""
    task = experiment.model
    if dataset is None:
        return unit_scales(task.obs_dim, task.action_dim)
    rows = dataset.transition
    if experiment.normalise:
        found = log_scales(rows)
    else:
        # H2O imagines next states as far apart as the log's and 1e-3 further, as
        # published, which is all that a constant dimension gets.
        _, std = moments(rows.s_tm1)
        unit = unit_scales(task.obs_dim, task.action_dim)
        found = unit._replace(next_obs_std=std + 1e-3)
    if experiment.relative_noise:
        # The noise is added after normalisation, which already divides by the std.
        (_, obs), (_, action) = map(moments, (rows.s_tm1, rows.a_tm1))
        noise = found.noise_obs if experiment.normalise else divisor(obs)
        found = found._replace(noise_obs=noise, noise_action=divisor(action))
    return found
