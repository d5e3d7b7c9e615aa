"""Spreads a grid of runs over independent jobs, on this machine or on SLURM.

Takes every flag of the run command besides its own, makes --jobs parts of the grid and
runs each in a job of its own, with its records in --run_dir/part0, part1, ... and what
it printed in --run_dir/jobs. The same command with the same --run_dir continues what is
unfinished. --cluster=local and debug wait for the jobs; slurm returns at once.
"""

import importlib
import os
import pathlib
import shutil
import signal
from collections.abc import Sequence
from typing import Any

from absl import logging

from experiments import (
    build,
    collect,
    command_line,
    data,
    flags,
    from_flags,
    jobs,
    records,
)
from experiments.cli import console, interrupts
from experiments.experiment import Experiment
from experiments.jobs import Part
from h2o_jax.errors import ConfigError, JobError, StoppedError

_NO_LIMIT = 60 * 24 * 365
"""Minutes; submitit ends local jobs after two by default."""
_NOTICE = 180
"""Seconds before a job's end at which its run is asked to save itself."""
_STOPPED = (75, 130)
"""Exit codes of a run that was asked to stop; what it had learned is saved."""


def main() -> None:
    """The command, with parsed flags."""
    # submitit's debug executor tells where it logs, at the level below.
    logging.set_verbosity(logging.ERROR)
    submitit = _submitit()
    experiment = _experiment()
    parts = _parts(experiment, _folder(experiment))
    waiting = [part for part in parts if not part.finished]
    for part in parts:
        if part.finished:
            print(_line(part, "finished before"))
    if not waiting:
        return
    stop_file = parts[0].stop
    stop_file.unlink(missing_ok=True)
    then = "waiting for the jobs, which save themselves"
    with interrupts.Stop(then, [signal.SIGINT], stop_file.touch) as stop:
        # Ctrl-C reaches every process of the terminal. A run saves itself then; those
        # of submitit that wait for it must not end before it.
        with jobs.handled(signal.SIGINT, signal.SIG_IGN):
            submitted = _submit(submitit, waiting)
        if flags.FLAGS.cluster == "slurm":
            print(_instructions(parts[0].folder, submitted))
            return
        codes = _wait(submitit, waiting, submitted, stop)
    _conclude(waiting, codes)


def _submitit() -> Any:
    """The optional library.

    Raises:
        ConfigError: it is not installed, or there is no SLURM for it.
    """
    cluster = flags.FLAGS.cluster
    try:
        submitit = importlib.import_module("submitit")
    except ImportError:
        raise ConfigError(
            f"--cluster={cluster}: submitit is not installed; pip install -e '.[slurm]'"
        ) from None
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise ConfigError(
            "--cluster=slurm: no sbatch and srun here; launch from a machine of the "
            "cluster, or give --cluster=local"
        )
    return submitit


def _experiment() -> Experiment:
    """The whole grid, checked as far as it can be without training.

    Raises:
        ConfigError: the jobs could not run as asked.
    """
    for name in ("part", "resume"):
        if value := flags.FLAGS[name].value:
            raise ConfigError(f"--{name}={value}: each job has its own; drop the flag")
    if flags.FLAGS.distributed:
        raise ConfigError("--distributed: jobs are independent; drop the flag")
    experiment = from_flags.experiment()
    if flags.FLAGS.jobs > len(experiment.runs):
        raise ConfigError(
            f"--jobs={flags.FLAGS.jobs}: the grid has {len(experiment.runs)} run(s); "
            "give at most as many jobs"
        )
    reads = data.reads(experiment, build.algorithm(experiment))
    if reads and not experiment.dataset and not collect.place(experiment).is_file():
        raise ConfigError(
            "--dataset=: every job would collect the same log; collect it first, with "
            "python -m experiments.collect and the same flags"
        )
    return experiment


def _folder(experiment: Experiment) -> pathlib.Path:
    """Where this launch goes, with a note of what was asked.

    Raises:
        ConfigError: the folder holds something else than this launch.
    """
    named = flags.FLAGS.run_dir
    fresh = records.fresh_folder(experiment.task, experiment.algorithm)
    folder = pathlib.Path(named) if named else fresh
    note, asked = folder / "launch.flags", _asked()
    if note.is_file():
        stored = note.read_text().splitlines()
        before = " ".join(x for x in stored if x not in asked)
        now = " ".join(x for x in asked if x not in stored)
        if before or now:
            raise ConfigError(
                f"--run_dir={folder}: launched there with [{before}], now with "
                f"[{now}]; give the same, or another folder"
            )
    elif not records.is_free(folder):
        raise ConfigError(f"--run_dir={folder}: not an empty folder; choose another")
    with records.writing("run_dir", folder):
        (folder / "jobs").mkdir(parents=True, exist_ok=True)
    note.write_text("\n".join(asked) + "\n")
    return folder


def _asked() -> list[str]:
    """The flags that a launch keeps when it is continued."""
    free = (*command_line.CHANGEABLE, *command_line.LAUNCH, "run_dir")
    return [*_without(free), flags.FLAGS["jobs"].serialize()]


def _without(names: Sequence[str]) -> list[str]:
    """The given flags but for those of `names`."""
    return [
        x for x in command_line.given() if x.lstrip("-").partition("=")[0] not in names
    ]


def _parts(experiment: Experiment, folder: pathlib.Path) -> list[Part]:
    given = _without((*command_line.LAUNCH, "run_dir", "epochs"))
    # A resumed run would otherwise keep its own number of epochs.
    arguments = (*given, f"--epochs={experiment.epochs}")
    gpus, count = os.environ.get("CUDA_VISIBLE_DEVICES"), flags.FLAGS.jobs
    return [
        Part(folder, index, count, experiment.epochs, arguments, gpus)
        for index in range(count)
    ]


def _submit(submitit: Any, parts: Sequence[Part]) -> list[Any]:
    """One job per part, as one array where the cluster has them.

    Raises:
        ConfigError: SLURM refused them.
    """
    cluster = flags.FLAGS.cluster
    executor = submitit.AutoExecutor(folder=parts[0].folder / "jobs", cluster=cluster)
    executor.update_parameters(name="h2o_jax", timeout_min=_NO_LIMIT)
    if cluster == "slurm":
        executor.update_parameters(
            timeout_min=flags.FLAGS.slurm_time,
            cpus_per_task=flags.FLAGS.slurm_cpus,
            gpus_per_node=flags.FLAGS.slurm_gpus,
            mem_gb=flags.FLAGS.slurm_memory_gb,
            slurm_partition=flags.FLAGS.slurm_partition,
            slurm_signal_delay_s=_NOTICE,
        )
    try:
        with executor.batch():
            return [executor.submit(part) for part in parts]
    except submitit.core.utils.FailedJobError as error:
        raise ConfigError(f"--cluster={cluster}: sbatch refused: {error}") from None


def _instructions(folder: pathlib.Path, submitted: Sequence[Any]) -> str:
    """What to do with jobs that are queued."""
    number = submitted[0].job_id.partition("_")[0]
    return (
        f"submitted {number}, {len(submitted)} job(s)\n"
        f"watch     squeue --jobs={number}\n"
        f"logs      tail -f {folder / 'jobs'}/part*.log\n"
        f"cancel    scancel {number}\n"
        f"continue  this command with --run_dir={folder}, once all have ended"
    )


def _wait(
    submitit: Any,
    parts: Sequence[Part],
    submitted: Sequence[Any],
    stop: interrupts.Stop,
) -> list[int | None]:
    """Waits for every job, says how it goes, and gives the exit codes."""
    in_turn = flags.FLAGS.cluster == "debug"  # asking for a result starts the job
    if not in_turn:
        for part in parts:
            print(_line(part, f"begins, log {part.log}"))
    codes = []
    for part, job in zip(parts, submitted, strict=True):
        if in_turn and not stop.asked:
            print(_line(part, f"begins, log {part.log}"))
        code = _code(submitit, job)
        codes.append(code)
        print(_line(part, f"{_state(code)}, exit code {code}"))
    return codes


def _code(submitit: Any, job: Any) -> int | None:
    """Exit code of a job's run, once it has one; None if the job was lost."""
    errors = submitit.core.utils
    try:
        code: int = job.result()
    except (errors.FailedJobError, errors.UncompletedJobError):
        return None
    return code


def _state(code: int | None) -> str:
    if code is None:
        return "lost"
    if code in _STOPPED:
        return "stopped"
    return "failed" if code else "finished"


def _line(part: Part, state: str) -> str:
    return f"part {part.index}/{part.count}  {state}  {part.run_folder}"


def _conclude(parts: Sequence[Part], codes: Sequence[int | None]) -> None:
    """Returns if every job finished.

    Raises:
        JobError: one failed, or was lost.
        StoppedError: one was asked to stop.
    """
    outcomes = list(zip(parts, codes, strict=True))
    failed = [part for part, code in outcomes if code not in (0, *_STOPPED)]
    if failed:
        raise JobError(
            f"--jobs={parts[0].count}: {len(failed)} failed, see {failed[0].log}; this "
            f"command with --run_dir={failed[0].folder} continues"
        )
    for part, code in outcomes:
        if code:
            raise StoppedError(
                f"part {part.index} was stopped; this command with "
                f"--run_dir={part.folder} continues",
                code,
            )


if __name__ == "__main__":
    console.command(main, __doc__ or "")
