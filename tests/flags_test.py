import dataclasses
import pathlib

import pytest
from absl import flags as absl_flags

from experiments import build, command_line, flags, from_flags
from experiments.experiment import grid
from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.sim import gaps
from h2o_jax.types import Hyper
from tests.commands import parsed

FLAGFILES = sorted(
    (pathlib.Path(flags.__file__).parent / "flagfiles").rglob("*.flags"),
)


@pytest.mark.parametrize("field", dataclasses.fields(Hyper), ids=lambda f: f.name)
def test_every_hyperparameter_has_a_flag_of_its_name_and_default(field):
    assert [float(x) for x in absl_flags.FLAGS[field.name].default] == [field.default]


@pytest.mark.parametrize("path", FLAGFILES, ids=lambda p: p.stem)
def test_flagfiles_parse_and_begin_with_a_comment(path):
    assert path.read_text().startswith("# ")
    with parsed(f"--flagfile={path}"):
        assert from_flags.experiment().runs


def test_table_one_has_a_file_for_each_published_gap():
    names = {p.stem for p in FLAGFILES if p.parent.name == "table1"}
    assert sum(name.startswith("halfcheetah_") for name in names) == 9
    assert sum(name.startswith("walker2d_") for name in names) == 7


def test_lists_span_a_grid_with_seeds_fastest():
    with parsed("--gap=gravity:2,friction:0.3", "--seed=0..1", "--lambda=0,0.5"):
        runs = from_flags.experiment().runs
    assert [(r.label, r.seed) for r in runs] == [
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
    with parsed("--gap=gravity:2+friction:0.3"):
        (run,) = from_flags.experiment().runs
    assert gaps.to_text(run.gap) == "gravity:2+friction:0.3"


def test_later_flags_win_over_a_flagfile(tmp_path):
    (tmp_path / "a.flags").write_text("--seed=0..4\n--lambda=0.3\n")
    with parsed(f"--flagfile={tmp_path / 'a.flags'}", "--seed=7"):
        (run,) = from_flags.experiment().runs
    assert run.seed == 7
    assert dict(run.hyper) == {"lambda_real": 0.3, "lambda_sim": 0.3}


def test_hyper_leaves_follow_the_runs_and_the_padding():
    runs = grid([0, 1], [()], {"expectile": [0.5, 0.9]})
    with parsed():
        experiment = dataclasses.replace(from_flags.experiment(), runs=runs)
    assert experiment.hyper(5).expectile.tolist() == pytest.approx(
        [0.5, 0.5, 0.9, 0.9, 0.9]
    )


def test_text_is_a_flagfile_that_repeats_the_command(tmp_path):
    with parsed("--seed=1,3", "--lambda=0,1", "--normalise", "--gap=friction"):
        wanted, text = from_flags.experiment(), command_line.text()
    (tmp_path / "again.flags").write_text(text)
    with parsed(f"--flagfile={tmp_path / 'again.flags'}"):
        assert from_flags.experiment() == wanted


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--lamda=0.1", "lambda"),
        ("--task=cheetah", "halfcheetah"),
        ("--lambda=1.5", r"--lambda=1.5: .*\[0, 1\]"),
        ("--expectile=1", r"--expectile=1: .*\(0, 1\)"),
        ("--critic_lr=nan", "--critic_lr=nan"),
        ("--critic_lr=fast", "not a number"),
        ("--epochs=0", "epochs"),
        ("--seed=1,1", "twice"),
        ("--seed=-1", "--seed=-1: must be 0 or more"),
        ("--hidden=64,x", "--hidden=64,x"),
        ("--learn_rows=8:4", "--learn_rows=8:4"),
        ("--gap=gravty", "gravity, friction"),
        ("--gap=friction:-1", "> 0"),
        ("stray", "'stray' is no flag"),
        ("--critic_lr=", "--critic_lr=: empty"),
        ("--gap=gravity,gravity:2", "asked for twice"),
        ("--ratio_low=2", "--ratio_low is above"),
    ],
)
def test_bad_flags_are_named(argument, message):
    with pytest.raises(ConfigError, match=message), parsed(argument):
        from_flags.experiment()


def test_lambda_excludes_its_parts():
    with (
        pytest.raises(ConfigError, match="--lambda sets --lambda_real too"),
        parsed("--lambda=0.5", "--lambda_real=0.2"),
    ):
        from_flags.experiment()


def test_a_setting_that_the_method_lacks_is_refused():
    with parsed("--algorithm=sac", "--backbone=sql"):
        experiment = from_flags.experiment()
    with pytest.raises(ConfigError, match="--backbone: sac has none"):
        build.algorithm(experiment)


def test_resume_takes_the_flags_of_the_run(tmp_path):
    (tmp_path / "flags.flags").write_text("--seed=3\n--epochs=5\n")
    with parsed(f"--resume={tmp_path}", "--epochs=9"):
        experiment = from_flags.experiment()
    assert (experiment.runs[0].seed, experiment.epochs) == (3, 9)


def test_resume_refuses_another_value(tmp_path):
    (tmp_path / "flags.flags").write_text("--seed=3\n")
    with (
        pytest.raises(CheckpointError, match="--seed was '3' there, is '4' now"),
        parsed(f"--resume={tmp_path}", "--seed=4"),
    ):
        pass
