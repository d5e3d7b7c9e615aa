import json
import pathlib
import subprocess
import sys

import pytest

from experiments import jobs, launch, ledger, run_folder
from experiments.data import Reading
from h2o_jax.errors import ConfigError, JobError, StoppedError
from tests.commands import TINY, call, experiment_of, parsed, write_log

# submitit's debug executor leaves its log files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
# Cloning compiles quickest, and needs no simulator.
BC = (*TINY, "--algorithm=bc", "--episodes=1", "--steps=1", "--seed=0..2")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = write_log(tmp_path_factory.mktemp("log") / "log.hdf5")
    return f"--dataset={path}"


@pytest.fixture
def submitit():
    return pytest.importorskip("submitit")


@pytest.fixture(scope="module")
def launched(tmp_path_factory, log):
    """A grid of three runs that two local jobs share."""
    pytest.importorskip("submitit")
    folder = tmp_path_factory.mktemp("launch")
    places = (f"--run_dir={folder / 'grid'}", f"--results_dir={folder / 'results'}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        call(launch.main, patch, *BC, log, "--epochs=1", "--jobs=2", *places)
        yield folder


def test_local_jobs_store_the_cells_of_the_whole(launched, log):
    place = launched / "results"
    found = {
        path.relative_to(place): json.loads(path.read_text())
        for path in place.rglob("*.json")
    }
    facts = next(iter(found.values()))["data"]
    line = {"steps": 1, "return": 0.0, "length": 1.0, "seconds": {}}
    whole = experiment_of(*BC, log, "--epochs=1", f"--results_dir={place}")
    labels = ledger.Labels(
        "", Reading().deciding(), parsed(*BC, log, "--epochs=1").choices()
    )
    contents = [ledger.content(whole, x, [line], facts, labels) for x in whole.runs]
    cells = {ledger.place(cell): cell for cell in contents}
    assert found.keys() == cells.keys()
    for path, cell in cells.items():
        wanted = json.loads(json.dumps(cell))
        for name in ("setting", "flags", "seed", "steps", "gap", "preset"):
            assert found[path][name] == wanted[name]
    assert sorted(cell["program"]["runs"] for cell in found.values()) == [1, 2, 2]


def test_every_local_job_has_its_shard(launched):
    folder = launched / "grid"
    for i, seeds in enumerate([{0}, {1, 2}]):
        assert {x["seed"] for x in run_folder.metrics(folder / f"shard{i}")} == seeds
        assert "final return" in (folder / "jobs" / f"shard{i}.log").read_text()


def test_a_launch_goes_on_in_its_folder(launched, log, monkeypatch, capsys):
    folder = launched / "grid"
    results = f"--results_dir={launched / 'results'}"
    same = (*BC, log, f"--run_dir={folder}", "--jobs=2", results)
    call(launch.main, monkeypatch, *same, "--epochs=1")
    assert capsys.readouterr().out.count("finished before") == 2
    # More epochs than were done, and one shard has done them: only the other goes on.
    (folder / "jobs" / "shard1.epochs").write_text("2\n")
    call(launch.main, monkeypatch, *same, "--epochs=2", "--cluster=debug")
    assert capsys.readouterr().out.splitlines() == [
        f"shard 1/2  finished before  {folder / 'shard1'}",
        f"shard 0/2  begins, log {folder / 'jobs' / 'shard0.log'}  {folder / 'shard0'}",
        f"shard 0/2  finished, exit code 0  {folder / 'shard0'}",
    ]
    assert [x["epoch"] for x in run_folder.metrics(folder / "shard0")] == [0, 1, 2]


@pytest.fixture
def stub(submitit, monkeypatch, tmp_path):
    """Replaces the run of jobs in this process; sets the exit code of each part.

    It prints its arguments and leaves a checkpoint.
    """
    child, codes = tmp_path / "child.py", tmp_path / "codes"
    child.write_text(
        "import json, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[-1].partition('=')[2])\n"
        "(folder / 'checkpoint' / '1' / 'state').mkdir(parents=True, exist_ok=True)\n"
        "print(json.dumps(sys.argv[1:]))\n"
        f"codes = json.loads(pathlib.Path({str(codes)!r}).read_text())\n"
        "sys.exit(codes[folder.name])\n"
    )
    own = jobs.Shard.command

    def command(shard):
        return [sys.executable, str(child), *own(shard)[4:]]

    monkeypatch.setattr(jobs.Shard, "command", command)
    return lambda **exits: codes.write_text(json.dumps(exits))


SAC = ("--algorithm=sac", "--seed=0..2", "--cluster=debug")
"""Needs no log."""


def test_a_failed_job_is_named_and_continued(stub, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "grid"
    arguments = (*SAC, "--jobs=2", f"--run_dir={folder}")
    stub(shard0=0, shard1=5)
    with pytest.raises(JobError, match=r"--jobs=2: 1 failed, see .*shard1\.log"):
        call(launch.main, monkeypatch, *arguments)
    assert "shard 1/2  failed, exit code 5" in capsys.readouterr().out
    stub(shard1=75)
    with pytest.raises(StoppedError, match=r"shard 1 was stopped; this") as stop:
        call(launch.main, monkeypatch, *arguments)
    assert stop.value.exit_code == 75
    stub(shard1=0)
    call(launch.main, monkeypatch, *arguments)
    printed = capsys.readouterr().out
    assert "shard 0/2  finished before" in printed
    assert "shard 1/2  finished, exit code 0" in printed

    def commands(shard):
        lines = (folder / "jobs" / f"shard{shard}.log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    flags = ["--algorithm=sac", "--defaults=published", "--seed=0..2", "--epochs=1000"]
    assert commands(0) == [[*flags, "--shard=0/2", f"--run_dir={folder / 'shard0'}"]]
    fresh, *resumed = commands(1)
    assert fresh == [*flags, "--shard=1/2", f"--run_dir={folder / 'shard1'}"]
    assert resumed == [[*flags, "--shard=1/2", f"--resume={folder / 'shard1'}"]] * 2


def test_another_launch_is_not_mixed_in(stub, tmp_path, monkeypatch):
    place = f"--run_dir={tmp_path / 'grid'}"
    stub(shard0=0)
    call(launch.main, monkeypatch, *SAC, place)
    with pytest.raises(ConfigError, match=r"with \[--jobs=1\], now with \[--jobs=2\];"):
        call(launch.main, monkeypatch, *SAC, place, "--jobs=2")
    with pytest.raises(ConfigError, match=r"with \[\], now with \[--batch=64\]; give"):
        call(launch.main, monkeypatch, *SAC, place, "--batch=64")
    with pytest.raises(ConfigError, match="not an empty folder"):
        call(launch.main, monkeypatch, *SAC, f"--run_dir={tmp_path}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--jobs=4",), r"--jobs=4: the grid has 3 run\(s\)"),
        (("--shard=0/2",), "--shard=0/2: each job has its own"),
        (("--algorithm=iql",), "--dataset=: every job would collect the same log"),
        (("--cluster=slurm",), "--cluster=slurm: no sbatch and srun here"),
    ],
)
def test_a_launch_that_cannot_work_is_refused(
    submitit, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.setenv("PATH", str(tmp_path))
    places = (f"--run_dir={tmp_path / 'grid'}", f"--cache_dir={tmp_path / 'cache'}")
    with pytest.raises(ConfigError, match=message):
        call(launch.main, monkeypatch, *SAC, *places, *arguments)
    assert not (tmp_path / "grid").exists()


def test_without_submitit_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[slurm\]'"):
        call(launch.main, monkeypatch, *SAC)


@pytest.fixture
def slurm(submitit, tmp_path, monkeypatch):
    """Stands in for SLURM's commands; gives the folder where `sbatch` puts scripts."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, script in (
        ("srun", "exit 0"),
        ("sbatch", f'cp "$1" {folder}/script && echo Submitted batch job 123'),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def test_slurm_gets_one_array(slurm, tmp_path, monkeypatch, capsys):
    call(
        launch.main,
        monkeypatch,
        *SAC,
        *("--cluster=slurm", "--jobs=3", f"--run_dir={tmp_path / 'grid'}"),
        *("--slurm_partition=long", "--slurm_time=90", "--slurm_cpus=4"),
        *("--slurm_gpus=1", "--slurm_memory_gb=16"),
    )
    printed = capsys.readouterr().out
    assert "submitted 123, 3 job(s)" in printed
    assert "scancel 123" in printed
    script = (slurm / "script").read_text()
    for option in (
        *("array=0-2%3", "partition=long", "time=90", "cpus-per-task=4"),
        *("gpus-per-node=1", "mem=16GB", "signal=USR2@180"),
    ):
        assert f"#SBATCH --{option}\n" in script


def test_what_sbatch_refuses_is_one_error(slurm, tmp_path, monkeypatch):
    (slurm / "sbatch").write_text("#!/bin/sh\necho invalid partition >&2\nexit 1\n")
    place = f"--run_dir={tmp_path / 'grid'}"
    with pytest.raises(ConfigError, match=r"sbatch refused: .*invalid partition"):
        call(launch.main, monkeypatch, *SAC, "--cluster=slurm", "--jobs=2", place)


INTERRUPTED = """
import os, signal, sys
os.kill(os.getppid(), signal.SIGINT)
sys.exit(130)
"""


def test_ctrl_c_waits_for_the_job_and_begins_no_other(
    submitit, tmp_path, monkeypatch, capfd
):
    child = [sys.executable, "-c", INTERRUPTED]
    monkeypatch.setattr(jobs.Shard, "command", lambda shard: child)
    place = f"--run_dir={tmp_path / 'grid'}"
    with pytest.raises(StoppedError, match="shard 0 was stopped; this command") as stop:
        call(launch.main, monkeypatch, *SAC, "--jobs=3", place)
    assert stop.value.exit_code == 130
    printed = capfd.readouterr()
    assert "SIGINT: waiting for the jobs" in printed.err
    assert printed.out.count("begins") == 1
    assert printed.out.count("stopped, exit code 130") == 3


@pytest.mark.parametrize("path", sorted((DOCS / "cluster").glob("*.sh")), ids=str)
def test_example_scripts_parse(path):
    subprocess.run(["bash", "-n", path], check=True)


def test_the_example_manifest_parses():
    yaml = pytest.importorskip("yaml")
    text = (DOCS / "cluster" / "jobset.yaml").read_text()
    kinds = [manifest["kind"] for manifest in yaml.safe_load_all(text)]
    assert kinds == ["ServiceAccount", "Role", "RoleBinding", "JobSet"]
