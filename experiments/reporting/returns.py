"""What policies earn: learning curves, expected returns, and the verdict on them."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments import build, reports, run_folder, statistics
from experiments.reporting import figures
from experiments.reporting.page import Figure, Missing, Section, Table
from experiments.reporting.subject import Subject
from experiments.run_folder import Line
from experiments.statistics import Interval
from h2o_jax.types import Domains

_SOURCES: dict[Domains, str] = {
    ("real",): "the log alone",
    ("sim",): "the simulator alone",
}
_BOTH = "log and simulator"


class Setting(NamedTuple):
    """The runs of a folder that differ in their seed only."""

    name: str
    return_of: str
    """What their evaluations measured: see `reports.return_of`."""
    seeds: list[list[Line]]
    """The lines of metrics.jsonl, seed by seed."""

    @property
    def finals(self) -> np.ndarray:
        """`[S]` mean return of the last evaluations of each seed."""
        own = [reports.summarise(x, self.return_of)["last_ten"] for x in self.seeds]
        return np.array(own)


def settings(subjects: Sequence[Subject]) -> list[Setting]:
    """All that were evaluated, in the order of the folders.

    Raises:
        Missing: none was.
    """
    found = []
    for subject in subjects:
        experiment = subject.experiment
        measured = reports.return_of(experiment)
        domains = build.algorithm(experiment).domains
        name = f"{experiment.algorithm} from {_SOURCES.get(domains, _BOTH)}"
        if len(subjects) > 1:
            name = f"{subject.folder.name}: {name}"
        by_run = reports.by_run(experiment, subject.folder)
        for label in dict.fromkeys(run.label for run in by_run):
            own = [x for run, x in by_run.items() if run.label == label]
            own = [x for x in own if any(measured in line for line in x)]
            learned_in = "" if domains == ("real",) else f" (gap {label})"
            if own:
                found.append(Setting(name + learned_in, measured, own))
    if not found:
        raise Missing("nothing was evaluated yet")
    return found


def curves(subjects: Sequence[Subject]) -> Section:
    """Returns over training, with intervals over seeds."""
    found, facts = settings(subjects), subjects[0].facts["data"]
    kinds = {x.return_of for x in found}
    drawn = {
        x.name: [
            {**line, "return": line[x.return_of]}
            for own in x.seeds
            for line in own
            if x.return_of in line
        ]
        for x in found
    }
    references = {f"the log, {x}": facts[x] for x in ("mean", "best") if x in facts}
    what = " or ".join(sorted(map(_words, kinds)))
    caption = f"Mean over seeds, with its {statistics.LEVEL:.0%} interval (Student)."
    figure = Figure(figures.curves(drawn, references, what), caption)
    return Section(figures=[figure])


def expected(subjects: Sequence[Subject]) -> Section:
    """Returns at the end of training over seeds, and estimates where there are any."""
    found, facts = settings(subjects), subjects[0].facts["data"]
    rows = [
        (x.name, _words(x.return_of), interval(statistics.mean(x.finals)), _count(x))
        for x in found
    ]
    if "mean" in facts:
        best = f"{facts['mean']:.1f} (best episode {facts['best']:.1f})"
        rows.append(("the log itself", "return in the real system", best, "-"))
    head = "policy", "what", "mean over seeds [95 %]", "seeds"
    judged = [
        Table(("estimates", *_ESTIMATES), [_estimates(line) for line in lines])
        for lines in map(estimates, subjects)
        if lines
    ]
    text = ["Of each seed the mean of its last evaluations, ten at most."]
    if judged:
        text.append(
            "Estimates are those of experiments.judge, discounted: fqe from the log "
            "alone, simulated from the simulator, leaves the distance of the policy's "
            "actions to the log over the log's own."
        )
    elif not subjects[0].experiment.knows_real:
        text.append(_ask(subjects[0]))
    return Section(text, tables=[Table(head, rows), *judged])


_ESTIMATES = "fqe", "simulated", "leaves", "real"


def estimates(subject: Subject) -> list[Line]:
    """The lines of judged.json; none where nothing was judged."""
    path = subject.folder / run_folder.JUDGED
    found: list[Line] = json.loads(path.read_text()) if path.is_file() else []
    return found


def _estimates(line: Line) -> tuple[str, ...]:
    texts = [f"{line[x]:.2f}" if x in line else "-" for x in _ESTIMATES]
    if "fqe_error" in line:
        texts[0] += f" ± {line['fqe_error']:.2f}"
    return line["policy"], *texts


def interval(found: Interval) -> str:
    """A number and its interval, if a few seeds tell one."""
    if not np.isfinite(found.low):
        return f"{found.value:.1f}"
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def verdict(subjects: Sequence[Subject]) -> Section:
    """One sentence on the first folder, and the route that it took."""
    subject = subjects[0]
    try:
        sentence = _earned(subjects)
    except Missing as missing:
        sentence = f"No verdict: {missing}."
    return Section([sentence, route(subject)])


def _earned(subjects: Sequence[Subject]) -> str:
    subject = subjects[0]
    if not subject.experiment.knows_real:
        return _estimated(subject)
    best = max(settings([subject]), key=lambda x: x.finals.mean())
    found, facts = statistics.mean(best.finals), subject.facts["data"]
    seeds = _count(best)
    text = (
        f"{best.name} earns {interval(found)} in the real system, over {seeds} "
        f"seed{'s' * (seeds != '1')}"
    )
    if "mean" in facts:
        text += f": {_beside(found, facts['mean'])} its log's {facts['mean']:.1f}"
    return f"{text}{_best_of(subjects[1:])}."


def _best_of(others: Sequence[Subject]) -> str:
    """What the best of the other folders earns, as the end of a sentence."""
    others = [x for x in others if x.experiment.knows_real]
    if not others:
        return ""
    best = max(settings(others), key=lambda x: x.finals.mean())
    earned = interval(statistics.mean(best.finals))
    return f"; the best of the others, {best.name}, {earned}"


def _beside(found: Interval, logged: float) -> str:
    """How a mean return compares with the log's, as far as its interval tells."""
    if not np.isfinite(found.low):
        side = "above" if found.value > logged else "not above"
        return f"{side} (one seed, no interval)"
    if found.low > logged:
        return "more than"
    return "less than" if found.high < logged else "not clearly more or less than"


def _estimated(subject: Subject) -> str:
    lines = estimates(subject)
    if len(lines) < 2:
        return f"No real system was at hand. {_ask(subject)}"
    log, own = lines[:2]
    far = "near" if own["leaves"] < 2 else "far from"
    return (
        f"No real system was at hand; the log values {own['policy']} at "
        f"{own['fqe']:.2f} ± {own['fqe_error']:.2f} (discounted), what it held out "
        f"earned {log['fqe']:.2f}, and the policy's actions are {far} the log's "
        f"({own['leaves']:.1f} of its own distance)."
    )


def route(subject: Subject) -> str:
    """What the runs learned from."""
    experiment = subject.experiment
    domains = build.algorithm(experiment).domains
    labels = ", ".join(dict.fromkeys(run.label for run in experiment.runs))
    if domains == ("real",):
        return "Route: the log only; no simulator took part in learning."
    mended = {
        "as_is": "as it is",
        "identified": "with fields identified from the log",
        "residual": "with a residual learned from the log",
        "both": "with fields identified and a residual learned from the log",
        "auto": "mended as the audit of the log advised",
    }[experiment.simulator]
    weights = ""
    if experiment.algorithm == "h2o_plus":
        weights = f"; simulated rows weighted: {experiment.weighting or 'ratio'}"
    return f"Route: the simulator {labels}, {mended}{weights}."


def _ask(subject: Subject) -> str:
    return (
        "What a policy is worth in the real system is estimated by python -m "
        f"experiments.judge {subject.folder}; then report again."
    )


def _words(measured: str) -> str:
    where = "the real system" if measured == "return" else "the simulator"
    return f"return in {where}"


def _count(setting: Setting) -> str:
    return str(len(setting.seeds))
