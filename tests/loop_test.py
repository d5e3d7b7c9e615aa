"""Training from Python: an experiment made by hand, no flags anywhere."""

import textwrap

import numpy as np
import pytest

from experiments import build, loop
from experiments.experiment import Experiment
from experiments.phases import Clock, phases_of
from experiments.runs import grid
from h2o_jax.data import datasets
from h2o_jax.errors import DivergenceError
from h2o_jax.sim import gaps
from tests.commands import write_log

pytestmark = pytest.mark.usefixtures("fast_compile")
TINY = {
    "task": "hopper",
    "hidden": (8, 8),
    "discriminator_hidden": (8, 8),
    "batch": 8,
    "epochs": 2,
    "steps": 20,
    "updates": 3,
    "evaluate_every": 2,
    "episodes": 2,
}


def experiment(algorithm):
    runs = grid([0, 1], [gaps.parse("gravity:2")], {"discount": [0.9]})
    return Experiment(algorithm=algorithm, runs=runs, **TINY)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = write_log(tmp_path_factory.mktemp("log") / "log.hdf5")
    return datasets.load(str(path), obs_dim=11, action_dim=3)


def test_the_example_of_the_module_runs(capsys):
    example = loop.__doc__.partition("::\n")[2]
    exec(textwrap.dedent(example), {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "0",
        "1",
        "2",
    ]


@pytest.mark.parametrize("algorithm", ["h2o_plus", "sac", "bc"])
def test_every_kind_of_method_trains_from_python(algorithm, log):
    training = build.training(experiment(algorithm), log)
    reports = list(loop.train(training))
    assert [report.epoch for report in reports] == [0, 1, 2]
    assert [report.scores is not None for report in reports] == [True, False, True]
    assert reports[2].scores.returns.shape == (2, 2)
    # Only simulators report returns; bc learns from the log alone.
    assert ("sim/return" in reports[1].metrics) == (algorithm != "bc")
    assert int(training.state.learner.step[0]) == 6


def test_a_clock_over_the_steps_tells_their_seconds_and_changes_nothing(log):
    plain, timed = (build.training(experiment("sac")) for _ in range(2))
    clock = Clock()
    laps = []
    for _ in loop.train(timed, clock.over(phases_of(timed))):
        laps.append(clock.lap())
    list(loop.train(plain))
    assert [set(lap) for lap in laps] == [
        {"evaluate"},
        {"simulate", "learn"},
        {"simulate", "learn", "evaluate"},
    ]
    np.testing.assert_array_equal(
        np.asarray(plain.state.replay.rows), np.asarray(timed.state.replay.rows)
    )


def test_a_loss_that_is_no_number_ends_training(log):
    wild = {"critic_lr": [1e30], "policy_lr": [1e30]}
    runs = grid([3], [gaps.parse("gravity:2")], wild)
    setup = Experiment(algorithm="sac", runs=runs, **{**TINY, "epochs": 50})
    with pytest.raises(DivergenceError, match=r"gravity:2, seed 3: .* lower --critic"):
        list(loop.train(build.training(setup)))
