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
    console,
    data,
    flags,
    from_flags,
    interrupts,
    loop,
    records,
    reports,
    saving,
)
from experiments.build import Worlds
from experiments.experiment import Experiment
from h2o_jax.errors import ConfigError
from h2o_jax.sim import datasets
from h2o_jax.sim.datasets import Dataset
from h2o_jax.types import Algorithm


def main() -> None:
    """The command, with parsed flags."""
    experiment = from_flags.experiment()
    console.use_cores(flags.FLAGS.threads, len(experiment.runs))
    folder = _folder(experiment)
    method = build.algorithm(experiment)
    dataset = data.load(experiment, method)
    if dataset is not None:
        print(datasets.summary(dataset))
    worlds = build.worlds(experiment, method, flags.FLAGS.threads)
    record = records.Record(folder)
    try:
        _train(experiment, method, worlds, dataset, record)
    finally:
        record.close()


def _train(
    experiment: Experiment,
    method: Algorithm,
    worlds: Worlds,
    dataset: Dataset | None,
    record: records.Record,
) -> None:
    program = build.program(experiment, method)
    state = build.state(experiment, method, program, dataset)
    if flags.FLAGS.resume:
        saving.restore(record.folder, experiment, program, state, worlds, dataset)
        record.keep_until(state.epoch)
    facts = reports.data_facts(experiment, dataset)
    record.begin(flags.text(), _facts(experiment, facts))
    display = console.Display(experiment.algorithm, experiment.epochs)
    with display, interrupts.Stop() as stop:
        for report in loop.train(experiment, program, worlds, dataset, state):
            record.write(reports.lines(experiment, report))
            display.epoch(report.epoch)
            evaluated, stopping = report.returns is not None, stop.asked
            if evaluated or stopping:
                saving.save(record.folder, experiment, state, worlds, dataset)
            if evaluated:
                display.line(reports.progress(experiment, report))
                reports.draw(record.folder, experiment, facts)
            if stopping:
                raise interrupts.stopped(stopping, record.folder, report.epoch)
    reports.conclude(record.folder, experiment, facts)


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
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
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
