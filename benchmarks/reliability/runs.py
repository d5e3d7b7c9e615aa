"""Tiny runs in processes of their own, to be killed, continued and compared."""

import atexit
import functools
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

from experiments import checkpoints, run_folder

TASKS = ("hopper", "walker2d", "halfcheetah", "wheel_legged_stand")
"""The last one delays its actions: positions and velocities are not its whole state."""
Process = subprocess.Popen[str]
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


def start(folder: pathlib.Path, task: str) -> Process:
    """Begins a run in `folder`, or goes on with the one that is saved there."""
    flags: tuple[str, ...] = (f"--resume={folder}",)
    if not run_folder.has_checkpoint(folder):
        gap = "latency:4" if task.startswith("wheel_legged") else "gravity:2"
        flags = (*_TINY, f"--task={task}", f"--gap={gap}", f"--run_dir={folder}")
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "experiments.run",
            *flags,
            f"--compile_cache={_place() / 'cache'}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # The bits of matrix products depend on the number of threads.
        env={**os.environ, "NPROC": "1", "JAX_PLATFORMS": "cpu"},
    )


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
    _, said = process.communicate(timeout=_PATIENCE)
    if process.returncode:
        raise RuntimeError(f"{task}: ended with {process.returncode}: {said}")
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
    while process.poll() is None and not run_folder.metrics(folder):
        time.sleep(0.05)


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
