"""Jobs of the launch command, each of which trains one shard of a grid.

The job waits for a child process that trains, so that XLA starts afresh in it.
"""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Literal

from experiments.run_folder import LOCK, has_checkpoint
from h2o_jax.data import writing
from h2o_jax.settings import MACHINE, at_least, setting

WARNING = signal.SIGUSR2
"""With which submitit lets a scheduler warn a job before it ends it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launch:
    """Spreading the grid over jobs."""

    cluster: Literal["local", "debug", "slurm"] = setting(
        "local",
        "Where the jobs run: side by side on this machine, one after another on this "
        "machine, or as one SLURM array.",
        tags=[MACHINE],
    )
    jobs: int = setting(
        1, "Jobs, each with a shard of the grid.", at_least(1), [MACHINE]
    )
    slurm_partition: str | None = setting(
        None, "Partition of the jobs; default: the cluster's.", tags=[MACHINE]
    )
    slurm_time: int = setting(
        1440, "Minutes after which SLURM ends a job.", at_least(1), [MACHINE]
    )
    slurm_cpus: int | None = setting(
        None, "CPU cores of each job; default: the cluster's.", at_least(1), [MACHINE]
    )
    slurm_gpus: int | None = setting(
        None, "GPUs of each job; default: none.", at_least(1), [MACHINE]
    )
    slurm_memory_gb: int | None = setting(
        None, "Memory of each job; default: the cluster's.", at_least(1), [MACHINE]
    )


@dataclasses.dataclass
class Shard:
    """One shard of a grid, trained by a child process so that XLA starts afresh.

    submitit pickles it, calls it in the job, and asks `checkpoint` what to run instead
    once the scheduler warns.
    """

    folder: pathlib.Path
    """Of the launch."""
    index: int
    count: int
    epochs: int
    arguments: tuple[str, ...]
    """Flags of the run, but for its shard and its folder."""
    gpus: str | None = None
    """CUDA_VISIBLE_DEVICES where the launch was made."""
    _child: subprocess.Popen[bytes] | None = dataclasses.field(default=None, init=False)

    @property
    def run_folder(self) -> pathlib.Path:
        """Where the run's metrics and checkpoint are."""
        return self.folder / f"shard{self.index}"

    @property
    def log(self) -> pathlib.Path:
        """What the run printed."""
        return self.folder / "jobs" / f"shard{self.index}.log"

    @property
    def stop(self) -> pathlib.Path:
        """A file that is made on Ctrl-C, for jobs that have not begun by then."""
        return self.folder / "jobs" / "stop"

    @property
    def finished(self) -> bool:
        """Whether an earlier job has done all the epochs."""
        return self._done.is_file() and self._done.read_text() == f"{self.epochs}\n"

    @property
    def _done(self) -> pathlib.Path:
        return self.log.with_suffix(".epochs")

    def __call__(self) -> int:
        """Trains, from the last checkpoint if there is one, and gives the exit code."""
        if self.stop.exists():
            return 128 + signal.SIGINT
        if not has_checkpoint(self.run_folder):
            _clear(self.run_folder)
        with self.log.open("a") as log, _held_back(WARNING), _ctrl_c():
            self._child = subprocess.Popen(
                self.command(), stdout=log, stderr=log, env=self._environment()
            )
        code = self._child.wait()
        if code == 0:
            writing.write_text(self._done, f"{self.epochs}\n")
        return code if code >= 0 else 128 - code  # as shells have it for signals

    def checkpoint(self) -> Any:
        """Lets the run save itself; the job is to be queued again with this shard."""
        from submitit.helpers import DelayedSubmission

        if self._child is not None:
            self._child.terminate()
            # `wait` would hang: the call that was interrupted holds the child's lock.
            os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)
        return DelayedSubmission(dataclasses.replace(self))

    def command(self) -> list[str]:
        """The run as a command line, fresh or resumed."""
        place = "resume" if has_checkpoint(self.run_folder) else "run_dir"
        return [
            *(sys.executable, "-u", "-m", "experiments.run"),
            *self.arguments,
            f"--shard={self.index}/{self.count}",
            f"--{place}={self.run_folder}",
        ]

    def _environment(self) -> dict[str, str]:
        """As the job's; on this machine submitit hides GPUs, which the run may use."""
        environment = dict(os.environ)
        if environment.get("SUBMITIT_EXECUTOR") == "local":
            environment.pop("CUDA_VISIBLE_DEVICES", None)
            if self.gpus is not None:
                environment["CUDA_VISIBLE_DEVICES"] = self.gpus
        return environment


@contextlib.contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """Blocks a signal, also in processes that are started meanwhile.

    SLURM sends its warning to all processes of a job. It would end the run at once,
    where `checkpoint` lets it save itself.
    """
    former = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _ctrl_c() -> contextlib.AbstractContextManager[None]:
    """Lets Ctrl-C reach a process started meanwhile, where a launch ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return handled(signal.SIGINT, signal.SIG_DFL)
    return contextlib.nullcontext()


@contextlib.contextmanager
def handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    """Gives a signal another handler, in processes started meanwhile too."""
    former = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, former)


def _clear(folder: pathlib.Path) -> None:
    """Removes what a run left that ended before its first checkpoint.

    One that is still running holds the lock and is left alone.
    """
    if not folder.is_dir():
        return
    with (folder / LOCK).open("w") as lock, contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
