"""Trains a policy for a real system from a log and a wrong simulator.

Reads --dataset (or collects one), builds one simulator per run, trains every run of
the grid --gap x hyperparameter lists x --seed in one program, evaluates in the real
system, and leaves flags, metrics, a learning curve, checkpoints and policies in
--run_dir.
"""

import pathlib
from typing import Any

from experiments import (
    build,
    command_line,
    data,
    devices,
    flags,
    footprint,
    from_flags,
    hosts,
    loop,
    records,
    reports,
    saving,
)
from experiments.cli import console, interrupts
from experiments.experiment import Experiment
from h2o_jax.data import datasets
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError, StoppedError
from h2o_jax.program import Program
from h2o_jax.types import Algorithm


def main() -> None:
    """The command, with parsed flags."""
    whole = from_flags.experiment()
    own = -(-len(whole.runs) // (flags.FLAGS.hosts or 1))
    devices.prepare(own, whole.matmul_precision)
    hosts.join()
    with hosts.end_together():
        stopped = _run(whole)
    if stopped:  # all hosts alike, so that they end in order
        raise stopped


def _run(whole: Experiment) -> StoppedError | None:
    """This host's part of the command; what a signal to any host ended it with."""
    devices.check()
    if hosts.leads():
        _folder(whole)  # refused now, not once a log is collected
    mine = hosts.share(whole)
    method = build.algorithm(mine)
    with hosts.one_first():
        dataset = data.load(mine, method)
    program = build.program(mine, method)
    plan = _plan(mine, method, dataset, program)
    if hosts.leads():
        print(plan)
    record = _record(whole)
    try:
        return _train(whole, mine, method, program, dataset, record)
    finally:
        record.close()


def _plan(
    mine: Experiment, method: Algorithm, dataset: Dataset | None, program: Program
) -> str:
    """What the runs start from: the log, the memory, how the simulators are stepped.

    Raises:
        MemoryLimitError: the runs do not fit.
    """
    lines = [] if dataset is None else [datasets.summary(dataset)]
    lines.append(footprint.fitting(mine, method, dataset, program))
    if mine.overlap:
        lines.append("overlap   rows of epoch e are by the policy after block e - 2")
    return "\n".join(lines)


def _train(
    whole: Experiment,
    mine: Experiment,
    method: Algorithm,
    program: Program,
    dataset: Dataset | None,
    record: records.Record,
) -> StoppedError | None:
    """Trains this host's runs; host 0 writes what was found about the whole."""
    worlds = build.worlds(mine, method, flags.FLAGS.threads, whole.runs)
    state = build.state(mine, method, program, dataset)
    if flags.FLAGS.resume:
        saving.restore(
            _folder(whole), mine, program, state, worlds, dataset, hosts.shared()
        )
        record.keep_until(state.epoch)
    facts = reports.data_facts(whole, dataset)
    record.begin(command_line.text(), _facts(whole, facts))
    display = console.Display(whole.algorithm, whole.epochs, quiet=not hosts.leads())
    with display, interrupts.Stop("the epoch ends and is saved") as stop:
        for report in loop.train(mine, program, worlds, dataset, state):
            report = loop.gather(report)
            record.write(reports.lines(whole, report))
            display.epoch(report.epoch)
            evaluated, stopping = report.returns is not None, hosts.agree(stop.asked)
            if evaluated or stopping:
                saving.save(record.folder, mine, state, worlds, dataset, hosts.shared())
            if evaluated:
                display.line(reports.progress(whole, report))
            if evaluated and hosts.leads():
                reports.draw(record.folder, whole, facts)
            if stopping:
                how = f"continue with --resume={record.folder}"
                return interrupts.stopped(stopping, report.epoch, how)
    if hosts.leads():
        reports.conclude(record.folder, whole, facts)
    return None


def _record(experiment: Experiment) -> records.Record:
    """The run folder; host 0 alone writes there."""
    if hosts.leads():
        return records.Record(_folder(experiment))
    return records.Elsewhere(pathlib.Path(flags.FLAGS.resume or flags.FLAGS.run_dir))


def _folder(experiment: Experiment) -> pathlib.Path:
    """Where this run goes.

    Raises:
        ConfigError: the folder already holds something, and it is not resumed.
    """
    if flags.FLAGS.resume:
        return pathlib.Path(flags.FLAGS.resume)
    if not flags.FLAGS.run_dir:
        return records.fresh_folder(experiment.task, experiment.algorithm)
    folder = pathlib.Path(flags.FLAGS.run_dir)
    if not records.is_free(folder):
        raise ConfigError(
            f"--run_dir={folder}: not an empty folder; choose another, or continue it "
            f"with --resume={folder}"
        )
    return folder


def _facts(experiment: Experiment, facts: reports.Facts) -> dict[str, Any]:
    return {
        "policy": {
            "obs_dim": experiment.model.obs_dim,
            "action_dim": experiment.model.action_dim,
            "hidden": experiment.hidden,
        },
        "runs": [{"label": r.label, "seed": r.seed} for r in experiment.runs],
        "data": facts,
    }


if __name__ == "__main__":
    console.command(main, __doc__ or "")
