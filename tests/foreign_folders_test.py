"""Run folders and flags from anybody: what is never taken from them."""

import pytest

from experiments import policies, reopening, run_folder, software
from experiments.reopening import Trusted
from experiments.run_folder import resumed
from h2o_jax.errors import CheckpointError, ConfigError
from tests.commands import experiment_of, parsed, write_run

pytestmark = pytest.mark.fault


TASK = """
import pathlib
pathlib.Path(__file__).with_name("ran").touch()
"""


@pytest.mark.parametrize(
    "line",
    [
        "--compile_cache=elsewhere",
        "--run_dir=elsewhere",
        "--resume=elsewhere",
        "--flagfile=elsewhere",
        "--undefok=x",
        "--download",
        "--tracker=wandb",
        "--distributed",
        "--coordinator=evil:1",
        "stray",
        "--",
    ],
)
def test_only_flags_of_a_run_are_taken_from_a_folder(tmp_path, line):
    write_run(tmp_path, f"--seed=3\n{line}\n")
    with pytest.raises(CheckpointError, match="is no flag of a run"):
        parsed(f"--resume={tmp_path}")


@pytest.mark.parametrize(
    "text",
    [
        "--results_dir=elsewhere",
        "--cache_dir=elsewhere",
        "--task=TASK.py:TASK",
        "--real=TASK.py:TASK",
        "--task=gymnasium:evil:Env-v0",
    ],
)
def test_what_is_written_or_run_is_never_taken_from_a_folder(tmp_path, text):
    (tmp_path / "TASK.py").write_text(TASK)
    text = text.replace("TASK.py", f"{tmp_path}/TASK.py")
    write_run(tmp_path / "run", f"{text}\n")
    with pytest.raises(ConfigError, match=f"where you trust it, add {text}"):
        parsed(f"--resume={tmp_path / 'run'}")
    if "results_dir" not in text:  # readers have no use for one
        with pytest.raises(ConfigError, match=f"where you trust it, add {text}"):
            reopening.described(tmp_path / "run")
    assert not (tmp_path / "ran").exists()
    flags = parsed(f"--resume={tmp_path / 'run'}", text)
    assert flags.outside() == [text]


def test_a_folder_goes_elsewhere_where_it_is_told_so(tmp_path):
    write_run(tmp_path, "--results_dir=/a\n--cache_dir=/b\n")
    flags = parsed(f"--resume={tmp_path}", "--results_dir=/c", "--cache_dir=")
    assert (flags.value("results_dir"), flags.value("cache_dir")) == ("/c", "")


def test_python_that_is_named_again_is_run(tmp_path):
    (tmp_path / "task.py").write_text(TASK)
    place = f"{tmp_path}/task.py:TASK"
    write_run(tmp_path / "run", f"--task={place}\n")
    with pytest.raises(ConfigError, match="TASK is nothing"):
        reopening.described(tmp_path / "run", Trusted(task=place))
    assert (tmp_path / "ran").exists()


def test_other_software_and_cores_are_named(tmp_path, monkeypatch):
    write_run(tmp_path, system={"task": "hopper"})
    assert resumed.changes(tmp_path) == []
    now = software.describe() | {"jax": "0.99", "nproc": "7"}
    monkeypatch.setattr(software, "describe", lambda: now)
    first, second = resumed.changes(tmp_path)
    assert "jax was 0." in first and "is 0.99 now: the run goes on, though not" in first
    assert "nproc was 1 there, is 7 now" in second


def test_a_foreign_policy_folder_is_not_read(tmp_path):
    """Policies are items of the checkpoint; an older layout kept them apart."""
    write_run(tmp_path, runs=[{"label": "none", "seed": 0}])
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "0").mkdir()
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        policies.load(tmp_path)
    assert run_folder.has_checkpoint(tmp_path) is False


# --- flags that ask for too much --------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--seed=0..2000000000", "--seed=0..2000000000: give 10000 numbers at most"),
        ("--seed=0,99999999999", "--seed=99999999999: must be 2147483647 or less"),
        ("--threads=200000", "--threads=200000: out of range; give one 0 to 1024"),
        ("--hidden=99999999999999", "must be 2147483647 or less"),
        ("--action_bounds=nan:1", "--action_bounds=nan:1: give LOW:HIGH, LOW < HIGH"),
        ("--action_bounds=1:1", "LOW < HIGH"),
        ("--action_bounds=-1:inf", "LOW < HIGH"),
    ],
)
def test_flags_that_ask_for_too_much(argument, message):
    with pytest.raises(ConfigError, match=message):
        flags = parsed(argument)
        for group in (*flags._groups,):
            flags.values(group)


def test_a_grid_of_too_many_runs():
    lists = ",".join(f"{x / 200}" for x in range(1, 101))
    with pytest.raises(ConfigError, match="the grid has 1000000 runs, 10000 at most"):
        experiment_of("--seed=0..99", f"--lambda={lists}", f"--expectile={lists}")


@pytest.mark.parametrize("levels", ["itself", "deep", "wide"])
def test_flagfiles_within_flagfiles_end(tmp_path, levels):
    inside = {"itself": 1, "deep": 1, "wide": 101}[levels]
    for i in range(20):
        name = tmp_path / ("0" if levels == "itself" else str(i + 1))
        (tmp_path / str(i)).write_text(f"--flagfile={name}\n" * inside)
    if levels == "itself":
        parsed(f"--flagfile={tmp_path}/0")  # absl says that it is circular
        return
    with pytest.raises(ConfigError, match="write fewer"):
        parsed(f"--flagfile={tmp_path}/0")


def test_a_flagfile_that_is_no_text(tmp_path):
    (tmp_path / "a.flags").write_bytes(b"\xff\xfe--seed=3")
    with pytest.raises(ConfigError, match=r"--flagfile=.*a\.flags: is no text"):
        parsed(f"--flagfile={tmp_path}/a.flags")
