"""Scales by a log, by hand."""

import numpy as np

from h2o_jax import Transition, log_scales


def test_observations_are_seen_with_mean_0_and_std_1():
    obs = np.float32([[1, 7], [5, 7]])  # means 3 and 7, stds 2 and 0
    one = np.ones(2, np.float32)
    scales = log_scales(Transition(obs, np.zeros((2, 3), np.float32), one, one, obs))
    np.testing.assert_array_equal(scales.obs_mean, [3, 7])
    np.testing.assert_array_equal(scales.obs_std, [2, 1])
    np.testing.assert_array_equal(scales.next_obs_std, [1, 0])
    np.testing.assert_array_equal(scales.noise_obs, [1, 1])
    np.testing.assert_array_equal(scales.noise_action, [1, 1, 1])


def test_a_constant_far_from_0_is_not_scaled_by_its_rounding():
    obs = np.full((30_000, 1), 1234.567, np.float32)
    rows = Transition(obs, obs, obs[:, 0], obs[:, 0], obs)
    assert log_scales(rows).obs_std == 1
