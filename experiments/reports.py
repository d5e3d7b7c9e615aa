"""Reports of a run: lines of metrics and the learning curve."""

import pathlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from experiments import health, plots, run_folder, statistics
from experiments.experiment import Experiment
from experiments.loop import Report
from experiments.run_folder import Line
from experiments.runs import Run
from experiments.training import Simulator
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import gaps

NOT_USED = "not used"
"""What is said of a way to mend a simulator that did not help."""
Facts = Mapping[str, Any]
Mended = Mapping[Run, Mapping[str, str]]
"""Run -> what became of its simulator; see `routes.mended`."""


def data_facts(experiment: Experiment, dataset: Dataset | None) -> Facts:
    """Name and digest of a log, and its episodes' returns; empty without a log."""
    if dataset is None:
        return {}
    facts: dict[str, Any] = {
        "name": pathlib.PurePath(dataset.source).name,
        "sha256": dataset.sha256,
    }
    # If evaluations have another length than episodes, returns cannot be compared.
    whole = experiment.model.evaluation_seconds is None
    if len(dataset.episode_returns) and whole:
        facts["mean"] = float(dataset.episode_returns.mean())
        facts["best"] = float(dataset.episode_returns.max())
    return facts


def run_facts(
    experiment: Experiment,
    simulators: Sequence[Simulator],
    mended: Mended = MappingProxyType({}),
) -> dict[str, Any]:
    """The entries of versions.json beside the software."""
    runs = [
        {
            "label": run.label,
            "seed": run.seed,
            "chosen": run_folder.BEST if simulator.right else run_folder.LAST,
            **({"simulator": dict(mended[run])} if run in mended else {}),
        }
        for run, simulator in zip(experiment.runs, simulators, strict=True)
    ]
    return {
        "policy": {
            "obs_dim": experiment.model.obs_dim,
            "action_dim": experiment.model.action_dim,
            "hidden": experiment.hidden,
        },
        "system": {
            "task": experiment.model.name,
            "real": gaps.to_text(experiment.real),
        },
        "runs": runs,
    }


def lines(
    experiment: Experiment,
    report: Report,
    seconds: Mapping[str, float],
    lost: Mapping[Run, str],
) -> list[Line]:
    """One flat line per run of an epoch's report; see metrics.jsonl.

    Args:
        experiment: whose runs report.
        report: the report of the epoch.
        seconds: wall time of the epoch by phase.
        lost: the runs that are lost by now, and why.
    """
    rounded = {phase: round(passed, 3) for phase, passed in seconds.items()}
    return [
        {
            **_line(experiment, report, i),
            "seconds": rounded,
            **({health.KEY: lost[run]} if run in lost else {}),
        }
        for i, run in enumerate(experiment.runs)
    ]


def _line(experiment: Experiment, report: Report, i: int) -> Line:
    run = experiment.runs[i]
    line: Line = {
        "epoch": report.epoch,
        "steps": report.epoch * experiment.steps,
        "label": run.label,
        "seed": run.seed,
    }
    if report.scores is not None:
        returns, lengths = report.scores.returns[i], report.scores.lengths[i]
        name = return_of(experiment)
        line[name] = float(returns.mean())
        line[f"{name}_std"] = float(returns.std())
        line["length"] = float(lengths.mean())
        simulated = report.scores.simulated
        if simulated is not None and np.isfinite(simulated[i]).all():
            line["simulated_return"] = float(simulated[i].mean())
        real = gaps.to_text(experiment.real)
        if real in experiment.model.references:
            score = experiment.model.normalised(line[name], real)
            line["score"] = float(score)
    metrics = {k: float(v[i]) for k, v in report.metrics.items()}
    return line | {k: v for k, v in metrics.items() if np.isfinite(v)}


def return_of(experiment: Experiment) -> str:
    """What evaluations measure: a return in the real system only if there is one."""
    return "return" if experiment.knows_real else "simulated_return"


def progress(experiment: Experiment, report: Report) -> str:
    """The mean return, of each setting if there are several; how long episodes were."""
    assert report.scores is not None
    by_label: dict[str, list[float]] = {}
    for run, returns in zip(experiment.runs, report.scores.returns, strict=True):
        by_label.setdefault(run.label, []).append(float(returns.mean()))
    texts = {label: statistics.spread(x, width=8) for label, x in by_label.items()}
    steps = np.mean(report.scores.lengths)
    what = "real return" if experiment.knows_real else "return in the simulator"
    begin = f"epoch {report.epoch:4d}  episodes of {steps:.0f} steps, {what}"
    if len(texts) == 1:
        return f"{begin} {texts.popitem()[1]}"
    wide = max(map(len, texts)) + 1
    rows = (f"{label + ':':{wide}s} {text}" for label, text in texts.items())
    return "\n    ".join([begin, *rows])


def draw(folder: pathlib.Path, experiment: Experiment, facts: Facts) -> None:
    """Writes the learning curve of a run folder."""
    references = {f"data, {x}": facts[x] for x in ("mean", "best") if x in facts}
    title = f"{experiment.algorithm} on {experiment.model.name}"
    if experiment.real:
        title += f" (real: {gaps.to_text(experiment.real)})"
    name = return_of(experiment)
    lines = [
        {**line, "return": line[name]}
        for line in run_folder.metrics(folder)
        if name in line
    ]
    where = "the real system" if experiment.knows_real else "each run's simulator"
    given = (lines, title, references, f"return in {where}")
    plots.curve(folder / run_folder.CURVE, *given)


def by_run(experiment: Experiment, folder: pathlib.Path) -> dict[Run, list[Line]]:
    """The lines of a run folder's metrics, run by run."""
    every = run_folder.metrics(folder)
    return {
        run: [x for x in every if (x["label"], x["seed"]) == (run.label, run.seed)]
        for run in experiment.runs
    }


def curve(own: list[Line], name: str = "return") -> list[float]:
    """What was measured at each evaluation of one run."""
    return [line[name] for line in own if name in line]


def best_so_far(own: list[Line], name: str = "return") -> list[float]:
    """Return at each evaluation of the policy that the simulator chose until then.

    Empty where it chose none.
    """
    judged = simulated(own, name)
    return statistics.best_so_far(curve(own, name), judged) if judged else []


def simulated(own: list[Line], name: str = "return") -> list[float]:
    """Return in its right simulator at each evaluation of one run.

    Empty where that was not right; nan where the policy had no finite actions in it.
    """
    if not any("simulated_return" in line for line in own):
        return []
    return [line.get("simulated_return", np.nan) for line in own if name in line]


def summarise(own: list[Line], name: str = "return") -> dict[str, float]:
    """Final return and mean of the last ten evaluations of one run's lines.

    The first line, the evaluation before any training, does not count.

    Args:
        own: lines of one run.
        name: of the return in them; see `return_of`.
    """
    returns = curve(own, name)
    return {
        "final": returns[-1],
        "last_ten": float(np.mean(trained(returns))),
    }


def trained(returns: list[float]) -> list[float]:
    """The last ten evaluations, but for that before any training."""
    return (returns[1:] or returns)[-10:]
