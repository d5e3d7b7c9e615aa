"""The verdict on a training in one sentence, and the route that it took."""

import shlex
from collections.abc import Sequence

import numpy as np

from experiments import build, policies, run_folder, statistics
from experiments.reporting import evaluated
from experiments.reporting.evaluated import interval, settings
from experiments.reporting.page import Missing, Section
from experiments.reporting.subject import Subject
from experiments.statistics import Interval

NEAR = 2.0
"""Distance of actions to the log, over the log's own, up to which they are near it."""


def verdict(subjects: Sequence[Subject]) -> Section:
    """One sentence on the first folder, and the route that it took."""
    subject = subjects[0]
    try:
        sentence = _earned(subjects)
    except Missing as missing:
        sentence = f"No verdict: {missing}."
    return Section([sentence, route(subject)], unfinished(subjects))


def _earned(subjects: Sequence[Subject]) -> str:
    subject = subjects[0]
    if not subject.experiment.knows_real:
        return _estimated(subject)
    best = max(settings([subject]), key=lambda x: x.finals.mean())
    found, facts = statistics.mean(best.finals), subject.facts["data"]
    seeds = len(best.seeds)
    text = (
        f"{best.name} earns {interval(found)} in the real system, over {seeds} "
        f"seed{'s' * (seeds > 1)}"
    )
    if "mean" in facts:
        text += f": {beside(found, facts['mean'])}"
    return f"{text}{_best_of(subjects[1:])}."


def _best_of(others: Sequence[Subject]) -> str:
    """What the best of the other folders earns, as the end of a sentence."""
    others = [x for x in others if x.experiment.knows_real]
    if not others:
        return ""
    best = max(settings(others), key=lambda x: x.finals.mean())
    earned = interval(statistics.mean(best.finals))
    return f"; the best of the others, {best.name}, {earned}"


def beside(found: Interval, logged: float) -> str:
    """How a mean return compares with the log's, as far as its interval tells."""
    name = f"its log's {logged:.1f}"
    if not np.isfinite(found.low):
        side = "more" if found.value > logged else "not more"
        return f"{side} than {name}, as far as one seed tells"
    if found.low > logged:
        return f"more than {name}"
    return f"{'' if found.high < logged else 'not clearly more or '}less than {name}"


def _estimated(subject: Subject) -> str:
    lines = evaluated.estimates(subject)
    chosen = policies.meant(subject.folder, subject.run, run_folder.CHOSEN)
    wanted = subject.run, chosen
    own = next((x for x in lines[1:] if (x["run"], x["which"]) == wanted), None)
    if own is None:
        return f"No real system was at hand. {evaluated.ask(subject)}"
    log = lines[0]
    far = "near" if own["leaves"] < NEAR else "far from"
    return (
        f"No real system was at hand; the log values {own['policy']} at "
        f"{own['fqe']:.2f} ± {own['fqe_error']:.2f} and its simulator at "
        f"{own['simulated']:.2f} (discounted), where what was logged earned "
        f"{log['fqe']:.2f}; the policy's actions are {far} the log's "
        f"({own['leaves']:.1f} times its own distance)."
    )


def unfinished(subjects: Sequence[Subject]) -> list[str]:
    """A warning for each folder whose training was stopped."""
    found = []
    for subject in subjects:
        lines, epochs = run_folder.metrics(subject.folder), subject.experiment.epochs
        done = lines[-1]["epoch"] if lines else 0
        if done < epochs:
            found.append(
                f"{subject.folder}: stopped after epoch {done} of {epochs}; "
                f"--resume={shlex.quote(str(subject.folder))} goes on"
            )
    return found


def route(subject: Subject) -> str:
    """What the runs learned from."""
    experiment = subject.experiment
    labels = ", ".join(dict.fromkeys(run.label for run in experiment.runs))
    if "sim" not in build.algorithm(experiment).domains:
        if experiment.simulator == "as_is":
            return "Route: the log only; no simulator took part in learning."
        return (
            "Route: the log only; a simulator fitted to it chooses the policy where "
            "the audit finds it right."
        )
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
    return f"Route: the simulator of --gap={labels}, {mended}{weights}."
