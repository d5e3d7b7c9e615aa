"""What this machine can hold, told without taking hold of its accelerator."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from typing import NamedTuple

from experiments import build, data, footprint
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.devices import usable_cores
from experiments.plans import Group
from h2o_jax.data import files
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import H2OError

_SHARE = 0.6
"""Of the free memory, for what `footprint` counts; the rest is for working memory."""
_PER_CORE = 4
"""Runs of a program per core of a CPU. More would not be faster, only later."""
_ASK = (
    "import jax, json; d = jax.local_devices();"
    "m = [x.memory_stats() or {} for x in d];"
    "print(json.dumps([d[0].platform, len(d),"
    "sum(x.get('bytes_limit', 0) - x.get('bytes_in_use', 0) for x in m)]))"
)


class Computer(NamedTuple):
    """Where programs are trained."""

    backend: str
    devices: int
    """Accelerators, or cores of the CPU."""
    memory: int
    """Free bytes; 0 where nobody knows."""


def here(threads: int) -> Computer:
    """This machine.

    Args:
        threads: cores to use; 0 for all.
    """
    if not _has_plugin():
        return Computer("cpu", threads or usable_cores(), files.available_memory())
    # In a child, which gives the accelerator back.
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True)
    backend, count, memory = "cpu", 0, 0
    if done.returncode == 0:
        backend, count, memory = json.loads(done.stdout.splitlines()[-1])
    if backend == "cpu":
        return Computer("cpu", threads or usable_cores(), files.available_memory())
    return Computer(backend, count, memory)


def _has_plugin() -> bool:
    """Whether JAX may find an accelerator."""
    if os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        return False
    return any(map(importlib.util.find_spec, ("jax_plugins", "libtpu")))


def capacity(computer: Computer, group: Group, most: int) -> int:
    """Runs of a group that one program holds.

    Args:
        computer: where it is trained.
        group: whose runs.
        most: never more than that; 0 for as many as fit.
    """
    limits = [most] if most else []
    if computer.backend == "cpu" and not most:
        limits.append(_PER_CORE * computer.devices)
    if computer.memory:
        dataset = _log(group)
        needed = footprint.estimate(group.experiment, dataset)
        each = (needed.total - needed.data) / needed.runs
        free = _SHARE * computer.memory - needed.data
        limits.append(int(free / each))
    return max(1, min(limits, default=len(group.experiment.runs)))


def _log(group: Group) -> Dataset | None:
    """The log of a group; None for one that cannot be read, which its run will say."""
    if not group.log:
        return None
    method = build.algorithm(group.experiment)
    reading, how = group.flags.of(Reading), group.flags.of(Collecting)
    with contextlib.suppress(H2OError):
        return data.load(group.experiment, method, reading, how)
    return None
