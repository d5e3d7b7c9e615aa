"""What a run tells about itself: lines, curve, final table, cells of results."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments import command_line, flags, loop, plots, records, robots
from experiments.experiment import Experiment, Run, defaults
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import gaps
from h2o_jax.types import Hyper

Facts = Mapping[str, Any]
Line = dict[str, Any]


def data_facts(experiment: Experiment, dataset: Dataset | None) -> Facts:
    """What identifies a log, and its episodes' returns; empty without one."""
    if dataset is None:
        return {}
    facts: dict[str, Any] = {
        "name": pathlib.PurePath(dataset.source).name,
        "sha256": dataset.sha256,
    }
    # Where evaluations last otherwise than episodes, their returns do not compare.
    if len(dataset.episode_returns) and experiment.model.evaluation_seconds is None:
        facts["mean"] = float(dataset.episode_returns.mean())
        facts["best"] = float(dataset.episode_returns.max())
    return facts


def lines(experiment: Experiment, report: loop.Report) -> list[Line]:
    """One flat line per run of an epoch's report; see metrics.jsonl."""
    return [_line(experiment, report, i) for i in range(len(experiment.runs))]


def _line(experiment: Experiment, report: loop.Report, i: int) -> Line:
    run = experiment.runs[i]
    line: Line = {
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
        real = gaps.to_text(experiment.real)
        if real in experiment.model.references:
            line["score"] = float(experiment.model.normalised(mean, real))
    metrics = {k: float(v[i]) for k, v in report.metrics.items()}
    line |= {k: v for k, v in metrics.items() if np.isfinite(v)}
    line["seconds"] = {k: round(v, 3) for k, v in report.seconds.items()}
    return line


def progress(experiment: Experiment, report: loop.Report) -> str:
    """The mean real return of each setting, and how long episodes lasted."""
    assert report.returns is not None and report.lengths is not None
    by_label: dict[str, list[float]] = {}
    for run, returns in zip(experiment.runs, report.returns, strict=True):
        by_label.setdefault(run.label, []).append(float(returns.mean()))
    wide = max(map(len, by_label))
    parts = [
        f"{label + ':':{wide + 1}s} {np.mean(x):8.1f} +- {np.std(x):.1f}"
        for label, x in by_label.items()
    ]
    begin = f"epoch {report.epoch:4d}  episodes of {np.mean(report.lengths):.0f} steps,"
    # A line per setting, once there are several.
    between = "  " if len(parts) == 1 else "\n    "
    return between.join([f"{begin} real return", *parts])


def draw(folder: pathlib.Path, experiment: Experiment, facts: Facts) -> None:
    """Writes the learning curve."""
    references = {f"data, {x}": facts[x] for x in ("mean", "best") if x in facts}
    title = f"{experiment.algorithm} on {experiment.task}"
    if experiment.real:
        title += f" (real: {gaps.to_text(experiment.real)})"
    plots.curve(folder / "curve.png", records.read(folder), title, references)


def conclude(folder: pathlib.Path, experiment: Experiment, facts: Facts) -> None:
    """Prints how every setting did beside the data, and where things are."""
    found = records.read(folder)
    by_run = {
        run: [x for x in found if (x["label"], x["seed"]) == (run.label, run.seed)]
        for run in experiment.runs
    }
    print(_table({run: summarise(own) for run, own in by_run.items()}, facts))
    if flags.FLAGS.results_dir:
        cells = [_cell(experiment, run, own, facts) for run, own in by_run.items()]
        records.store_results(pathlib.Path(flags.FLAGS.results_dir), folder, cells)
    report_run = robots.of(experiment.model).report_run
    if report_run is not None:
        print("\n" + report_run(experiment, folder))
    print(
        f"\npolicy   {folder / 'policy'} (last), {folder / 'best'} (best evaluation)\n"
        f"curve    {folder / 'curve.png'}\nmetrics  {folder / 'metrics.jsonl'}"
    )


def summarise(own: list[Line]) -> dict[str, float]:
    """Final return and mean of the last ten evaluations of one run's lines.

    The evaluation before any training, the first line, is none of them.
    """
    returns = [line["return"] for line in own if "return" in line]
    return {
        "final": returns[-1],
        "last_ten": float(np.mean((returns[1:] or returns)[-10:])),
    }


def _table(summaries: Mapping[Run, Mapping[str, float]], facts: Facts) -> str:
    """Mean and standard deviation over the seeds of every setting."""
    wide = max(32, *(len(run.label) for run in summaries))
    rows = [f"\n{'setting':{wide}s} {'final return':>18s} {'last 10 evaluations':>20s}"]
    for label in dict.fromkeys(run.label for run in summaries):
        own = [x for run, x in summaries.items() if run.label == label]
        final, last = (np.array([x[k] for x in own]) for k in ("final", "last_ten"))
        rows.append(
            f"{label:{wide}s} {final.mean():9.1f} +- {final.std():5.1f} "
            f"{last.mean():11.1f} +- {last.std():5.1f}"
        )
    if "mean" in facts:
        best = f"(best episode {facts['best']:.1f})"
        rows.append(f"{'the data itself':{wide}s} {facts['mean']:9.1f} {best}")
    return "\n".join(rows)


def _cell(
    experiment: Experiment, run: Run, own: list[Line], facts: Facts
) -> tuple[pathlib.PurePath, Line]:
    """Place and content of one cell of the result tables."""
    steps = experiment.epochs * experiment.steps
    chosen = setting(experiment, run, facts)
    method = "-".join(filter(None, [experiment.algorithm, flags.FLAGS.preset]))
    name = f"seed{run.seed}-{steps}-{_digest(chosen)}.json"
    content = {
        "task": experiment.task,
        "gap": gaps.to_text(run.gap),
        "algorithm": experiment.algorithm,
        "preset": flags.FLAGS.preset,
        "seed": run.seed,
        "steps": steps,
        **summarise(own),
        "curve": [[x["steps"], x["return"]] for x in own if "return" in x],
        "lengths": [x["length"] for x in own if "return" in x],
        "program": {
            "runs": len(experiment.runs),
            "seconds": round(sum(sum(x["seconds"].values()) for x in own)),
        },
        "setting": chosen,
        "data": facts or None,
        "flags": command_line.choices(),
    }
    return pathlib.PurePath(experiment.task, content["gap"], method, name), content


def setting(experiment: Experiment, run: Run, facts: Facts) -> Line:
    """All that decides what a cell says, but for the seed and where things are."""
    chosen = {k: v for k, v in vars(experiment).items() if k not in ("runs", "dataset")}
    return {
        **chosen,
        "real": gaps.to_text(experiment.real),
        "gap": gaps.to_text(run.gap),
        "data": facts.get("sha256"),
        "pairing": flags.FLAGS.pairing,
        **dataclasses.asdict(Hyper().replace(**dict(run.hyper))),
    }


def _digest(chosen: Line) -> str:
    """Names a setting by what is not at its default; new settings change nothing."""
    known = {**defaults(), "pairing": None}
    apart = {k: v for k, v in chosen.items() if k not in known or v != known[k]}
    return hashlib.sha256(json.dumps(apart, sort_keys=True).encode()).hexdigest()[:8]
