"""Trackers get what metrics.jsonl has, and progress says how long the rest takes."""

import json
import sqlite3
import sys

import pytest

from experiments import run, run_folder, trackers
from experiments.cli import console
from experiments.cli.console import Display
from experiments.trackers import Tracker
from h2o_jax.errors import ConfigError
from tests.commands import TINY, call

LINE = {"epoch": 2, "steps": 120, "label": "none", "seed": 0, "return": 3.5}


def scalars(folder):
    """Tag -> `(step, value)` of TensorBoard's files."""
    from tensorboardX.proto import event_pb2

    found = {}
    for path in folder.glob("events*"):
        content, at = path.read_bytes(), 0
        while at < len(content):
            size = int.from_bytes(content[at : at + 8], "little")
            event = event_pb2.Event.FromString(content[at + 12 : at + 12 + size])
            at += 12 + size + 4
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


@pytest.mark.fault
@pytest.mark.parametrize("error", [OSError(28, "No space left"), RuntimeError("a\nb")])
def test_a_tracker_that_fails_is_left_and_told_of_once(
    tmp_path, monkeypatch, capsys, error
):
    class Failing:
        def __init__(self, folder, name):
            pass

        def write(self, step, metrics):
            raise error

        close = write

    monkeypatch.setitem(trackers._SINKS, "wandb", Failing)
    tracker = Tracker("wandb", tmp_path, [("none", 0)])
    tracker.write([LINE, LINE])
    tracker.close()
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("warning   the tracker is left, it failed (")


def test_tensorboard_shows_what_the_metrics_say(tmp_path, monkeypatch, fast_compile):
    pytest.importorskip("tensorboardX")
    folder = tmp_path / "run"
    arguments = ("--algorithm=sac", "--epochs=2", "--seed=0,1", "--tracker=tensorboard")
    call(run.main, monkeypatch, *TINY, *arguments, f"--run_dir={folder}")
    lines = [x for x in run_folder.metrics(folder) if x["seed"] == 1]
    shown = scalars(folder / "tensorboard" / "gravity:2 seed 1")
    assert [step for step, _ in shown["return"]] == [0, 60, 120]
    assert [x for _, x in shown["return"]] == pytest.approx(
        [line["return"] for line in lines], rel=1e-6
    )
    assert any(name.startswith("seconds/") for name in shown)
    assert "tracker" not in run_folder.flags(folder)  # belongs to the machine


def test_wandb_offline_leaves_files_in_the_run_folder(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tracker = Tracker("wandb", tmp_path, [("none", 0)])
    tracker.write([LINE])
    tracker.close()
    assert list(tmp_path.glob("wandb/offline-run-*"))


def test_trackio_keeps_the_runs_of_a_grid_apart(tmp_path, monkeypatch, capsys):
    # Read once, when it is imported.
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio")
    tracker = Tracker("trackio", tmp_path, [("none", 0), ("none", 1)])
    tracker.write([LINE, {**LINE, "seed": 1, "return": 4.5}])
    tracker.close()
    with sqlite3.connect(tmp_path / "trackio" / "h2o_jax.db") as kept:
        found = kept.execute("select run_name, step, metrics from metrics").fetchall()
    shown = {name: (step, json.loads(text)) for name, step, text in found}
    assert shown == {
        f"{tmp_path.name} none seed 0": (120, {"return": 3.5}),
        f"{tmp_path.name} none seed 1": (120, {"return": 4.5}),
    }
    assert not capsys.readouterr().out


def test_no_tracker_does_nothing(tmp_path):
    tracker = Tracker("none", tmp_path, [("none", 0)])
    tracker.write([LINE])
    tracker.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.fault
@pytest.mark.parametrize(
    ("kind", "name"),
    [("tensorboard", "tensorboardX"), ("wandb", "wandb"), ("trackio", "trackio")],
)
def test_a_tracker_that_is_missing(tmp_path, monkeypatch, kind, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"--tracker={kind}: .*h2o_jax\[{kind}\]"):
        Tracker(kind, tmp_path, [("none", 0)])


def test_each_run_has_its_own_sink(tmp_path, monkeypatch):
    written = []

    class Recorder:
        def __init__(self, folder, name):
            self.name = name

        def write(self, step, metrics):
            written.append((self.name, step, metrics))

        def close(self):
            written.append(self.name)

    monkeypatch.setitem(trackers._SINKS, "wandb", Recorder)
    tracker = Tracker("wandb", tmp_path, [("a/b", 0), ("c", 1)])
    tracker.write([{**LINE, "label": "c", "seed": 1, "seconds": {"learn": 2.0}}])
    tracker.close()
    metrics = {"return": 3.5, "seconds/learn": 2.0}
    assert written == [("c seed 1", 120, metrics), "a-b seed 0", "c seed 1"]


def test_lines_say_the_time_left(monkeypatch, capsys):
    now = iter([100.0, 130.0, 160.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with Display("h2o_plus", total=10) as display:
        display.line("before")
        display.epoch(0)  # at 100 s
        display.epoch(3)
        display.line("after")  # at 130 s, 10 s an epoch: 7 are left
        display.epoch(10)
        display.line("done")
    assert capsys.readouterr().out.splitlines() == [
        *("before", "after  (70 s left)", "done")
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(70, "70 s"), (600, "10 min"), (7200, "2.0 h")]
)
def test_durations(seconds, text):
    assert console.duration(seconds) == text
