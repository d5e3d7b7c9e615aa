"""From an experiment to its parts: the scales that a log gives."""

import numpy as np
import pytest

from experiments import scaling
from h2o_jax.data.datasets import Dataset
from h2o_jax.types import Transition
from tests.commands import TINY, experiment_of

STD = np.array([0.0, *np.linspace(0.5, 2.0, 10)], np.float32)
"""Of Hopper's observations; the first never varies."""


def scales(*arguments):
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(4000, 11))
    obs = (3 + STD * (obs - obs.mean(axis=0)) / obs.std(axis=0)).astype(np.float32)
    actions = np.tile(np.float32([-1, 0, 1]), (4000, 1))
    rows = Transition(obs, actions, obs[:, 0], obs[:, 0] * 0, obs)
    dataset = Dataset(rows, np.zeros(0), np.zeros(0, int), 0, "log", "")
    return scaling.scales(experiment_of(*TINY, *arguments), dataset)


def test_next_states_vary_as_the_log_does():
    result = scales()
    np.testing.assert_allclose(result.next_obs_std, STD + 1e-3, rtol=1e-4)
    np.testing.assert_array_equal(result.obs_std, np.ones(11))


def test_normalised_next_states_vary_by_one_or_not_at_all():
    result = scales("--normalise")
    np.testing.assert_array_equal(result.next_obs_std, [0.0, *np.ones(10)])
    np.testing.assert_allclose(result.obs_std, [1.0, *STD[1:]], rtol=1e-4)
    # A constant dimension is shifted to zero, in its raw unit.
    assert result.obs_mean[0] == pytest.approx(3.0)
