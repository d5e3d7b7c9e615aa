"""A robot of one's own: the tutorial's commands in small, and what else runs can do."""

import importlib
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

from experiments import policies, reopening, report, run, run_folder
from experiments.cli.flags import Flags
from experiments.reopening import Trusted
from experiments.reporting import evaluated
from h2o_jax.errors import CheckpointError, ConfigError, DatasetError
from h2o_jax.sim import simulator_file
from h2o_jax.sim.tasks import files
from tests.commands import call, experiment_of
from tests.robots import arm

pytestmark = pytest.mark.usefixtures("fast_compile")
ROOT = pathlib.Path(__file__).resolve().parents[1]
PENDULUM = ROOT / "docs" / "pendulum"
# SAC compiles several times faster than H2O+, which the tests of report train; with a
# replay of one epoch's rows, runs of any length are one program.
SMALL = (
    "--algorithm=sac",
    "--hidden=8,8",
    "--learn_rows=0:8",
    "--steps=30",
    "--updates=3",
    "--replay_rows=30",
    "--evaluate_every=1",
    "--episodes=2",
)
SMALLER = {
    "audit": ("--windows=100", "--rows=600", "--horizons=5"),
    "identify": ("--starts=1", "--windows=400", "--long_windows=100"),
    "run": (*SMALL, "--epochs=1"),
    "correct": ("--residual_updates=20", "--residual_hidden=8", "--residual_members=2"),
    "judge": ("--fqe_updates=5", "--fqe_hidden=8", "--simulated_episodes=2"),
}
"""Command -> what it is given in addition, which goes before."""
ARGUMENTS = {"inspect": "log", "export": "folder", "judge": "run", "report": "run"}
"""Command -> the flag whose name is left out."""


def tutorial():
    """The shell blocks of the tutorial's two parts."""
    parts = (ROOT / "docs" / "tutorial.md").read_text().split("## The wheel-legged")
    return [re.findall(r"```bash\n(.*?)```", part, re.DOTALL) for part in parts]


def run_block(block, patch):
    """Runs one block in the present folder: commands of ours in this process."""
    lines = block.replace("\\\n", " ").splitlines()
    if not lines[0].startswith("python -m experiments"):
        block = block.replace("20000", "1500").replace("npz 10", "npz 2")
        python = block.replace("python ", f"{sys.executable} ")
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        shell = ["bash", "-ec", python]
        return subprocess.run(
            shell, env=environment, check=True, capture_output=True, text=True
        ).stdout
    for line in lines:
        name, *words = shlex.split(line.removeprefix("python -m experiments."))
        module = importlib.import_module(f"experiments.{name}")
        argument = ARGUMENTS.get(name, "")
        hidden = getattr(module, "HIDDEN", ())
        flags = Flags(*module.SETTINGS, hidden=hidden, argument=argument)
        flags.parse(["prog", *words, *SMALLER.get(name, ())])
        patch.setattr("experiments.devices.use_cores", lambda cores, runs: None)
        module.main(flags)
    return ""


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """The tutorial's folder after all its commands; what its robot said at the end."""
    folder = tmp_path_factory.mktemp("robot") / "pole"
    shutil.copytree(PENDULUM, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _, *blocks = tutorial()[0]
        said = [run_block(block, patch) for block in blocks]
    return folder, said[-1]


@pytest.fixture
def flags(robot):
    """Those of the task and its log."""
    folder = robot[0]
    return (
        f"--task={folder}/pendulum.py:TASK",
        f"--dataset={folder}/log.csv",
        f"--columns=@{folder}/columns.toml",
    )


def test_the_tutorial_finds_what_is_wrong(robot):
    found = {x.name: x for x in simulator_file.read(f"{robot[0]}/fitted.toml").fields}
    assert found["latency"].value == 1
    assert found["actuator_gear"].value == pytest.approx(0.6, abs=0.03)
    assert found["body_mass:pole"].value == pytest.approx(2.0, abs=0.5)


def test_the_tutorial_ends_on_the_robot(robot):
    folder, said = robot
    assert said.startswith("stood for ") and "of 20 s" in said
    page = (folder / "report.html").read_text()
    assert page.count("Not made") == 1  # discriminators, which SAC has not
    assert "the log values @fitted" in page
    assert "In 20 simulators drawn from the intervals the policy earns " in page
    contract = (folder / "policy.npz.json").read_text()
    assert '"latency_seconds": 0.02' in contract and '"unit": "A"' in contract


def test_the_code_of_ones_own_is_short():
    code = (PENDULUM / "pendulum.py").read_text().splitlines()
    assert len([x for x in code if x.strip()]) <= 40


@pytest.mark.slow  # nearly half a minute on an idle core
def test_the_tutorial_on_the_published_log(shared_file, tmp_path, monkeypatch):
    whole = shared_file("robot/log.txt").read_text().splitlines(keepends=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.txt").write_text("".join(whole[:2000]))
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    blocks = [block.removeprefix("cd ..\n") for block in tutorial()[1]]
    said = [run_block(block, monkeypatch) for block in blocks][-1]
    assert (tmp_path / "robot.html").is_file() and (tmp_path / "robot.npz").is_file()
    assert said.startswith("stood for ") and " per step\n" in said


def trained(monkeypatch, folder, *flags):
    call(run.main, monkeypatch, *SMALL, "--epochs=1", f"--run_dir={folder}", *flags)
    return folder


def test_a_run_is_normalised_by_the_log_and_scored_in_the_real_model(
    robot, flags, tmp_path, monkeypatch
):
    real = f"--real={robot[0]}/pendulum.py:REAL"
    done = trained(monkeypatch, tmp_path / "run", *flags, "--gap=gravity:1.1", real)
    assert "--normalise" in (done / "flags.flags").read_text()
    system = run_folder.versions(done)["system"]
    assert system["task"].startswith("pendulum-")
    assert system["real"].startswith("true_pendulum-")
    assert all("return" in line for line in run_folder.metrics(done))
    assert np.abs(policies.load(done)(np.zeros(4))) <= 1


def test_a_robot_of_ones_own_has_no_gap_unless_told_so(flags):
    labels = [
        [run.label for run in experiment_of(*flags, *given).runs]
        for given in ((), ("--gap=gravity:2",))
    ]
    assert labels == [["none"], ["gravity:2"]]


def test_nothing_is_normalised_if_told_so(flags, tmp_path, monkeypatch, capsys):
    told = ("--nonormalise", "--gap=none", "--algorithm=bc", "--batch=8")
    done = trained(monkeypatch, tmp_path / "run", *flags, *told)
    assert "--nonormalise" in (done / "flags.flags").read_text()
    said = capsys.readouterr().out
    assert "-fold in scale" not in said
    again = f"python -m experiments.judge {done} {flags[0]}"
    assert f"is estimated by {again}\n" in said
    trusted = Trusted(task=flags[0].removeprefix("--task="))
    assert f"{again}; then" in evaluated.ask(report.opened(done, 1, trusted))


def test_scales_far_apart_are_warned_of(robot, flags, tmp_path, monkeypatch, capsys):
    rows = (robot[0] / "log.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    for row in cells[1:]:
        row[5] = str(1000 * float(row[5]))  # the rate in millirad/s
    scaled = tmp_path / "log.csv"
    scaled.write_text("\n".join(map(",".join, cells)) + "\n")
    told = ("--nonormalise", "--gap=none", "--algorithm=bc", "--batch=8")
    log = f"--dataset={scaled}"
    trained(monkeypatch, tmp_path / "run", *flags, log, *told)
    said = capsys.readouterr().out.splitlines()
    (line,) = [x for x in said if "-fold in scale" in x]
    assert line.startswith("warning") and "give --normalise" in line


@pytest.mark.fault
def test_a_resume_with_another_file_is_refused(tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    shutil.copytree(PENDULUM, mine)
    task = f"--task={mine}/pendulum.py:TASK"
    done = trained(monkeypatch, tmp_path / "run", task, "--gap=none")
    # The same file in another place is the same task.
    moved = shutil.copytree(mine, tmp_path / "moved")
    task = f"--task={moved}/pendulum.py:TASK"
    call(run.main, monkeypatch, f"--resume={done}", "--epochs=2", task)
    given = Trusted(task=f"{mine}/pendulum.py:TASK")
    assert reopening.described(done, given)[0].model.name.startswith("pendulum-")
    script = moved / "pendulum.py"
    script.write_text(script.read_text().replace("> 0.4", "> 0.5"))
    files.load.cache_clear()
    with pytest.raises(
        CheckpointError, match=r"--task was pendulum-.* restore its file"
    ):
        call(run.main, monkeypatch, f"--resume={done}", "--epochs=3", task)
    with pytest.raises(ConfigError, match=r"its task was pendulum-.* restore its file"):
        reopening.described(done, Trusted(task=f"{moved}/pendulum.py:TASK"))
    with pytest.raises(CheckpointError, match=r"/moved/.*, is 'hopper' now; drop"):
        reopening.described(done, Trusted(task="hopper"))


@pytest.mark.fault
def test_a_log_that_is_read_otherwise_is_refused(robot, flags, tmp_path, monkeypatch):
    """Its bytes are the same, and other limits of its motors make other actions."""
    columns = tmp_path / "columns.toml"
    text = (robot[0] / "columns.toml").read_text()
    columns.write_text(text)
    told = (*flags[:2], f"--columns=@{columns}", "--gap=none", "--algorithm=bc")
    done = trained(monkeypatch, tmp_path / "run", *told, "--batch=8")
    trusted = Trusted(task=flags[0].removeprefix("--task="))
    assert reopening.reopen(done, 1, trusted)[1].sha256
    columns.write_text(re.sub(r"^(low|high) = (\S+)", r"\1 = 2\2", text, flags=re.M)
                       .replace("2-", "-2"))  # fmt: skip
    assert columns.read_text() != text
    wanted = "log.csv:? is read otherwise now; restore the columns file, or"
    with pytest.raises(DatasetError, match=wanted):
        reopening.reopen(done, 1, trusted)
    with pytest.raises(CheckpointError, match=wanted):
        call(run.main, monkeypatch, f"--resume={done}", "--epochs=2", flags[0])


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
