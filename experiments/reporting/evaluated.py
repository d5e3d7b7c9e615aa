"""What the runs of several folders earned, as their metrics and estimates say."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import (
    build,
    conclusion,
    health,
    judging,
    policies,
    reports,
    run_folder,
)
from experiments.reporting.page import Missing
from experiments.reporting.subject import Subject
from experiments.run_folder import Line, sealed
from experiments.statistics import Interval
from h2o_jax.errors import CheckpointError
from h2o_jax.types import Domain

_SOURCES: dict[frozenset[Domain], str] = {
    frozenset(["real"]): "the log alone",
    frozenset(["sim"]): "the simulator alone",
    frozenset(["real", "sim"]): "log and simulator",
}
"""Domains of a method -> what it learns from."""


class Setting(NamedTuple):
    """The runs of a folder that differ in their seed only."""

    folder: str
    name: str
    """Its method, and what that learned from."""
    return_of: str
    """What their evaluations measured: see `reports.return_of`."""
    seeds: list[list[Line]]
    """The lines of metrics.jsonl, seed by seed."""
    chosen: bool = False
    """Whether a right simulator chose the policy of each."""

    @property
    def finals(self) -> np.ndarray:
        """`[S]` what each seed earned: its chosen policy, or the last on average."""
        if self.chosen:
            bests = (reports.best_so_far(own, self.return_of) for own in self.seeds)
            return np.array([best[-1] for best in bests])
        own = [reports.summarise(x, self.return_of)["last_ten"] for x in self.seeds]
        return np.array(own)


def settings(subjects: Sequence[Subject]) -> list[Setting]:
    """All that were evaluated, in the order of the folders; no run that was lost.

    Raises:
        Missing: none was.
    """
    found = []
    names = [subject.folder.name for subject in subjects]
    for subject in subjects:
        place = subject.folder
        folder = place.name if names.count(place.name) == 1 else str(place)
        experiment = subject.experiment
        measured = reports.return_of(experiment)
        domains = build.algorithm(experiment).domains
        name = f"{experiment.algorithm} from {_SOURCES[domains]}"
        by_run = reports.by_run(experiment, subject.folder)
        labels = dict.fromkeys(run.label for run in by_run)
        for label in labels:
            runs = [
                (run, x)
                for run, x in by_run.items()
                if run.label == label
                and any(measured in line for line in x)
                and not health.why_lost(x)
            ]
            if own := [x for _, x in runs]:
                about = subject.facts["runs"]
                places = [experiment.runs.index(run) for run, _ in runs]
                chosen = all(about[i].get("chosen") == run_folder.BEST for i in places)
                simulates = "sim" in domains or experiment.simulator != "as_is"
                swept = label.partition(" ")[2]
                apart = f"gap {label}" if simulates or not swept else swept
                full = f"{name} ({apart})" if simulates or len(labels) > 1 else name
                found.append(Setting(folder, full, measured, own, chosen))
    if not found:
        raise Missing("; ".join(lost(subjects)) or "nothing was evaluated yet")
    return found


def lost(subjects: Sequence[Subject]) -> list[str]:
    """A line for each run that was lost, and why."""
    found = []
    for subject in subjects:
        lines = reports.by_run(subject.experiment, subject.folder)
        found += [
            f"{subject.folder}: {run.label}, seed {run.seed}, was lost and is left "
            f"out: {why}"
            for run, why in health.lost_before(lines).items()
        ]
    return found


def estimates(subject: Subject) -> list[Line]:
    """The lines of judged.json; none where nothing was judged, or trained on since.

    Raises:
        CheckpointError: it was altered, or written by an earlier version.
    """
    found: list[Line] = _judged(subject).get("policies", [])
    return found


def cut(subject: Subject) -> list[str]:
    """Which of its estimates a time limit cuts; see `judging.cut`.

    Raises:
        CheckpointError: see `estimates`.
    """
    discount = _judged(subject).get("discount", 0.0)
    return judging.cut(judging.evaluated_steps(subject.experiment.model), discount)


def _judged(subject: Subject) -> dict[str, Any]:
    """judged.json, where its estimates are of the policies as they are now.

    Those of an earlier version do not say which policies they are of.
    """
    path = subject.folder / run_folder.JUDGED
    if not path.exists():
        return {}
    try:
        content = sealed.read_json(path)
    except CheckpointError as error:
        finding = str(error).partition("; ")[0]
        again = conclusion.judging(subject.folder, subject.outside)
        raise CheckpointError(f"{finding}; make it again with {again}") from error
    now = policies.trained(subject.folder)
    of_now = content.get("epoch") == now
    known = all("which" in line for line in content.get("policies", [])[1:])
    return content if of_now and known else {}


def interval(found: Interval) -> str:
    """A number and its interval, if a few seeds tell one."""
    if not np.isfinite(found.low):
        return f"{found.value:.1f}"
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def ask(subject: Subject) -> str:
    """How to get estimates where there is no real system."""
    stale = ""
    if (subject.folder / run_folder.JUDGED).exists() and not estimates(subject):
        stale = "judged.json is of former policies, or of an earlier version. "
    return (
        f"{stale}What a policy is worth in the real system is estimated by "
        f"{conclusion.judging(subject.folder, subject.outside)}; then report again."
    )
