import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import experiment as experiments
from experiments import from_flags, jobs, launch, records, run
from experiments.experiment import grid
from h2o_jax.errors import ConfigError, JobError, StoppedError
from tests.commands import TINY, call, parsed

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
# SAC reads no log; no gap, so that its simulator is compiled once.
SAC = (*TINY, "--algorithm=sac", "--gap=none", "--seed=0..2")


@given(st.integers(1, 40), st.data())
def test_parts_are_the_grid_each_run_once(runs, data):
    count = data.draw(st.integers(1, runs))
    whole = grid(range(runs), [()], {})
    parts = [experiments.part(whole, i, count) for i in range(count)]
    assert sum(parts, ()) == whole
    sizes = {len(part) for part in parts}
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1


def test_a_part_keeps_the_labels_of_the_whole_grid():
    arguments = ("--gap=gravity:2,friction:0.3", "--seed=0..2", "--lambda=0,1")
    with parsed(*arguments):
        whole = from_flags.experiment().runs
    parts = []
    for i in range(5):
        with parsed(*arguments, f"--part={i}/5"):
            parts += from_flags.experiment().runs
    assert tuple(parts) == whole
    assert parts[0].label == "gravity:2 lambda_real=0 lambda_sim=0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "--part=1: not I/N"),
        ("a/2", "--part=a/2: not I/N"),
        ("-1/2", "--part=-1/2: not I/N"),
        ("2/2", "--part=2/2: parts are counted from 0"),
        ("0/0", "--part=0/0: parts are counted from 0"),
        ("0/4", r"--part=0/4: the grid has 3 run\(s\)"),
    ],
)
def test_bad_parts_are_named(text, message):
    with (
        pytest.raises(ConfigError, match=message),
        parsed("--seed=0..2", f"--part={text}"),
    ):
        from_flags.experiment()


@pytest.mark.usefixtures("fast_compile")
def test_parts_store_the_cells_of_the_whole(tmp_path, monkeypatch):
    def cells(name, *more):
        place = f"--run_dir={tmp_path / name}"
        results = tmp_path / name.rstrip("01")
        arguments = (*SAC, "--epochs=1", place, f"--results_dir={results}", *more)
        call(run.main, monkeypatch, *arguments)
        found = {p.relative_to(results): p for p in sorted(results.rglob("*.json"))}
        return {
            path: {**json.loads(file.read_text()), "program": None}
            for path, file in found.items()
        }

    whole = cells("whole")
    cells("part0", "--part=0/2")
    assert cells("part1", "--part=1/2") == whole
    assert len(whole) == 3


@pytest.fixture
def submitit():
    return pytest.importorskip("submitit")


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Children that compile little, and once."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")


@pytest.fixture
def stub(monkeypatch, tmp_path):
    """Replaces the run command in jobs of this process; gives what it was called with.

    A run makes its checkpoint unless it is the first time; its exit code is `codes`'.
    """
    child = tmp_path / "child.py"
    child.write_text(
        "import json, pathlib, sys\n"
        "arguments = sys.argv[1:]\n"
        "folder = pathlib.Path(arguments[-1].partition('=')[2])\n"
        "(folder / 'checkpoint' / '1').mkdir(parents=True, exist_ok=True)\n"
        "print(json.dumps(arguments))\n"
        f"codes = json.loads(pathlib.Path({str(tmp_path / 'codes')!r}).read_text())\n"
        "sys.exit(codes[folder.name])\n"
    )
    own = jobs.Part.command
    monkeypatch.setattr(
        jobs.Part,
        "command",
        lambda part: [sys.executable, str(child), *own(part)[4:]],
    )

    def exits(**codes):
        (tmp_path / "codes").write_text(json.dumps(codes))

    return exits


def calls(folder, part):
    """Arguments of every run of a part, from its log."""
    lines = (folder / "jobs" / f"part{part}.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_local_launch_trains_every_part(submitit, quick, tmp_path, monkeypatch):
    folder = tmp_path / "grid"
    arguments = (*SAC, "--epochs=1", "--jobs=2", f"--run_dir={folder}")
    call(launch.main, monkeypatch, *arguments)
    seeds = [
        {line["seed"] for line in records.read(folder / part)}
        for part in ("part0", "part1")
    ]
    assert seeds == [{0}, {1, 2}]
    assert "final return" in (folder / "jobs" / "part0.log").read_text()
