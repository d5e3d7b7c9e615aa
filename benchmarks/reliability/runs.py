"""Tiny runs in processes of their own, to be killed, continued and compared."""

import atexit
import functools
import hashlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

from experiments import run_folder
from experiments.run_folder import checkpoints

TASKS = ("hopper", "walker2d", "halfcheetah", "wheel_legged_stand")
"""The last one delays its actions: positions and velocities are not its whole state."""
ITEMS = (run_folder.STATE, run_folder.POLICY, run_folder.BEST)
"""Of a checkpoint: all that it holds."""
_TINY = (
    "--algorithm=sac",
    "--hidden=8,8",
    "--learn_rows=0:8",
    "--seed=0..1",
    "--steps=60",
    "--updates=5",
    "--epochs=4",
    "--evaluate_every=1",
    "--episodes=1",
    "--threads=1",
)
_PATIENCE = 600
"""Seconds that a tiny run may take on a busy machine."""


class Process:
    """A run in a process of its own, one at a time.

    Attributes:
        code: how it ended, as `subprocess` has it; None while it runs.
    """

    def __init__(self, arguments: Sequence[str]):
        """Starts it."""
        self.code: int | None = None
        self._output = _place() / "output"
        self._output.unlink(missing_ok=True)
        order = {"arguments": arguments, "output": str(self._output)}
        forks = _forks()
        assert forks.stdin and forks.stdout
        self._answers = forks.stdout
        print(json.dumps(order), file=forks.stdin, flush=True)
        self._pid = int(self._answers.readline())

    def wait(self, seconds: float) -> int | None:
        """Its code, once it has ended; None where it still runs after `seconds`."""
        if self.code is None and select.select([self._answers], [], [], seconds)[0]:
            self.code = int(self._answers.readline())
        return self.code

    def send(self, number: signal.Signals) -> int:
        """Its code after a signal.

        Raises:
            TimeoutError: it goes on.
        """
        if self.wait(0) is None:
            os.kill(self._pid, number)
        return self.end()

    def end(self) -> int:
        """Its code, once it has ended.

        Raises:
            TimeoutError: it does not.
        """
        if (code := self.wait(_PATIENCE)) is None:
            raise TimeoutError(f"a run takes more than {_PATIENCE} s: {self.said()}")
        return code

    def said(self) -> str:
        """The end of what it printed."""
        return self._output.read_text()[-200:] if self._output.exists() else ""


def start(folder: pathlib.Path, task: str) -> Process:
    """Begins a run in `folder`, or goes on with the one that is saved there."""
    flags: tuple[str, ...] = (f"--resume={folder}",)
    if not run_folder.has_checkpoint(folder):
        gap = "latency:4" if task.startswith("wheel_legged") else "gravity:2"
        flags = (*_TINY, f"--task={task}", f"--gap={gap}", f"--run_dir={folder}")
    return Process((*flags, f"--compile_cache={_place() / 'cache'}"))


@functools.cache
def _forks() -> subprocess.Popen[str]:
    """What starts the runs; it ends with this process."""
    forks = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reliability.forks"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # The bits of matrix products depend on the number of threads.
        env={**os.environ, "NPROC": "1", "JAX_PLATFORMS": "cpu"},
    )
    atexit.register(forks.communicate)
    return forks


@functools.cache
def _place() -> pathlib.Path:
    """A folder for what the parts share; it goes when the process ends."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return pathlib.Path(folder.name)


class Times(NamedTuple):
    """Seconds that a run took."""

    whole: float
    after: float
    """Of these after its first line of metrics."""


def finish(folder: pathlib.Path, task: str) -> Times:
    """Runs to the end, undisturbed."""
    begun = time.monotonic()
    process = start(folder, task)
    wait_for_line(folder, process)
    first = time.monotonic()
    if code := process.end():
        raise RuntimeError(f"{task}: ended with {code}: {process.said()}")
    end = time.monotonic()
    return Times(end - begun, end - first)


class Undisturbed(NamedTuple):
    """A run that nobody disturbed."""

    folder: pathlib.Path
    digest: str
    times: Times


@functools.cache
def undisturbed(task: str) -> Undisturbed:
    """The run of a task that the others are compared with."""
    folder = _place() / task
    times = finish(folder, task)
    return Undisturbed(folder, digest(folder, ITEMS), times)


def wait_for_line(folder: pathlib.Path, process: Process) -> None:
    """Until a run has written its first line of metrics, or ended."""
    while process.wait(0.05) is None and not run_folder.metrics(folder):
        pass


def written(folder: pathlib.Path) -> int:
    """The last epoch whose metrics are written; -1 before."""
    return max((int(x["epoch"]) for x in run_folder.metrics(folder)), default=-1)


def epoch(folder: pathlib.Path) -> int:
    """Of the newest checkpoint; -1 without one.

    Raises:
        CheckpointError: it is not readable.
    """
    if not run_folder.has_checkpoint(folder):
        return -1
    return int(checkpoints.read(folder / run_folder.CHECKPOINT).info["epoch"])


def digest(folder: pathlib.Path, items: Sequence[str]) -> str:
    """Of the newest checkpoint's items and of the metrics, but for their times.

    Raises:
        CheckpointError: something is missing or damaged.
    """
    content = hashlib.sha256()
    for item in items:
        found = checkpoints.read(folder / run_folder.CHECKPOINT, item)
        for name, array in sorted(found.arrays.items()):
            content.update(f"{name} {array.dtype} {array.shape}".encode())
            content.update(array.tobytes())
    for line in run_folder.metrics(folder):
        rest = {key: value for key, value in line.items() if key != "seconds"}
        content.update(json.dumps(rest, sort_keys=True).encode())
    return content.hexdigest()
