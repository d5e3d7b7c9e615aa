"""From an experiment to its parts: the scales that a log gives."""

import numpy as np
import pytest

from experiments import build, run, scaling
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError
from h2o_jax.types import Transition
from tests.commands import TINY, experiment_of

STD = np.array([0.0, *np.linspace(0.5, 2.0, 10)], np.float32)
"""Of Hopper's observations; the first never varies."""


def log_of(centre=3.0, count=4000):
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(count, 11))
    obs = (obs - obs.mean(axis=0)) / obs.std(axis=0)
    obs = (centre + STD * obs).astype(np.float32)
    actions = np.tile(np.float32([-1, 0.1, 1]), (count, 1))
    rows = Transition(obs, actions, obs[:, 0], obs[:, 0] * 0, obs)
    return Dataset(rows, np.zeros(0), np.zeros(0, int), 0, "log", "")


def scales(*arguments, dataset=None):
    experiment = experiment_of(*TINY, *arguments)
    return scaling.scales(experiment, dataset or log_of())


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


def test_what_is_constant_has_no_spread_in_a_long_log():
    """Summed in float32 its std would be 1e-3 here, and that of an action 2e-5."""
    log = log_of(centre=9.81, count=20_000)
    found = scales("--normalise", "--relative_noise", dataset=log)
    assert found.obs_mean[0] == np.float32(9.81) and found.obs_std[0] == 1
    np.testing.assert_array_equal(found.noise_action, np.ones(3))
    assert run._scales(experiment_of(*TINY), log) == []


@pytest.mark.fault
@pytest.mark.parametrize(
    ("builder", "lacks"),
    [
        (lambda obs_dim, action_dim, hidden: None, r"learn_rows=slice\(0, 256\) and"),
        (lambda obs_dim, action_dim, learn_rows: None, r"lacks \*\*network_settings;"),
        (lambda obs_dim, action_dim, **given: None, r"lacks learn_rows=[^ ]+ 256\);"),
    ],
)
def test_a_builder_that_flags_do_not_reach_is_refused(monkeypatch, builder, lacks):
    experiment = experiment_of(*TINY, "--algorithm=sac")
    monkeypatch.setitem(build.ALGORITHMS, "sac", builder)
    with pytest.raises(ConfigError, match=f"--algorithm=sac: its builder.*{lacks}"):
        build.algorithm(experiment)
