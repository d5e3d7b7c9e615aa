"""What a run's log decides about its numbers: observations, noise, rewards."""

import numpy as np

from experiments.experiment import Experiment
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError
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
    found = unit_scales(task.obs_dim, task.action_dim)
    if dataset is None:
        return found
    rows = dataset.transition
    (mean, spread_obs), (_, spread_action) = map(moments, (rows.s_tm1, rows.a_tm1))
    # A constant dimension keeps its raw scale.
    obs_std, action_std = (
        np.where(std > 1e-6, std, 1.0) for std in (spread_obs, spread_action)
    )
    # H2O imagines next states as far apart as the log's, in the units that it sees; in
    # raw units 1e-3 further, as published, which is all that a constant dimension gets.
    found = found._replace(
        next_obs_std=spread_obs / obs_std if experiment.normalise else spread_obs + 1e-3
    )
    if experiment.normalise:
        found = found._replace(obs_mean=mean, obs_std=obs_std)
    if experiment.relative_noise:
        # The noise is added after normalisation, which already divides by the std.
        noise_obs = found.noise_obs if experiment.normalise else obs_std
        found = found._replace(noise_obs=noise_obs, noise_action=action_std)
    return found


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std of columns `[N, D]`, in float32.

    They are summed in float64, which makes a constant column's std exactly zero:
    float32 sums are so far off that it would be scaled by their rounding.
    """
    exact = np.asarray(rows, np.float64)
    return exact.mean(axis=0).astype(np.float32), exact.std(axis=0).astype(np.float32)
