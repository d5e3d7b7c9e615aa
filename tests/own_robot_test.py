"""A robot of one's own from the command line: the example of docs/robots.md, small."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from experiments import audit, identify, policies, run, run_folder
from h2o_jax.errors import CheckpointError
from h2o_jax.sim import simulator_file
from h2o_jax.sim.tasks import files
from tests.commands import call
from tests.robots import arm

PENDULUM = pathlib.Path(__file__).resolve().parents[1] / "docs" / "pendulum"
SMALL = (
    "--algorithm=sac",
    "--hidden=8,8",
    "--learn_rows=0:8",
    "--steps=30",
    "--updates=3",
    "--evaluate_every=1",
    "--episodes=2",
)


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """A copy of the example with its log; gives the folder and the flags of its log."""
    folder = tmp_path_factory.mktemp("robot")
    shutil.copytree(PENDULUM, folder, dirs_exist_ok=True)
    log = str(folder / "log.csv")
    subprocess.run([sys.executable, folder / "record.py", log, "1500"], check=True)
    columns = "observations=x,angle,v,rate;actions=amperes;rewards=reward"
    columns += ";terminals=fell;next_observations=x1,angle1,v1,rate1"
    flags = (f"--dataset={log}", f"--columns={columns}", "--action_bounds=-2:2")
    return folder, (f"--task={folder}/pendulum.py:TASK", *flags)


def test_audit_and_identify_find_what_is_wrong(robot, monkeypatch, capsys):
    folder, flags = robot
    call(audit.main, monkeypatch, *flags, "--out=", "--threads=1")
    assert "route    identify" in capsys.readouterr().out
    out = folder / "fitted.toml"
    fields = "--fields=body_mass:pole,actuator_gear,joint_damping:rail,latency"
    more = ("--bounds=0.1:20", f"--out={out}", "--threads=1", "--starts=1")
    call(identify.main, monkeypatch, *flags, fields, *more)
    found = {x.name: x.value for x in simulator_file.read(str(out)).fields}
    assert found["latency"] == 1
    assert found["actuator_gear"] == pytest.approx(0.6, abs=0.02)
    assert found["body_mass:pole"] == pytest.approx(2.0, abs=0.3)


def trained(monkeypatch, folder, *flags):
    call(run.main, monkeypatch, *SMALL, "--epochs=1", f"--run_dir={folder}", *flags)
    return folder


def test_a_run_is_normalised_by_the_log_and_scored_in_the_real_model(
    robot, tmp_path, monkeypatch
):
    folder, flags = robot
    real = f"--real={folder}/pendulum.py:REAL"
    done = trained(monkeypatch, tmp_path / "run", *flags, "--gap=gravity:1.1", real)
    assert "--normalise" in (done / "flags.flags").read_text()
    system = run_folder.versions(done)["system"]
    assert system["task"].startswith("pendulum-")
    assert system["real"].startswith("true_pendulum-")
    assert all("return" in line for line in run_folder.metrics(done))
    assert np.abs(policies.load(done)(np.zeros(4))) <= 1


def test_nothing_is_normalised_if_told_so(robot, tmp_path, monkeypatch, capsys):
    _, flags = robot
    told = ("--nonormalise", "--gap=none", "--algorithm=bc", "--batch=8")
    done = trained(monkeypatch, tmp_path / "run", *flags, *told)
    assert "--nonormalise" in (done / "flags.flags").read_text()
    assert "warning" not in capsys.readouterr().out


def test_scales_far_apart_are_warned_of(robot, tmp_path, monkeypatch, capsys):
    folder, flags = robot
    rows = (folder / "log.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    for row in cells[1:]:
        for i in (3, 10):  # the rate in millirad/s, here and next
            row[i] = str(1000 * float(row[i]))
    scaled = tmp_path / "log.csv"
    scaled.write_text("\n".join(map(",".join, cells)) + "\n")
    told = ("--nonormalise", "--gap=none", "--algorithm=bc", "--batch=8")
    log = f"--dataset={scaled}"
    trained(monkeypatch, tmp_path / "run", *flags, log, *told)
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "warning" in x]
    assert "-fold in scale" in line and "give --normalise" in line


def test_a_resume_with_another_file_is_refused(tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    shutil.copytree(PENDULUM, mine)
    task = f"--task={mine}/pendulum.py:TASK"
    done = trained(monkeypatch, tmp_path / "run", task, "--gap=none")
    call(run.main, monkeypatch, f"--resume={done}", "--epochs=2", task)
    script = mine / "pendulum.py"
    script.write_text(script.read_text().replace("> 0.4", "> 0.5"))
    files.load.cache_clear()
    with pytest.raises(
        CheckpointError, match=r"--task was pendulum-.* restore its file"
    ):
        call(run.main, monkeypatch, f"--resume={done}", "--epochs=3", task)


def test_gymnasium_environments_train_and_resume(tmp_path, monkeypatch):
    task, real = (f"{arm.__file__}:make_{x}" for x in ("sim", "real"))
    given = (f"--task={task}", f"--real={real}", "--gap=none")
    done = trained(monkeypatch, tmp_path / "run", *given)
    once = trained(monkeypatch, tmp_path / "once", *given, "--epochs=2")
    call(run.main, monkeypatch, f"--resume={done}", "--epochs=2", *given)
    first, second = (run_folder.metrics(x)[-1] for x in (done, once))
    apart = {"seconds"}
    assert {k: v for k, v in first.items() if k not in apart} == {
        k: v for k, v in second.items() if k not in apart
    }
