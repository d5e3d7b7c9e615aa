"""Spreads a grid of runs over independent jobs, on this machine or on SLURM.

Takes every flag of the run command besides its own, makes --jobs shards of the grid and
runs each in a job of its own, with its run folder in --run_dir/shard0, shard1, ... and
what it printed in --run_dir/jobs. The same command with the same --run_dir continues
what is unfinished. --cluster=local and debug wait for the jobs; slurm returns at once.
"""

import importlib
import os
import pathlib
import shutil
import signal
from collections.abc import Sequence
from typing import Any

from absl import logging

from experiments import build, collecting, data, groups, jobs, places, run_folder
from experiments.cli import console, interrupts, parsing
from experiments.cli.flags import Flags
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.devices import Machine
from experiments.experiment import Experiment, Grid
from experiments.jobs import Launch, Shard
from experiments.run_folder import Output
from h2o_jax.data import writing
from h2o_jax.errors import ConfigError, JobError, StoppedError
from h2o_jax.settings import FREE, MACHINE

_NO_LIMIT = 60 * 24 * 365
"""Minutes; submitit ends local jobs after two by default."""
_NOTICE = 180
"""Seconds before a job's end at which its run is told to save itself."""


SETTINGS = groups.JOBS


def main(flags: Flags) -> None:
    """The command."""
    # submitit's debug executor tells where it logs, at the level below.
    logging.set_verbosity(logging.ERROR)
    launch = flags.of(Launch)
    submitit = _submitit(launch.cluster)
    experiment = _experiment(flags, launch.jobs)
    shards = _shards(flags, experiment, launch.jobs)
    waiting = [shard for shard in shards if not shard.finished]
    for shard in shards:
        if shard.finished:
            print(_line(shard, "finished before"))
    if not waiting:
        return
    stop_file = shards[0].stop
    stop_file.unlink(missing_ok=True)
    then = "waiting for the jobs, which save themselves"
    with interrupts.Stop(then, [signal.SIGINT], stop_file.touch) as stop:
        # Ctrl-C reaches every process of the terminal. A run saves itself then, and
        # submitit's processes, which wait for it, must not end before it.
        with jobs.handled(signal.SIGINT, signal.SIG_IGN):
            submitted = _submit(submitit, launch, waiting)
        if launch.cluster == "slurm":
            print(_instructions(shards[0].folder, submitted))
            return
        codes = _wait(submitit, launch.cluster, waiting, submitted, stop)
    _conclude(waiting, codes)


def _submitit(cluster: str) -> Any:
    """The optional library.

    Raises:
        ConfigError: it is not installed, or there is no SLURM for it.
    """
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


def _experiment(flags: Flags, count: int) -> Experiment:
    """The whole grid, checked as far as it can be without training.

    Raises:
        ConfigError: the jobs could not run like this.
    """
    output = flags.of(Output)
    for name, value in (("shard", flags.of(Grid).shard), ("resume", output.resume)):
        if value:
            raise ConfigError(f"--{name}={value}: each job has its own; drop the flag")
    if flags.of(Machine).distributed:
        raise ConfigError("--distributed: jobs are independent; drop the flag")
    experiment = parsing.experiment(flags)
    if count > len(experiment.runs):
        raise ConfigError(
            f"--jobs={count}: the grid has {len(experiment.runs)} run(s); give at most "
            "as many jobs"
        )
    _check_log(experiment, flags)
    return experiment


def _check_log(experiment: Experiment, flags: Flags) -> None:
    """Makes sure that the jobs find a log.

    Raises:
        ConfigError: each of them would collect it.
    """
    if experiment.dataset or not data.needed(experiment, build.algorithm(experiment)):
        return
    place = collecting.place(
        experiment, flags.of(Reading).pairing, flags.of(Collecting)
    )
    if not place.is_file():
        raise ConfigError(
            "--dataset=: every job would collect the same log; collect it first, with "
            "python -m experiments.collect and the same flags"
        )


def _shards(flags: Flags, experiment: Experiment, count: int) -> list[Shard]:
    """The shards of the grid, each with its job."""
    folder = _folder(flags, experiment)
    given = flags.given(apart=("run_dir", "epochs", *flags.names(Launch)))
    # A resumed run would otherwise keep its own number of epochs.
    arguments = (*given, f"--epochs={experiment.epochs}")
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [
        Shard(folder, index, count, experiment.epochs, arguments, gpus)
        for index in range(count)
    ]


def _folder(flags: Flags, experiment: Experiment) -> pathlib.Path:
    """Where this launch goes, with a note of its flags.

    Raises:
        ConfigError: the folder holds something else than this launch.
    """
    named = flags.of(Output).run_dir
    fresh = run_folder.fresh(experiment.model.name, experiment.algorithm)
    folder = pathlib.Path(named) if named else fresh
    note = folder / "launch.flags"
    # What must stay the same when a launch is continued.
    kept = flags.given(tags=frozenset([FREE, MACHINE]))
    kept.append(f"--jobs={flags.of(Launch).jobs}")
    if not flags.is_given("defaults"):  # a later default must not finish an earlier one
        kept.append(f"--defaults={flags.value('defaults')}")
    if note.is_file():
        stored = note.read_text().splitlines()
        before = " ".join(x for x in stored if x not in kept)
        now = " ".join(x for x in kept if x not in stored)
        if before or now:
            raise ConfigError(
                f"--run_dir={folder}: launched there with [{before}], now with "
                f"[{now}]; give the same, or another folder"
            )
    elif not run_folder.is_free(folder):
        raise ConfigError(f"--run_dir={folder}: not an empty folder; choose another")
    with places.writing("run_dir", folder):
        (folder / "jobs").mkdir(parents=True, exist_ok=True)
    writing.write_text(note, "\n".join(kept) + "\n")
    return folder


def _submit(submitit: Any, launch: Launch, shards: Sequence[Shard]) -> list[Any]:
    """One job per shard, as one array where the cluster has them.

    Raises:
        ConfigError: SLURM refused them.
    """
    cluster = launch.cluster
    executor = submitit.AutoExecutor(folder=shards[0].folder / "jobs", cluster=cluster)
    executor.update_parameters(name="h2o_jax", timeout_min=_NO_LIMIT)
    if cluster == "slurm":
        executor.update_parameters(
            timeout_min=launch.slurm_time,
            cpus_per_task=launch.slurm_cpus,
            gpus_per_node=launch.slurm_gpus,
            mem_gb=launch.slurm_memory_gb,
            slurm_partition=launch.slurm_partition,
            slurm_signal_delay_s=_NOTICE,
        )
    try:
        with executor.batch():
            return [executor.submit(shard) for shard in shards]
    except submitit.core.utils.FailedJobError as error:
        raise ConfigError(f"--cluster={cluster}: sbatch refused: {error}") from None


def _instructions(folder: pathlib.Path, submitted: Sequence[Any]) -> str:
    """What to do with jobs that are queued."""
    number = submitted[0].job_id.partition("_")[0]
    return (
        f"submitted {number}, {len(submitted)} job(s)\n"
        f"watch     squeue --jobs={number}\n"
        f"logs      tail -f {folder / 'jobs'}/shard*.log\n"
        f"cancel    scancel {number}\n"
        f"continue  this command with --run_dir={folder}, once all have ended"
    )


def _wait(
    submitit: Any,
    cluster: str,
    shards: Sequence[Shard],
    submitted: Sequence[Any],
    stop: interrupts.Stop,
) -> list[int | None]:
    """Waits for every job, says how it goes, and gives the exit codes."""
    in_turn = cluster == "debug"  # asking for a result starts the job
    if not in_turn:
        for shard in shards:
            print(_line(shard, f"begins, log {shard.log}"))
    codes = []
    for shard, job in zip(shards, submitted, strict=True):
        if in_turn and not stop.received:
            print(_line(shard, f"begins, log {shard.log}"))
        code = _code(submitit, job)
        codes.append(code)
        print(_line(shard, f"{_state(code)}, exit code {code}"))
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
    if code in interrupts.STOPPED:
        return "stopped"
    return "failed" if code else "finished"


def _line(shard: Shard, state: str) -> str:
    return f"shard {shard.index}/{shard.count}  {state}  {shard.run_folder}"


def _conclude(shards: Sequence[Shard], codes: Sequence[int | None]) -> None:
    """Returns if every job finished.

    Raises:
        JobError: one failed, or was lost.
        StoppedError: a signal ended one.
    """
    outcomes = list(zip(shards, codes, strict=True))
    failed = [shard for shard, code in outcomes if code not in (0, *interrupts.STOPPED)]
    if failed:
        raise JobError(
            f"--jobs={shards[0].count}: {len(failed)} failed, see {failed[0].log}; "
            f"this command with --run_dir={failed[0].folder} continues"
        )
    for shard, code in outcomes:
        if code:
            raise StoppedError(
                f"shard {shard.index} was stopped; this command with "
                f"--run_dir={shard.folder} continues",
                code,
            )


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
