"""How a command of `experiments.run` begins and ends otherwise."""

import json
import subprocess
import sys

import pytest

from experiments import export, health, judge, report, run, run_folder
from experiments.mending import routes
from h2o_jax.errors import (
    CheckpointError,
    ConfigError,
    DatasetError,
    DivergenceError,
)
from tests.commands import TINY, call, write_log

pytestmark = pytest.mark.usefixtures("fast_compile")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("log") / "log.hdf5")


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "much", "updates", "why"),
    [
        ("critic_lr", "1e30", 60, "its critic loss or"),
        ("policy_lr", "1e25", 20, "its policy's actions are not finite"),
    ],
)
def test_the_runs_beside_a_lost_one_are_stored_before_the_command_fails(
    tmp_path, monkeypatch, capsys, name, much, updates, why
):
    where = (f"--run_dir={tmp_path / 'run'}", f"--results_dir={tmp_path / 'results'}")
    sizes = (f"--updates={updates}", "--epochs=2", "--evaluate_every=2")
    rates = f"--{name}=0.001,{much}"
    arguments = (*TINY, "--algorithm=sac", "--gap=none", *sizes, rates, *where)
    with pytest.raises(DivergenceError, match=f"^1 of 2 runs lost; .*{why}"):
        call(run.main, monkeypatch, *arguments)
    printed = capsys.readouterr().out
    assert f"warning   none {name}=1e+{much[2:]}, seed 0 is lost" in printed
    assert f"\nnone {name}=0.001 " in printed and f"\nnone {name}=1e" not in printed
    (stored,) = (tmp_path / "results").rglob("*.json")
    assert json.loads(stored.read_text())["setting"][name] == 0.001
    # Who opens the folder is told, too.
    _, why_lost = (x for x in run_folder.metrics(tmp_path / "run") if x["epoch"] == 2)
    assert why in why_lost["lost"]
    folder = f"--folder={tmp_path / 'run'}"
    with pytest.raises(CheckpointError, match=f"run 1 was lost .*{why}"):
        call(export.main, monkeypatch, folder, "--run=1", f"--to={tmp_path / 'x.npz'}")
    page = tmp_path / "page.html"
    call(report.main, monkeypatch, f"--run={tmp_path / 'run'}", f"--out={page}")
    assert "seed 0, was lost and is left out: its" in page.read_text()
    # So it is where the last line is of no evaluation, which sees no actions.
    lines = run_folder.metrics(tmp_path / "run")
    unseen = {k: x for k, x in lines[-1].items() if k not in ("length", "lost")}
    assert why in health.why_lost([lines[-1], unseen])
    # A resume forgets nothing, even where no epoch is left to tell of it.
    with pytest.raises(DivergenceError, match="1 of 2 runs lost"):
        call(run.main, monkeypatch, f"--resume={tmp_path / 'run'}", where[1])
    assert len([*(tmp_path / "results").rglob("*.json")]) == 1


@pytest.mark.fault
def test_a_folder_that_was_used_since_it_was_found_free_is_left_alone(
    log, tmp_path, monkeypatch
):
    folder, prepare = tmp_path / "run", routes.prepare

    def meanwhile(*given):
        folder.mkdir()
        (folder / run_folder.METRICS).write_text("another command's")
        return prepare(*given)

    monkeypatch.setattr(routes, "prepare", meanwhile)
    arguments = (*TINY, "--algorithm=bc", f"--dataset={log}", "--epochs=1")
    with pytest.raises(ConfigError, match=f"--run_dir={folder}: not an empty folder"):
        call(run.main, monkeypatch, *arguments, f"--run_dir={folder}")
    assert (folder / run_folder.METRICS).read_text() == "another command's"


@pytest.mark.fault
@pytest.mark.parametrize("preset", ["a/b", "../../up", "..", "a\\b"])
def test_a_preset_is_no_path(monkeypatch, preset):
    with pytest.raises(ConfigError, match=r"--preset=.*: becomes the name of a folder"):
        call(run.main, monkeypatch, f"--preset={preset}")


@pytest.mark.fault
def test_another_dataset_is_refused_at_resume_and_judged(log, tmp_path, monkeypatch):
    other = write_log(tmp_path / "log.hdf5", rows=300)
    folder = tmp_path / "run"
    arguments = (*TINY, "--algorithm=bc", f"--dataset={other}", "--epochs=1")
    call(run.main, monkeypatch, *arguments, f"--run_dir={folder}")
    write_log(other, rows=350)
    message = rf"--resume={folder}: log.hdf5 is another log now; restore it, or start"
    with pytest.raises(CheckpointError, match=message):
        call(run.main, monkeypatch, f"--resume={folder}", "--epochs=2")
    message = rf"^{other}: is another log now; restore it, or train {folder} again"
    with pytest.raises(DatasetError, match=message):
        call(judge.main, monkeypatch, f"--run={folder}")
    assert f"{other}: is another log" in report.opened(folder, 1).why


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
    assert "the log itself" in printed


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
