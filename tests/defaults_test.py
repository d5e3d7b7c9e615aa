"""Flags that are not given: recommended values, or the published ones."""

import dataclasses

import pytest

from experiments import run
from experiments.cli import parsing, recommended
from experiments.cli.flags import Flags
from experiments.experiment import defaults
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.types import Hyper
from tests.commands import write_run


def flags_of(*arguments):
    """As `experiments.run` reads its command line."""
    flags = Flags(*run.SETTINGS)
    flags.parse(["run", *arguments])
    return flags


def test_flags_that_are_not_given_are_recommended():
    flags = flags_of()
    assert flags.value("normalise") and flags.value("critic_layer_norm")
    assert flags.value("critic_lr") == (1e-3,) and flags.value("weighting") == "unit"
    assert not flags.is_given("normalise")


def test_what_is_given_wins():
    flags = flags_of("--critic_lr=2e-4,3e-4", "--nonormalise", "--weighting=ratio")
    assert flags.value("critic_lr") == (2e-4, 3e-4)
    assert not flags.value("normalise") and flags.value("weighting") == "ratio"


def test_a_method_has_what_is_its_own():
    sac = flags_of("--algorithm=sac")
    assert sac.value("random_steps") == 10_000 and not sac.value("normalise")
    assert sac.value("weighting") is None and sac.value("critic_lr") == (1e-3,)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_published_are_the_defaults_of_the_library(algorithm):
    flags = flags_of("--defaults=published", f"--algorithm={algorithm}")
    experiment = parsing.experiment(flags)
    assert {k: v for k, v in vars(experiment).items() if k in defaults()} == {
        k: v for k, v in defaults().items() if k in vars(experiment)
    }
    assert experiment.runs[0].hyper == ()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_recommended_flag_is_one_that_can_change_a_result(algorithm):
    chosen = recommended.values(algorithm)
    known = {*defaults(), *(field.name for field in dataclasses.fields(Hyper))}
    assert chosen and chosen.keys() <= known
    said = {
        x[2:].partition("=")[0] for x in flags_of(f"--algorithm={algorithm}").choices()
    }
    assert "critic_lr" in said


def test_a_resumed_run_keeps_its_own(tmp_path):
    write_run(tmp_path, "--seed=3\n--critic_lr=5e-4\n")
    flags = flags_of(f"--resume={tmp_path}")
    assert flags.value("critic_lr") == (5e-4,)
    assert flags.value("weighting") is None and not flags.value("normalise")
