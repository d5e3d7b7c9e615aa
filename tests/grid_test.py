"""Filling a ledger: plans, what counts as done, interruptions, two at once."""

import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import numpy as np
import pytest

from experiments import computer, grid, ledger, pace, plans, policies, run_folder, work
from experiments.experiment import Experiment
from h2o_jax.data import datasets
from h2o_jax.errors import ConfigError, JobError, StoppedError
from tests.commands import call, parsed, write_log

# Cloning compiles quickest, and needs no simulator.
BC = (
    "--task=hopper --algorithm=bc --hidden=8,8 --learn_rows=0:8 --steps=1 --updates=5 "
    "--episodes=1 --gap=none --threads=1"
)
CPU = computer.Computer("cpu", 1, 0)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    write_log(folder / "log.hdf5")
    return folder


@pytest.fixture
def children(monkeypatch):
    """Trained by processes of their own, which compile quickly."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


def plan(folder, *lines):
    path = folder / "mine.plan"
    path.write_text("\n".join(lines) + "\n")
    return path


def store(root, group, places, steps=None):
    """Writes cells of a group as a run would; one evaluation at the end."""
    one = group.experiment
    if steps is not None:
        one = Experiment(**{**vars(one), "epochs": steps // one.steps})
    facts = {"name": "log.hdf5", "sha256": datasets.sha256(group.log)}
    for place in places:
        line = {"steps": steps or 1, "return": 1.0, "length": 1.0, "seconds": {"x": 4}}
        labels = ledger.Labels("", {}, [])
        cell = ledger.content(one, one.runs[place], [line], facts, labels)
        path = root / ledger.place(cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**cell, "backend": "cpu"}))


def session(root, groups, **choice):
    filled = grid.Filling(results_dir=str(root), **choice)
    return grid.Session(filled, root, groups, CPU, float("inf"), {})


def test_what_counts_as_done(tmp_path, logs):
    """The same setting at least as long; another seed, length or setting does not."""
    path = plan(tmp_path, f"{BC} --dataset=log.hdf5 --seed=0..4 --epochs=10")
    (group,) = plans.read(path, str(logs))
    store(tmp_path, group, [0], steps=10)
    store(tmp_path, group, [1], steps=20)
    store(tmp_path, group, [2], steps=9)
    (other,) = plans.read(path, str(logs), "--policy_lr=0.1")
    store(tmp_path, other, [3], steps=10)
    lacks = plans.lacking(group, plans.stored(tmp_path))
    assert [x.place for x in lacks] == [2, 3, 4]
    assert [x.place for x in plans.lacking(other, plans.stored(tmp_path))] == [
        *(0, 1, 2, 4)
    ]
    line, _ = pace.standing([group, other], tmp_path, "cpu")
    # Five runs took 4 s: per epoch and run .08, .04, .089 and .08; the median is .08.
    assert (line.wanted, line.stored) == (5, 2)
    assert line.seconds == pytest.approx(0.08 * 30)
    assert pace.standing([group], tmp_path, "gpu")[0].seconds is None


def test_only_some_runs_of_a_grid():
    flags = ("--task=hopper", "--gap=gravity:2,friction:0.3", "--seed=0..2")
    whole = grid.run.parsing.experiment(parsed(*flags)).runs
    some = grid.run.parsing.experiment(parsed(*flags, "--only=1,4..5")).runs
    assert some == (whole[1], whole[4], whole[5])
    with pytest.raises(ConfigError, match="--only=6: the grid has runs 0 to 5"):
        grid.run.parsing.experiment(parsed(*flags, "--only=6"))


def test_a_longer_run_replaces_the_shorter(tmp_path, logs):
    path = plan(tmp_path, f"{BC} --dataset=log.hdf5 --seed=0..1 --epochs=10")
    (group,) = plans.read(path, str(logs))

    def run(epochs, **changes):
        one = Experiment(**{**vars(group.experiment), "epochs": epochs, **changes})
        folder = tmp_path / "run"
        record = run_folder.RunFolder(folder)
        record.begin("", {})
        (folder / run_folder.METRICS).unlink(missing_ok=True)
        record.write(
            {"label": x.label, "seed": x.seed, "epoch": epochs, "steps": epochs}
            | {"return": 1.0, "length": 1.0, "seconds": {}}
            for x in one.runs
        )
        record.close()
        labels = ledger.Labels("", {}, [])
        ledger.store(tmp_path / "results", folder, one, {"sha256": "a"}, labels)
        stored = (tmp_path / "results").rglob("seed*.json")
        return sorted(x.name.rpartition("-")[0] for x in stored)

    assert run(10) == ["seed0-10", "seed1-10"]
    assert run(10, episodes=2) == ["seed0-10"] * 2 + ["seed1-10"] * 2
    assert run(20) == ["seed0-10", "seed0-20", "seed1-10", "seed1-20"]
    assert run(15) == ["seed0-10", "seed0-20", "seed1-10", "seed1-20"]


def test_two_on_one_ledger_do_not_take_the_same(tmp_path, logs):
    path = plan(
        tmp_path,
        f"{BC} --dataset=log.hdf5 --seed=0..2",
        f"{BC} --dataset=log.hdf5 --seed=0..5",
    )
    groups = plans.read(path, str(logs))
    one = grid.choose(session(tmp_path, groups, most=2))
    other = grid.choose(session(tmp_path, groups, most=2))
    assert list(one.content.cells.values()) == [0, 1]
    assert list(other.content.cells.values()) == [2]
    third = grid.choose(session(tmp_path, groups))  # 0 to 2 are being made
    assert list(third.content.cells.values()) == [3, 4, 5]
    assert grid.choose(session(tmp_path, groups)) is None
    line = pace.standing(groups, tmp_path, "cpu")[1]
    assert (line.busy, line.stored) == (6, 0)
    assert "6 being made" in pace.report([line])
    other.release()  # interrupted: the next one continues it, with its own size
    again = grid.choose(session(tmp_path, groups))
    assert again.folder == other.folder
    again.release()
    # A plan that wants it longer lengthens what is begun.
    longer = plans.read(path, str(logs), "--epochs=2000")
    longest = grid.choose(session(tmp_path, longer))
    assert longest.folder == other.folder and longest.content.epochs == 2000
    for program in (one, third, longest):
        program.release()


@pytest.mark.fault
def test_a_program_whose_command_was_killed_is_tidied_away(tmp_path, logs):
    """Its run went on to the end by itself: the cells are there, the folder is left."""
    path = plan(tmp_path, f"{BC} --dataset=log.hdf5 --seed=0..1 --epochs=10")
    groups = plans.read(path, str(logs))
    here = session(tmp_path, groups, keep_dir=str(tmp_path / "kept"))
    program = grid.choose(here)
    program.run.mkdir()
    line = json.dumps({"epoch": 10, "steps": 10}) + "\n"
    (program.run / run_folder.METRICS).write_text(line)
    program.release()
    grid._tidy(here)
    assert work.begun(tmp_path)  # its cells are not there yet
    store(tmp_path, groups[0], [0, 1], steps=10)
    grid._tidy(here)
    assert not work.begun(tmp_path)
    assert (tmp_path / "kept" / program.folder.name / run_folder.METRICS).is_file()
    assert not program.claim()  # gone; nobody stumbles over it


def test_a_program_fits_the_machine(logs, tmp_path):
    path = plan(tmp_path, f"{BC} --dataset=log.hdf5 --seed=0..99")
    (group,) = plans.read(path, str(logs))
    assert computer.capacity(CPU, group, 0) == 4
    assert computer.capacity(CPU, group, 7) == 7
    assert computer.capacity(computer.Computer("gpu", 1, 0), group, 0) == 100
    tight = computer.Computer("gpu", 1, 200_000)
    assert 1 <= computer.capacity(tight, group, 0) < 20


@pytest.mark.fault
def test_a_plan_is_interrupted_and_continued(tmp_path, logs, monkeypatch, children):
    """By a signal, then by --minutes; the cells are those of one go."""
    root = tmp_path / "results"
    long = f"{BC} --dataset=log.hdf5 --seed=0..1 --evaluate_every=400 --epochs=400"
    places = (f"--results_dir={root}", f"--logs={logs}")
    command = (f"--plan={plan(tmp_path, long)}", *places)

    def last():
        return max((x.last.get("epoch", 0) for x in work.begun(root)), default=0)

    def interrupt():
        while last() < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(StoppedError, match="the same command continues") as stopped:
        call(grid.main, monkeypatch, *command)
    thread.join()
    assert stopped.value.exit_code == 75 and not ledger.cells(root)
    first = last()
    assert 0 < first < 400
    # The time that --minutes gives is over while it learns on.
    with monkeypatch.context() as patch:
        patch.setattr(grid, "_POLL", 0.05)
        patch.setattr(grid.Session, "over", lambda self, epoch=0.0: last() > first)
        call(grid.main, patch, *command)
    assert first < last() < 400 and not ledger.cells(root)
    (program,) = work.begun(root)
    path = plan(tmp_path, long)  # continued as it is, whatever a new one would hold
    keep = f"--keep_dir={tmp_path / 'kept'}"
    nice = []
    monkeypatch.setattr(grid, "_share_nice", nice.append)
    call(grid.main, monkeypatch, f"--plan={path}", *places, "--most=1", keep)
    assert sorted(x["seed"] for x in ledger.cells(root)) == [0, 1]
    assert not work.begun(root) and len(nice) == 1
    kept = tmp_path / "kept" / program.folder.name
    epochs = [x["epoch"] for x in run_folder.metrics(kept) if x["seed"] == 0]
    assert epochs == list(range(401))
    assert not run_folder.has_checkpoint(kept)
    assert policies.load(kept)(np.zeros(11)).shape == (3,)
    whole = tmp_path / "whole"
    call(grid.main, monkeypatch, f"--plan={path}", f"--results_dir={whole}", places[1])
    curves = ({c["seed"]: c["curve"] for c in ledger.cells(x)} for x in (root, whole))
    assert next(curves) == next(curves)


def test_a_run_is_as_nice_as_its_command(monkeypatch):
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    group = pathlib.Path(f"/proc/{child.pid}/autogroup")
    try:
        if not group.is_file() or "nice 0" not in group.read_text():
            pytest.skip("no autogroups here")
        monkeypatch.setattr(os, "nice", lambda more: 7)
        grid._share_nice(child.pid)
        assert "nice 7" in group.read_text()
        grid._share_nice(2**22 + 1)  # no such process, and no error
    finally:
        child.kill()
        child.wait()


def test_the_time_that_is_given(tmp_path, monkeypatch):
    ten = session(tmp_path, [], minutes=10)._replace(ends=600.0)
    for now, epoch, over in (
        (500, 0, False),
        (596, 0, True),  # 5 s to save
        (500, 60, False),  # another epoch of 60 s ends at 560 and is saved by 595
        (510, 60, True),
        (451, 3600, True),  # never more than a quarter is kept back
        (449, 3600, False),
    ):
        monkeypatch.setattr(time, "monotonic", lambda now=now: float(now))
        assert ten.over(epoch) is over


@pytest.mark.fault
def test_a_program_that_fails_is_named_and_left(tmp_path, monkeypatch, capsys):
    bad = tmp_path / "log.hdf5"
    bad.write_bytes(b"<html>")
    path = plan(tmp_path, f"{BC} --dataset={bad} --seed=0")
    places = f"--results_dir={tmp_path / 'results'}"
    with pytest.raises(JobError, match=r"1 program\(s\) failed, see .*log.txt"):
        call(grid.main, monkeypatch, f"--plan={path}", places)
    assert "exit code 3: h2o_jax: error:" in capsys.readouterr().out


def test_what_is_left_is_said_without_making_it(tmp_path, monkeypatch, capsys):
    path = plan(tmp_path, f"{BC} --dataset=absent.hdf5 --seed=0..1")
    call(
        grid.main, monkeypatch, f"--plan={path}", "--list", f"--results_dir={tmp_path}"
    )
    printed = capsys.readouterr().out
    assert "no log: absent.hdf5" in printed
    assert "left      2 cell(s), no estimate yet (?)" in printed
    assert not pathlib.Path(tmp_path, ".work").exists()
    assert printed.splitlines()[-1].startswith("left out  2 cell(s), as 1 line(s) lack")


@pytest.mark.fault
def test_a_plan_without_any_of_its_logs_and_logs_that_are_no_folder(
    tmp_path, monkeypatch
):
    path = plan(tmp_path, f"{BC} --dataset=absent.hdf5")
    given = (f"--plan={path}", f"--results_dir={tmp_path}")
    with pytest.raises(ConfigError, match=r"none of its logs is here, such as absent"):
        call(grid.main, monkeypatch, *given)
    with pytest.raises(ConfigError, match=r"--logs=nowhere: no such folder"):
        call(grid.main, monkeypatch, *given, "--logs=nowhere")
