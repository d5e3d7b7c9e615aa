import dataclasses
import importlib
import pathlib

import pytest

import experiments
from experiments import build, collect
from experiments.cli import parsing
from experiments.cli.flags import Flags
from experiments.judge import Judged
from experiments.runs import grid
from h2o_jax import settings
from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.settings import FREE, at_least, setting
from h2o_jax.sim import gaps
from h2o_jax.types import Hyper
from tests.commands import experiment_of, parsed, write_run

FLAGFILES = sorted(
    (pathlib.Path(experiments.__file__).parent / "flagfiles").rglob("*.flags"),
)

SERVED = (
    *("audit", "collect", "correct", "export", "identify", "inspect", "judge"),
    "report",
)
"""Commands that take a run's flagfile, too."""


@pytest.mark.parametrize("field", dataclasses.fields(Hyper), ids=lambda f: f.name)
def test_every_hyperparameter_has_a_flag_of_its_name_and_default(field):
    assert parsed().value(field.name) == (field.default,)
    about = dict((f.name, s) for f, s in settings.of(Hyper))[field.name]
    assert about.values.contains(field.default) and about.help.endswith(".")


@pytest.mark.parametrize("path", FLAGFILES, ids=lambda p: p.stem)
def test_flagfiles_parse_and_begin_with_a_comment(path):
    assert path.read_text().startswith("# ")
    assert experiment_of(f"--flagfile={path}").runs


def test_table_one_has_a_file_for_each_published_gap():
    names = {p.stem for p in FLAGFILES if p.parent.name == "table1"}
    assert sum(name.startswith("halfcheetah_") for name in names) == 9
    assert sum(name.startswith("walker2d_") for name in names) == 7


def test_lists_span_a_grid_with_seeds_fastest():
    arguments = ("--gap=gravity:2,friction:0.3", "--seed=0..1", "--lambda=0,0.5")
    assert [(r.label, r.seed) for r in experiment_of(*arguments).runs] == [
        ("gravity:2 lambda_real=0 lambda_sim=0", 0),
        ("gravity:2 lambda_real=0 lambda_sim=0", 1),
        ("gravity:2 lambda_real=0.5 lambda_sim=0.5", 0),
        ("gravity:2 lambda_real=0.5 lambda_sim=0.5", 1),
        ("friction:0.3 lambda_real=0 lambda_sim=0", 0),
        ("friction:0.3 lambda_real=0 lambda_sim=0", 1),
        ("friction:0.3 lambda_real=0.5 lambda_sim=0.5", 0),
        ("friction:0.3 lambda_real=0.5 lambda_sim=0.5", 1),
    ]


def test_plus_joins_gaps_in_one_run():
    (run,) = experiment_of("--gap=gravity:2+friction:0.3").runs
    assert gaps.to_text(run.gap) == "gravity:2+friction:0.3"


def test_later_flags_win_over_a_flagfile(tmp_path):
    (tmp_path / "a.flags").write_text("--seed=0..4\n--lambda=0.3\n")
    (run,) = experiment_of(f"--flagfile={tmp_path / 'a.flags'}", "--seed=7").runs
    assert run.seed == 7
    assert dict(run.hyper) == {"lambda_real": 0.3, "lambda_sim": 0.3}


def test_hyper_leaves_follow_the_runs_and_the_padding():
    runs = grid([0, 1], [()], {"expectile": [0.5, 0.9]})
    experiment = dataclasses.replace(experiment_of(), runs=runs)
    assert experiment.hyper(5).expectile.tolist() == pytest.approx(
        [0.5, 0.5, 0.9, 0.9, 0.9]
    )


def test_text_is_a_flagfile_that_repeats_the_command(tmp_path):
    arguments = ("--seed=1,3", "--lambda=0,1", "--normalise", "--gap=friction")
    (tmp_path / "again.flags").write_text(parsed(*arguments).text())
    again = experiment_of(f"--flagfile={tmp_path / 'again.flags'}")
    assert again == experiment_of(*arguments)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--lamda=0.1", "lambda"),
        ("--task=cheetah", "halfcheetah"),
        ("--lambda=1.5", r"--lambda=1.5: .*\[0, 1\]"),
        ("--expectile=1", r"--expectile=1: .*\(0, 1\)"),
        ("--critic_lr=nan", "--critic_lr=nan"),
        ("--critic_lr=1e39", "critic_lr=1e39: .*give one > 0 that float32 holds"),
        ("--reward_scale=1e-46", "scale=1e-46: .*give one > 0 that float32 holds"),
        ("--critic_lr=fast", "not a number"),
        ("--epochs=0", "epochs"),
        ("--seed=1,1", "--seed=1,1: a number is given twice"),
        ("--hidden=4..6", "--hidden=4..6: not whole numbers"),
        ("--seed=-1", "--seed=-1: must be 0 or more"),
        ("--seed=4..0", "--seed=4..0: empty"),
        ("--hidden=64,x", "--hidden=64,x"),
        ("--learn_rows=8:4", "--learn_rows=8:4"),
        ("--gap=gravty", "gravity, friction"),
        ("--gap=friction:-1", "> 0"),
        ("stray", "'stray' is no flag"),
        ("--critic_lr=", "--critic_lr=: empty"),
        ("--gap=gravity,gravity:2", "seed 0 is given twice by the lists of --gap"),
        (
            "--weighting=ratio,unit",
            "ratio,unit: give one; only numbers, gaps",
        ),
        ("--ratio_low=2", "--ratio_low is above"),
        ("--decay_updates=10", "--decay_updates=10: nothing is learned after it"),
    ],
)
def test_bad_flags_are_named(argument, message):
    with pytest.raises(ConfigError, match=message):
        experiment_of(argument)


@pytest.mark.fault
@pytest.mark.parametrize("part", [0.2, Hyper().lambda_real])
def test_lambda_excludes_its_parts(part):
    with pytest.raises(ConfigError, match="--lambda sets --lambda_real too"):
        experiment_of("--lambda=0.5", f"--lambda_real={part}")


@pytest.mark.fault
def test_a_setting_that_the_method_lacks_is_refused():
    experiment = experiment_of("--algorithm=sac", "--backbone=sql")
    with pytest.raises(ConfigError, match="--backbone: sac has none"):
        build.algorithm(experiment)


def test_resume_takes_the_flags_of_the_run(tmp_path):
    write_run(tmp_path, "--seed=3\n--epochs=5\n")
    experiment = experiment_of(f"--resume={tmp_path}", "--epochs=9")
    assert (experiment.runs[0].seed, experiment.epochs) == (3, 9)


@pytest.mark.fault
def test_resume_refuses_flags_that_were_edited(tmp_path):
    write_run(tmp_path, "--seed=3\n")
    path = tmp_path / "flags.flags"
    path.write_text(path.read_text().replace("3", "4"))
    with pytest.raises(CheckpointError, match=r"flags\.flags: was edited"):
        parsed(f"--resume={tmp_path}")


@pytest.mark.fault
def test_resume_refuses_another_value(tmp_path):
    write_run(tmp_path, "--seed=3\n")
    with pytest.raises(CheckpointError, match="--seed was '3' there, is '4' now"):
        parsed(f"--resume={tmp_path}", "--seed=4")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """A title.

    More, which the help leaves out.
    """

    size: int = setting(3, "How large.", at_least(1), [FREE])
    kind: str | None = setting(None, "Which kind.", ("one", "two"))
    fast: bool = setting(False, "Whether fast.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Other:
    """Another title."""

    unused: str = setting("", "Nothing.")


def test_a_new_setting_is_one_line_and_shows_in_the_help():
    flags = Flags(Example)
    flags.parse(["prog", "--size=4", "--kind=two", "--fast"])
    assert flags.of(Example) == Example(size=4, kind="two", fast=True)
    assert flags.help("What it does.").startswith(
        "What it does.\n\n"
        "A title:\n"
        "  --size=3  (>= 1)\n      How large.\n"
        "  --kind=  (one, two)\n      Which kind.\n"
        "  --[no]fast\n      Whether fast.\n\n"
        "Every command:\n"
    )


def test_hidden_flags_are_accepted_and_not_shown():
    flags = Flags(Example, hidden=[Other, "kind"])
    flags.parse(["prog", "--size=4", "--kind=two", "--unused=x"])
    assert "--size" in flags.help("") and "--kind" not in flags.help("")
    assert "--unused" not in flags.help("")


def test_what_serves_other_commands_is_told_where_it_is_given_by_hand(tmp_path):
    flags = Flags(Example, hidden=[Other, "kind"])
    (tmp_path / "own.flags").write_text("--unused=x\n")
    flags.parse(["prog", f"--flagfile={tmp_path}/own.flags", "--size=4"])
    assert flags.unread() == []
    flags.parse(["prog", "--size=4", "--kind=two", "--unused", "kind"])
    assert sorted(flags.unread()) == ["kind", "unused"]
    flags.parse(["prog", "--size", "4", "--unused", "kind"])
    assert flags.unread() == ["unused"]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("--unused=~/a,~/b", "/me/a,/me/b"),
        ("-unused=@~/a", "@/me/a"),
        ("--unused=none+@~/a", "none+@/me/a"),
        ("--unused=a~/b", "a~/b"),
    ],
)
def test_home_is_where_shells_have_it(given, read, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/me")
    (tmp_path / "own.flags").write_text(given + "\n")
    for words in [given], [f"--flagfile={tmp_path}/own.flags"]:
        flags = Flags(Other)
        flags.parse(["prog", *words])
        assert flags.of(Other).unused == read


@pytest.mark.fault
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_number_is_within_its_range(value):
    with pytest.raises(ConfigError, match="--return_range"):
        experiment_of(f"--return_range={value}")


@pytest.mark.parametrize("path", FLAGFILES, ids=lambda p: p.stem)
def test_a_runs_flagfile_serves_to_collect_its_log(path):
    flags = parsed(
        f"--flagfile={path}", settings=collect.SETTINGS, hidden=collect.HIDDEN
    )
    assert parsing.experiment(flags).task


@pytest.mark.parametrize("name", SERVED)
def test_a_runs_own_flagfile_serves_every_command(tmp_path, name):
    module = importlib.import_module(f"experiments.{name}")
    told = ("--task=hopper", "--gap=gravity:2", "--real=unknown", "--threads=1")
    path = tmp_path / "flags.flags"
    path.write_text("# seal 0\n" + parsed(*told).text())
    flags = parsed(f"--flagfile={path}", settings=module.SETTINGS, hidden=module.HIDDEN)
    for group in module.SETTINGS:
        flags.values(group)  # each can be read, also where a run has one of its name
    assert "--policy_lr" not in flags.help("")


def test_a_flag_of_a_command_is_its_own_beside_a_hidden_one():
    flags = parsed("--discount=0.9", settings=(Judged,), hidden=(Hyper,))
    assert flags.of(Judged).discount == 0.9  # Hyper's may be several


@pytest.mark.fault
def test_a_run_of_another_version_is_refused(tmp_path):
    write_run(tmp_path, "--seed=3\n--part=0/2\n")
    with pytest.raises(CheckpointError, match=r"made by another version .*'part'"):
        parsed(f"--resume={tmp_path}")


def test_commands_do_not_share_flags():
    one, other = Flags(Example), Flags(Example)
    one.parse(["prog", "--size=4"])
    other.parse(["prog"])
    assert (one.of(Example).size, other.of(Example).size) == (4, 3)
