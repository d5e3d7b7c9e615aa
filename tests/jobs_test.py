"""A job of the launch command: signals around its run, and what it begins again."""

import dataclasses
import fcntl
import signal
import sys

import pytest

from experiments import jobs

WARNED = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
os.kill(os.getpid(), signal.SIGUSR2)
os.kill(os.getppid(), signal.SIGUSR2)
time.sleep(60)
"""


def test_a_warned_job_lets_its_run_save_itself(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    (tmp_path / "jobs").mkdir()
    child = [sys.executable, "-c", WARNED]
    monkeypatch.setattr(jobs.Shard, "command", lambda shard: child)
    shard = jobs.Shard(tmp_path, 0, 1, 1, ())
    again = []
    former = signal.signal(jobs.WARNING, lambda *_: again.append(shard.checkpoint()))
    try:
        assert shard() == 75
    finally:
        signal.signal(jobs.WARNING, former)
    assert [x.function for x in again] == [dataclasses.replace(shard)]
    assert again[0].function._child is None and not shard.finished


def test_ctrl_c_reaches_the_run_and_not_those_who_wait(tmp_path, monkeypatch):
    (tmp_path / "jobs").mkdir()
    script = "import signal, sys; sys.exit(signal.getsignal(2) != signal.SIG_IGN)"
    monkeypatch.setattr(
        jobs.Shard, "command", lambda shard: [sys.executable, "-c", script]
    )
    with jobs.handled(signal.SIGINT, signal.SIG_IGN):
        assert jobs.Shard(tmp_path, 0, 1, 1, ())() == 1
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_job_that_begins_after_ctrl_c_does_nothing(tmp_path):
    shard = jobs.Shard(tmp_path, 0, 1, 1, ())
    shard.stop.parent.mkdir()
    shard.stop.touch()
    assert shard() == 130
    assert not shard.log.exists()


def test_a_run_that_a_signal_ended_has_the_shells_code(tmp_path, monkeypatch):
    (tmp_path / "jobs").mkdir()
    script = "import os, signal; signal.signal(2, 0); os.kill(os.getpid(), 2)"
    child = [sys.executable, "-c", script]
    monkeypatch.setattr(jobs.Shard, "command", lambda shard: child)
    assert jobs.Shard(tmp_path, 0, 1, 1, ())() == 130


def test_what_never_reached_a_checkpoint_is_begun_again(tmp_path):
    shard = jobs.Shard(tmp_path, 0, 1, 1, ())
    cut = shard.run_folder / "checkpoint" / "0.orbax-checkpoint-tmp"
    cut.mkdir(parents=True)
    assert shard.command()[-1] == f"--run_dir={shard.run_folder}"
    with (shard.run_folder / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jobs._clear(shard.run_folder)
        assert cut.exists()
    jobs._clear(shard.run_folder)
    assert not shard.run_folder.exists()
