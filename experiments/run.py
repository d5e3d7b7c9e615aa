"""Trains a policy for a real system from a log and a wrong simulator.

Reads --dataset (or collects one), builds one simulator per run, trains every run of
the grid --gap x hyperparameter lists x --seed in one program, evaluates in the real
system, and leaves flags, metrics, a learning curve, checkpoints and policies in
--run_dir.
"""

import contextlib
import pathlib
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments import (
    build,
    collecting,
    conclusion,
    data,
    devices,
    epochs,
    footprint,
    groups,
    health,
    hosts,
    ledger,
    places,
    reports,
    robots,
    run_folder,
    trackers,
    unused,
)
from experiments.cli import console, interrupts, parsing
from experiments.cli.defining import flag_name
from experiments.cli.flags import Flags
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.devices import Machine
from experiments.experiment import Experiment
from experiments.exporting import robot_record
from experiments.mending import routes
from experiments.run_folder import Output, RunFolder, WrittenElsewhere, resumed, saving
from experiments.runs import Run
from experiments.trackers import Tracker
from experiments.training import Training
from h2o_jax.data import datasets
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError, StoppedError
from h2o_jax.scales import moments

SETTINGS = groups.RUN

_APART = 100.0
"""Factor between the scales of observations that is warned of."""


class Command(NamedTuple):
    """What the command line says."""

    experiment: Experiment
    """All runs, whichever host trains them."""
    machine: Machine
    output: Output
    reading: Reading
    collecting: Collecting
    flags: Flags
    """The texts, for the run folder and for cells."""


def main(flags: Flags) -> None:
    """The command."""
    experiment = parsing.experiment(flags)
    machine, output = flags.of(Machine), flags.of(Output)
    reading, how = flags.of(Reading), flags.of(Collecting)
    if output.results_dir and not experiment.knows_real:
        raise ConfigError(
            f"--results_dir={output.results_dir}: a cell says real returns, which "
            "--real=unknown has none of; drop the flag, or name a --real"
        )
    if set(output.preset) & set("/\\") or output.preset.startswith("."):
        raise ConfigError(
            f"--preset={output.preset}: becomes the name of a folder; give one without "
            "slashes that does not begin with a dot"
        )
    command = Command(experiment, machine, output, reading, how, flags)
    own = -(-len(experiment.runs) // (machine.hosts or 1))
    devices.prepare(machine, own, experiment.matmul_precision)
    hosts.join(machine)
    with hosts.end_together():
        stopped = _run(command)
    if stopped:  # all hosts alike, so that they end in order
        raise stopped


def _run(command: Command) -> StoppedError | None:
    """This host's part of the command; the error with which a signal ends it."""
    whole, machine = command.experiment, command.machine
    devices.check(machine)
    folder = pathlib.Path(command.output.resume or command.output.run_dir)
    if hosts.leads():  # refused now, not once a log is collected
        folder = run_folder.place(command.output, whole.model.name, whole.algorithm)
        places.try_folder("run_dir", folder)
        if command.output.resume:
            print("".join(f"{x}\n" for x in resumed.changes(folder)), end="")
    mine = hosts.take_shard(whole)
    method = build.algorithm(mine)  # refused now, on every host alike
    parsing.check_sweeps(whole)
    with hosts.one_first():
        dataset = data.load(
            mine, method, command.reading, command.collecting, machine.threads
        )
    facts = reports.data_facts(whole, dataset)
    facts = {"data": facts, "reading": command.reading.deciding()}
    if command.output.resume:  # before minutes go into its simulators
        resumed.check_log(folder, facts)
    if hosts.leads():
        print(_settings(command.flags, dataset))
        print("".join(f"{x}\n" for x in _unread(command)), end="")
        print(_plan(mine, dataset, machine.threads))
    with hosts.one_first():
        cache = collecting.cache_folder(command.collecting)
        simulators = routes.prepare(whole, dataset, cache, machine.threads)
    if hosts.leads():
        notes = robot_record.notes(whole, command.reading, simulators)
        print("".join(f"note      {x}\n" for x in notes), end="")
    training = build.training(
        mine, dataset, machine.threads, simulators, hosts.own_shard(simulators)
    )
    mended = routes.mended(whole, simulators)
    robot = robot_record.record(whole, dataset, command.reading, simulators)
    about = {**reports.run_facts(whole, simulators, mended), **facts, "robot": robot}
    where = RunFolder(folder) if hosts.leads() else WrittenElsewhere(folder)
    try:
        if hosts.leads() and not command.output.resume:
            run_folder.check_free(folder)  # another may have run there until the lock
        return _train(command, training, where, about, mended)
    finally:
        where.close()


def _settings(flags: Flags, dataset: Dataset | None) -> str:
    """Which values flags have that were not given, and whether others may suit."""
    line = f"settings  {flags.value('defaults')}, where no flag is given"
    ends = dataset is not None and not np.all(dataset.transition.discount_t)
    # Other methods were not measured to begin faster by it.
    known = flags.value("algorithm") == "h2o_plus"
    if not ends or not known or flags.is_given("defaults"):
        return line
    other = "--defaults=balancing may begin faster"
    return f"{line}; if episodes of this log end by falls, {other}"


def _unread(command: Command) -> list[str]:
    """A warning of flags that were given, in no flagfile, and are never read."""
    experiment, flags = command.experiment, command.flags
    if command.output.resume:  # all flags of the run are given then
        return []
    never = set(map(flag_name, unused.unused(vars(experiment))))
    if {"lambda_real", "lambda_sim"} <= never:
        never.add("lambda")
    given = [f"--{x}" for x in sorted(never) if flags.is_named(x)]
    if not given:
        return []
    own = {**unused.own(vars(experiment)), "simulator": experiment.simulator}
    method = " ".join([experiment.algorithm, *(f"--{x}={own[x]}" for x in own)])
    return [f"warning   {method} never reads {', '.join(given)}"]


def _plan(experiment: Experiment, dataset: Dataset | None, threads: int) -> str:
    """What the runs start from: the log, the memory, how the simulators are stepped.

    Raises:
        MemoryLimitError: the runs do not fit.
    """
    lines = []
    if dataset is not None:
        lines.append(datasets.summary(dataset))
        other = data.other_task(experiment, dataset, threads)
        lines += [f"warning   {other}"] if other else []
        disorder = data.disorder(dataset.transition, experiment.model)
        lines += [f"warning   {x}" for x in disorder]
    lines.append(footprint.fitting(experiment, dataset))
    lines += _scales(experiment, dataset)
    unread = unused.unused(vars(experiment))
    steps = experiment.epochs * experiment.steps
    if "random_steps" not in unread and 0 < steps <= experiment.random_steps:
        lines.append(
            f"warning   --random_steps={experiment.random_steps} are all "
            f"{steps} steps of the run: its policy never acts in its simulator; give "
            "fewer"
        )
    if experiment.overlap:
        lines.append("overlap   simulators act by the policy of two epochs before")
    return "\n".join(lines)


def _scales(experiment: Experiment, dataset: Dataset | None) -> list[str]:
    """A warning where networks would see some observations only."""
    if dataset is None or experiment.normalise:
        return []
    _, std = moments(dataset.transition.s_tm1)
    moving = np.flatnonzero(std > 1e-6)
    if not len(moving):
        return []
    least, most = (moving[pick(std[moving])] for pick in (np.argmin, np.argmax))
    if std[most] <= _APART * std[least]:
        return []
    return [
        f"warning   observations differ {std[most] / std[least]:,.0f}-fold in scale "
        f"(std of s[{most}] {std[most]:.3g}, of s[{least}] {std[least]:.3g}): give "
        "--normalise"
    ]


def _train(
    command: Command,
    training: Training,
    where: RunFolder,
    about: Mapping[str, Any],
    mended: reports.Mended,
) -> StoppedError | None:
    """Trains this host's runs; host 0 writes the run folder of all."""
    whole, folder, facts = command.experiment, where.path, about["data"]
    if command.output.resume:
        resumed.check(folder, about)
        anew = run_folder.has_only_begun(folder)
        if not anew:
            with hosts.one_first():
                saving.restore(folder, training, hosts.gathering())
        resumed.check_robot(folder, about["robot"])
        where.keep_until(-1 if anew else training.state.epoch)
    where.begin(command.flags.text(), about)
    tracker = _tracker(command, folder)
    display = console.Display(whole.algorithm, whole.epochs, quiet=not hosts.leads())
    with (
        contextlib.closing(tracker),
        display,
        interrupts.Stop("the last whole epoch is saved") as stop,
    ):
        record = epochs.Record(whole, where, tracker, display, facts)
        try:
            lost = epochs.train(training, record, stop)
        except StoppedError as error:
            saving.save(folder, training, hosts.gathering())
            again = shlex.join([f"--resume={folder}", *command.flags.outside()])
            how = f"continue with python -m experiments.run {again}"
            return interrupts.saved(error, training.state.epoch, how)
    if hosts.leads():
        _conclude(command, folder, facts, mended, lost)
    if lost:
        raise health.error(whole, lost)
    return None


def _tracker(command: Command, folder: pathlib.Path) -> Tracker:
    """The tracker of all runs, on the host that writes."""
    kind = command.output.tracker if hosts.leads() else trackers.NONE
    return Tracker(kind, folder, [(x.label, x.seed) for x in command.experiment.runs])


def _conclude(
    command: Command,
    folder: pathlib.Path,
    facts: reports.Facts,
    mended: reports.Mended,
    lost: Mapping[Run, str],
) -> None:
    """Says how every setting did beside the data, and where things are.

    Runs that were lost are left out.
    """
    experiment, output = command.experiment, command.output
    good = [run for run in experiment.runs if run not in lost]
    if good:
        outside = command.flags.outside()
        print(conclusion.table(folder, experiment, facts, good, outside))
    if output.results_dir:
        labels = ledger.Labels(
            output.preset, command.reading.deciding(), command.flags.choices()
        )
        ledger.store(
            pathlib.Path(output.results_dir),
            folder,
            experiment,
            facts,
            labels,
            mended,
            good,
        )
    report = robots.of(experiment.model).report_run
    if report is not None and experiment.knows_real:
        print("\n" + report(experiment, folder))
    print("\n" + conclusion.files(folder))


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
