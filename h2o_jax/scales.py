"""Scales by a log, with which networks see its observations alike."""

import numpy as np

from h2o_jax.types import Scales, Transition, unit_scales

_LEAST = 1e-6


def log_scales(log: Transition) -> Scales:
    """Scales by which networks see a log's observations with mean 0 and std 1.

    An observation that does not vary keeps its own scale. Give them to
    `Algorithm.init`; batches, simulated ones too, and what acts then stay in raw units.

    Args:
        log: rows `[N, ...]`, NumPy's.
    """
    mean, std = moments(log.s_tm1)
    scale = divisor(std)
    unit = unit_scales(log.s_tm1.shape[-1], log.a_tm1.shape[-1])
    return unit._replace(obs_mean=mean, obs_std=scale, next_obs_std=std / scale)


def divisor(std: np.ndarray) -> np.ndarray:
    """`[D]` what to divide columns by: their std, or 1 where they do not vary."""
    return np.where(std > _LEAST, std, np.float32(1))


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std of columns `[N, D]`, in float32.

    They are summed in float64, which makes a constant column's std exactly zero:
    float32 sums are so far off that it would be scaled by their rounding.
    """
    exact = np.asarray(rows, np.float64)
    return exact.mean(axis=0).astype(np.float32), exact.std(axis=0).astype(np.float32)
