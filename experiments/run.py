"""Trains a policy for a real system from a log and a wrong simulator.

Reads --dataset (or collects one), builds one simulator per run, trains every run of
the grid --gap x hyperparameter lists x --seed in one program, evaluates in the real
system, and leaves flags, metrics, a learning curve, checkpoints and policies in
--run_dir.
"""

import hashlib
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments import (
    build,
    console,
    data,
    flags,
    from_flags,
    loop,
    plots,
    records,
    saving,
)
from experiments.build import Worlds
from experiments.experiment import Experiment
from h2o_jax.errors import ConfigError
from h2o_jax.sim import datasets, gaps
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
    record.begin(flags.text(), _facts(experiment, dataset))
    with console.Display(experiment.algorithm, experiment.epochs) as display:
        for report in loop.train(experiment, program, worlds, dataset, state):
            record.write(report_lines(experiment, report))
            display.epoch(report.epoch)
            if report.returns is not None:
                display.line(_progress(experiment, report))
                saving.save(record.folder, experiment, state, worlds, dataset)
                _draw(record.folder, experiment, dataset)
    _conclude(record.folder, experiment, dataset)


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


def _facts(experiment: Experiment, dataset: Dataset | None) -> dict[str, Any]:
    return {
        "policy": {
            "obs_dim": experiment.model.obs_dim,
            "action_dim": experiment.model.action_dim,
            "hidden": experiment.hidden,
        },
        "runs": [{"label": r.label, "seed": r.seed} for r in experiment.runs],
        "data": _data_facts(dataset),
    }


def _data_facts(dataset: Dataset | None) -> dict[str, Any] | None:
    """What identifies a log, and its episodes' returns."""
    if dataset is None:
        return None
    facts: dict[str, Any] = {
        "name": pathlib.PurePath(dataset.source).name,
        "sha256": dataset.sha256,
    }
    if len(dataset.episode_returns):
        facts["mean"] = float(dataset.episode_returns.mean())
        facts["best"] = float(dataset.episode_returns.max())
    return facts


# --- reporting -----------------------------------------------------------------------


def report_lines(experiment: Experiment, report: loop.Report) -> list[dict[str, Any]]:
    """One flat line per run of an epoch's report; see metrics.jsonl."""
    lines = []
    for i, run in enumerate(experiment.runs):
        line: dict[str, Any] = {
            "epoch": report.epoch,
            "steps": report.epoch * experiment.steps,
            "label": run.label,
            "seed": run.seed,
        }
        if report.returns is not None and report.lengths is not None:
            mean = float(report.returns[i].mean())
            line["return"] = mean
            line["return_std"] = float(report.returns[i].std())
            line["length"] = float(report.lengths[i].mean())
            if experiment.model.reference is not None and not experiment.real:
                line["score"] = float(experiment.model.normalised(mean))
        finite = {k: float(v[i]) for k, v in report.metrics.items()}
        line |= {k: v for k, v in finite.items() if np.isfinite(v)}
        line["seconds"] = {k: round(v, 3) for k, v in report.seconds.items()}
        lines.append(line)
    return lines


def _progress(experiment: Experiment, report: loop.Report) -> str:
    """One line: the mean real return of each setting."""
    assert report.returns is not None
    by_label: dict[str, list[float]] = {}
    for run, returns in zip(experiment.runs, report.returns, strict=True):
        by_label.setdefault(run.label, []).append(float(returns.mean()))
    parts = [
        f"{label}: {np.mean(x):8.1f} +- {np.std(x):.1f}"
        for label, x in by_label.items()
    ]
    return f"epoch {report.epoch:4d}  real return  " + "   ".join(parts)


def _draw(
    folder: pathlib.Path, experiment: Experiment, dataset: Dataset | None
) -> None:
    facts = _data_facts(dataset) or {}
    references = {f"data, {x}": facts[x] for x in ("mean", "best") if x in facts}
    real = gaps.to_text(experiment.real)
    title = f"{experiment.algorithm} on {experiment.task}"
    if experiment.real:
        title += f" (real: {real})"
    plots.curve(folder / "curve.png", records.read(folder), title, references)


def summarise(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Final return and mean of the last ten evaluations of one run's lines."""
    returns = [line["return"] for line in lines if "return" in line]
    return {"final": returns[-1], "last_ten": float(np.mean(returns[-10:]))}


def _conclude(
    folder: pathlib.Path, experiment: Experiment, dataset: Dataset | None
) -> None:
    """Prints how every setting did beside the data, and where things are."""
    lines = records.read(folder)
    cells = []
    print(f"\n{'setting':32s} {'final return':>18s} {'last 10 evaluations':>20s}")
    for label in dict.fromkeys(run.label for run in experiment.runs):
        found = []
        for run in experiment.runs:
            if run.label == label:
                own = [x for x in lines if (x["label"], x["seed"]) == (label, run.seed)]
                found.append(summarise(own))
                cells.append(
                    _cell(experiment, label, run.seed, found[-1], own, dataset)
                )
        final = np.array([x["final"] for x in found])
        last = np.array([x["last_ten"] for x in found])
        print(
            f"{label:32s} {final.mean():9.1f} +- {final.std():5.1f} "
            f"{last.mean():11.1f} +- {last.std():5.1f}"
        )
    data = _data_facts(dataset) or {}
    if "mean" in data:
        print(f"{'the data itself':32s} {data['mean']:9.1f}", end=" ")
        print(f"(best episode {data['best']:.1f})")
    if flags.FLAGS.results_dir:
        results = pathlib.Path(flags.FLAGS.results_dir)
        records.store_results(results, folder, cells)
    print(
        f"\npolicy   {folder / 'policy'} (last), {folder / 'best'} (best evaluation)\n"
        f"curve    {folder / 'curve.png'}\nmetrics  {folder / 'metrics.jsonl'}"
    )


def _cell(
    experiment: Experiment,
    label: str,
    seed: int,
    summary: Mapping[str, float],
    lines: list[dict[str, Any]],
    dataset: Dataset | None,
) -> tuple[pathlib.PurePath, dict[str, Any]]:
    """Place and content of one cell of the result tables."""
    steps = experiment.epochs * experiment.steps
    setting = re.sub(r"[^\w.:+=-]+", "_", label)
    data = _data_facts(dataset)
    # What else sets cells apart: network sizes, backbone, preset, log.
    chosen = [x for x in flags.choices() if not x.startswith(("--seed", "--threads"))]
    text = json.dumps([chosen, data and data["sha256"]])
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    name = f"seed{seed}-{steps}-{digest}.json"
    place = pathlib.PurePath(experiment.task, setting, experiment.algorithm, name)
    curve = [[x["steps"], x["return"]] for x in lines if "return" in x]
    content = {
        "task": experiment.task,
        "gap": label,
        "algorithm": experiment.algorithm,
        "seed": seed,
        "steps": steps,
        **summary,
        "curve": curve,
        "data": data,
        "flags": flags.choices(),
    }
    return place, content


if __name__ == "__main__":
    console.command(main, __doc__ or "")
