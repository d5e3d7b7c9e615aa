"""Flags that are not given: recommended values, or the published ones."""

import pytest

from experiments import build, run
from experiments.cli import parsing, recommended
from experiments.cli.flags import Flags
from experiments.experiment import defaults
from experiments.unused import unused
from h2o_jax.algorithms import ALGORITHMS
from tests.commands import write_run

FLAGFILES = recommended.FOLDER.parent
PUBLISHED = sorted(
    x
    for folder in ("table1", "odrl", "methods", ".")
    for x in (FLAGFILES / folder).glob("*.flags")
    if x.stem not in ("small", "quickstart")
)


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


def test_balancing_changes_what_is_recommended():
    balance = flags_of("--defaults=balancing", "--anchor_weight=2")
    assert balance.value("discount") == (0.995,) and balance.value("critic_layer_norm")
    assert balance.value("anchor") == "advantage"
    assert balance.value("anchor_weight") == (2.0,)
    sac = flags_of("--defaults=balancing", "--algorithm=sac")
    assert sac.value("random_steps") == 10_000 and sac.value("reward_scale") == (0.1,)
    assert sac.value("anchor") is None and flags_of().value("discount") == (0.99,)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_published_are_the_defaults_of_the_library(algorithm):
    flags = flags_of("--defaults=published", f"--algorithm={algorithm}")
    experiment = parsing.experiment(flags)
    assert {k: v for k, v in vars(experiment).items() if k in defaults()} == {
        k: v for k, v in defaults().items() if k in vars(experiment)
    }
    assert experiment.runs[0].hyper == ()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", recommended.KINDS)
def test_every_method_is_built_with_what_is_recommended(kind, algorithm):
    flags = flags_of(f"--defaults={kind}", f"--algorithm={algorithm}", "--hidden=8,8")
    assert recommended.values(kind, algorithm).keys() <= defaults().keys()
    assert build.algorithm(parsing.experiment(flags)).groups


def test_a_resumed_run_keeps_its_own(tmp_path):
    write_run(tmp_path, "--seed=3\n--critic_lr=5e-4\n")
    flags = flags_of(f"--resume={tmp_path}")
    assert flags.value("critic_lr") == (5e-4,)
    assert flags.value("weighting") is None and not flags.value("normalise")
    # A folder from before there were two kinds of defaults.
    assert flags.value("defaults") == "published"


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda x: f"{x.parent.name}-{x.stem}")
def test_files_of_published_settings_recommend_nothing(path):
    flags = flags_of(f"--flagfile={path}")
    assert flags.value("critic_lr") == (3e-4,) and not flags.value("normalise")
    assert flags.value("weighting") is None
    assert flags.value("critic_layer_norm") is None


def test_ratio_settings_are_none_of_a_run_without_a_ratio():
    alike = {"algorithm": "h2o_plus", "weighting": "unit"}
    assert {"ratio_low", "discriminator_hidden"} <= unused(alike)
    assert "ratio_low" not in unused({"algorithm": "h2o_plus"})


def test_help_says_what_is_recommended():
    shown = Flags(*run.SETTINGS).help("What it does.")
    assert (
        "--critic_lr=0.0003  (> 0; a list is one run each)  recommended: 1e-3" in shown
    )
    assert "--weighting=  (ratio, normalised, unit)  recommended: unit" in shown


def test_random_steps_are_none_of_a_method_without_a_simulator():
    assert "random_steps" in unused({"algorithm": "iql"})
    assert "random_steps" not in unused({"algorithm": "h2o_plus"})
