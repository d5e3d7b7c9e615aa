"""Rewards scaled by the log's returns, as the IQL family's code does."""

import types

import numpy as np
import pytest

from experiments import scaling
from h2o_jax.errors import ConfigError
from tests.commands import experiment_of


def reward_scales(returns, *arguments):
    """Of two runs, padded to three."""
    log = None
    if returns is not None:
        log = types.SimpleNamespace(episode_returns=np.asarray(returns))
    experiment = experiment_of("--algorithm=iql", "--reward_scale=1,3", *arguments)
    return scaling.hyper(experiment, log, 3).reward_scale


def test_the_log_spans_the_given_range_on_top_of_the_scale():
    scales = reward_scales([10.0, -20.0, 30.0], "--return_range=1000")
    np.testing.assert_allclose(scales, [20, 60, 60])


def test_without_it_rewards_stay():
    np.testing.assert_array_equal(reward_scales([10.0, 20.0]), [1, 3, 3])


@pytest.mark.parametrize("returns", [[], [5.0], [5.0, 5.0]])
def test_needs_two_different_returns(returns):
    with pytest.raises(ConfigError, match=r"--return_range=1000: .*two whole episodes"):
        reward_scales(returns, "--return_range=1000")


def test_needs_a_log():
    with pytest.raises(ConfigError, match=r"--return_range=1000: iql reads no log"):
        reward_scales(None, "--return_range=1000")
