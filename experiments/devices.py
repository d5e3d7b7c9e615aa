"""How a command uses the machine: cores, accelerators, precision, compile cache.

Everything here is fixed before the first array exists.
"""

import dataclasses
import os
import pathlib
import tempfile

import jax

from experiments import places
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FOLDER, MACHINE, Range, at_least, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """Devices and hosts."""

    threads: int = setting(
        0,
        "CPU cores to use; 0: all. The bits of a run depend on it.",
        Range(0, 1024, "0 to 1024"),
    )
    require_accelerator: bool = setting(
        False, "End with an error where there is only a CPU.", tags=[MACHINE]
    )
    compile_cache: str = setting(
        "",
        "Folder that keeps compiled programs for later commands.",
        tags=[MACHINE, FOLDER],
    )
    distributed: bool = setting(
        False,
        "One program on several hosts: start the same command on each. Found by itself "
        "under SLURM, Kubernetes, Open MPI and on TPUs.",
        tags=[MACHINE],
    )
    coordinator: str = setting(
        "",
        "HOST:PORT of the first host, where it is not found by itself.",
        tags=[MACHINE],
    )
    hosts: int | None = setting(
        None, "How many take part; with --coordinator.", at_least(1), [MACHINE]
    )
    host: int | None = setting(
        None, "Which of them this is, from 0.", at_least(0), [MACHINE]
    )


def prepare(machine: Machine, runs: int, matmul_precision: str | None) -> None:
    """Sets JAX up as the flags say, for so many runs."""
    use_cores(machine.threads, runs)
    if matmul_precision is not None:
        jax.config.update("jax_default_matmul_precision", matmul_precision)
    if machine.compile_cache:
        _make(machine.compile_cache)
        jax.config.update("jax_compilation_cache_dir", machine.compile_cache)
        # The small programs around a run add up, too.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def use_cores(cores: int, runs: int) -> None:
    """Spreads runs over the cores: one device each, with the threads that are left.

    XLA reads NPROC when its CPU client starts, which is why this comes before any
    array exists. A value that the user has set stays.

    Args:
        cores: how many to use; 0 for all.
        runs: how many runs share them.
    """
    cores = cores or usable_cores()
    devices = min(cores, runs)
    os.environ.setdefault("NPROC", str(cores // devices))
    jax.config.update("jax_num_cpu_devices", devices)


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _make(cache: str) -> None:
    """Makes the folder; a bucket, such as `gs://...`, makes itself.

    Raises:
        ConfigError: it cannot be written; JAX would compile each time, and not say so.
    """
    if "://" in cache:
        return
    with places.writing("compile_cache", cache):
        pathlib.Path(cache).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache).close()


def check(machine: Machine) -> None:
    """Makes sure of the accelerator that the flags may demand.

    Raises:
        ConfigError: `--require_accelerator`, and there is only a CPU.
    """
    if machine.require_accelerator and jax.default_backend() == "cpu":
        raise ConfigError(
            "--require_accelerator: JAX found only a CPU; pip install -e '.[cuda13]', "
            "'.[cuda12]' or '.[tpu]', or drop the flag"
        )
