"""How a command of `experiments.run` begins and ends otherwise."""

import json
import subprocess
import sys

import pytest

from experiments import (
    run,
    run_folder,
)
from h2o_jax.errors import (
    CheckpointError,
    DatasetError,
    DivergenceError,
)
from tests.commands import TINY, call, write_log

pytestmark = pytest.mark.usefixtures("fast_compile")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("log") / "log.hdf5")


@pytest.mark.fault
def test_the_runs_beside_a_lost_one_are_stored_before_the_command_fails(
    tmp_path, monkeypatch, capsys
):
    where = (f"--run_dir={tmp_path / 'run'}", f"--results_dir={tmp_path / 'results'}")
    sizes = ("--updates=60", "--epochs=2", "--evaluate_every=2")
    rates = "--critic_lr=0.001,1e30"
    arguments = (*TINY, "--algorithm=sac", "--gap=none", *sizes, rates, *where)
    with pytest.raises(DivergenceError, match=r"^1 of 2 runs lost; .*critic loss or"):
        call(run.main, monkeypatch, *arguments)
    printed = capsys.readouterr().out
    assert "warning   none critic_lr=1e+30, seed 0 is lost" in printed
    assert "\nnone critic_lr=0.001 " in printed and "\nnone critic_lr=1e" not in printed
    (stored,) = (tmp_path / "results").rglob("*.json")
    assert json.loads(stored.read_text())["setting"]["critic_lr"] == 0.001
    # A resume forgets nothing, even where no epoch is left to tell of it.
    with pytest.raises(DivergenceError, match="1 of 2 runs lost"):
        call(run.main, monkeypatch, f"--resume={tmp_path / 'run'}", where[1])


@pytest.mark.fault
def test_another_dataset_is_refused_at_resume(log, tmp_path, monkeypatch):
    other = write_log(tmp_path / "log.hdf5", rows=300)
    folder = tmp_path / "run"
    arguments = (*TINY, "--algorithm=bc", f"--dataset={other}", "--epochs=1")
    call(run.main, monkeypatch, *arguments, f"--run_dir={folder}")
    write_log(other, rows=350)
    with pytest.raises(CheckpointError, match="dataset is another one"):
        call(run.main, monkeypatch, f"--resume={folder}", "--epochs=2")


def test_gaps_and_lambdas_share_one_program(log, tmp_path, monkeypatch, capsys):
    call(
        run.main,
        monkeypatch,
        *TINY,
        "--discriminate_rows=0:16",
        "--gap=gravity:2,joint_noise:1",
        "--lambda=0,1",
        "--epochs=1",
        f"--dataset={log}",
        f"--run_dir={tmp_path / 'grid'}",
    )
    labels = {line["label"] for line in run_folder.metrics(tmp_path / "grid")}
    assert len(labels) == 4
    printed = capsys.readouterr().out
    assert "joint_noise:1 lambda_real=1 lambda_sim=1" in printed
    assert "the data itself" in printed


@pytest.mark.fault
def test_a_bad_log_stops_before_a_folder_is_made(tmp_path, monkeypatch):
    (tmp_path / "log.hdf5").write_bytes(b"<html>not found</html>")
    with pytest.raises(DatasetError, match=r"log\.hdf5"):
        call(
            run.main,
            monkeypatch,
            *TINY,
            f"--dataset={tmp_path / 'log.hdf5'}",
            f"--run_dir={tmp_path / 'run'}",
        )
    assert not (tmp_path / "run").exists()


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "experiments.run", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
    )


@pytest.mark.fault
def test_an_error_is_one_line_and_a_code(tmp_path):
    done = command("--dataset=absent.hdf5", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("h2o_jax: error: absent.hdf5: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_flag(tmp_path):
    done = command("--help", cwd=tmp_path)
    for name in ("--dataset", "--gap", "--lambda", "--seed", "--resume", "--run_dir"):
        assert name in done.stdout
    assert "Trains a policy for a real system" in done.stdout
