"""What a finished run says: its table, its best seed, where its files are."""

import pathlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments import policies, reports, run_folder, statistics
from experiments.experiment import Experiment
from experiments.runs import Run


def table(
    folder: pathlib.Path,
    experiment: Experiment,
    facts: reports.Facts,
    runs: Sequence[Run],
    outside: Sequence[str],
) -> str:
    """What the seeds of every setting earned, beside the data.

    Args:
        folder: the run folder.
        experiment: its runs.
        facts: of the log.
        runs: those that were not lost.
        outside: flags that a reader of the folder is given again.
    """
    name, lines = reports.return_of(experiment), reports.by_run(experiment, folder)
    summaries = {run: reports.summarise(lines[run], name) for run in runs}
    about = run_folder.versions(folder)["runs"]
    names = {
        run.label: _name(own) for run, own in zip(experiment.runs, about, strict=True)
    }
    wide = max(32, *map(len, names.values()))
    count = max(len(reports.trained(reports.curve(lines[run], name))) for run in runs)
    heads = [
        "final return" if experiment.knows_real else "simulated return",
        f"last {count} evaluation{'s' * (count > 1)}",
    ]
    simulated = {
        experiment.runs[i]: x for i, x in policies.chosen_returns(folder).items()
    }
    bests = {run: reports.best_so_far(lines[run], name)[-1] for run in simulated}
    if bests:
        heads.append("best in simulator")
    rows = ["\n" + _row("setting", wide, heads)]
    for label in dict.fromkeys(run.label for run in summaries):
        own = [run for run in summaries if run.label == label]
        found = [[summaries[run][k] for run in own] for k in ("final", "last_ten")]
        found += [[bests[run] for run in own if run in bests]]
        spreads = (statistics.spread(x, width=9) for x in found if x)
        rows.append(_row(names[label], wide, spreads))
    if len(summaries) > len({run.label for run in summaries}):
        rows[0] += "  (+- standard deviation over seeds)"
    if "mean" in facts:
        best = f"(best episode {facts['best']:.1f})"
        rows.append(f"{'the log itself':{wide}s} {facts['mean']:9.1f} {best}")
    rows += _best_seeds(folder, experiment, simulated)
    if not experiment.knows_real:
        rows.append(
            "no real system at hand: what a policy is worth there is estimated by "
            f"{judging(folder, outside)}"
        )
    return "\n".join(rows)


def _name(about: Mapping[str, Any]) -> str:
    """A run's setting, and whether its simulator was mended."""
    mends = [x for x in about.get("simulator", {}).values() if x != reports.NOT_USED]
    return f"{about['label']}, mended" if mends else str(about["label"])


def judging(folder: pathlib.Path, outside: Sequence[str]) -> str:
    """The command that judges a run folder, with the flags that it is given again."""
    return shlex.join(["python", "-m", "experiments.judge", str(folder), *outside])


def _best_seeds(
    folder: pathlib.Path, experiment: Experiment, simulated: Mapping[Run, float]
) -> list[str]:
    """Of several seeds, all with a right simulator, which one did best there."""
    found = []
    for label in dict.fromkeys(run.label for run in simulated):
        seeds = [run for run in simulated if run.label == label]
        best = max(seeds, key=lambda run: simulated[run])
        if len(seeds) > 1:
            found.append(
                f"{label}: seed {best.seed} did best in its simulator, "
                f"{simulated[best]:.1f}: python -m experiments.export "
                f"{shlex.quote(str(folder))} --run={experiment.runs.index(best)}"
            )
    return found


def _row(first: str, wide: int, others: Iterable[str]) -> str:
    return " ".join([f"{first:{wide}s}", *(f"{x:20s}" for x in others)]).rstrip()


def files(folder: pathlib.Path) -> str:
    """Where a finished run's files are."""
    runs, right = run_folder.versions(folder)["runs"], policies.chosen_returns(folder)
    return (
        f"policy   {folder / run_folder.CHECKPOINT}; for a robot: "
        f"python -m experiments.export {shlex.quote(str(folder))}"
        f"{' --run=I' if len(runs) > 1 and not right else ''}\n"
        f"curve    {folder / run_folder.CURVE}\n"
        f"metrics  {folder / run_folder.METRICS}"
    )
