"""Runs in trouble: what is told of them, and what loses one.

A run that is lost takes no other with it: the rest of its grid goes on to the end and
is stored, and only then the command fails.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.experiment import Experiment
from experiments.loop import Report
from experiments.run_folder import Line
from experiments.runs import Run
from experiments.training import DIVERGED
from h2o_jax import learning
from h2o_jax.errors import DivergenceError
from h2o_jax.sim import tasks

WARNED, LOST = 0.01, 0.5
"""Shares of a run's simulated episodes that blew up."""
KEY = "lost"
"""What a line of metrics.jsonl names the reason by which its run is lost."""


def lost(experiment: Experiment, report: Report) -> dict[Run, str]:
    """Runs whose result is worth nothing by now, and why.

    Their learning has stopped, their policy has no actions any more, or most episodes
    of their simulator blow up.
    """
    found = {}
    halted = learning.stopped(report.failures)
    for i, run in enumerate(experiment.runs):
        if halted[i]:
            first = max(report.failures, key=lambda group: report.failures[group][i])
            found[run] = (
                f"its {first} loss or parameters were not finite in "
                f"{learning.PATIENCE} updates in a row; lower --critic_lr or "
                "--reward_scale"
            )
        elif report.scores and np.isnan(report.scores.returns[i]).any():
            found[run] = "its policy's actions are not finite; lower --policy_lr"
        elif _blown_up(report, i) > LOST:
            weaken = run.gap and not tasks.is_place(experiment.task)
            own = "check the columns' units (see experiments.audit), or the model"
            found[run] = (
                f"more than {LOST:.0%} of its simulated episodes blew up; "
                f"{'weaken --gap' if weaken else own}"
            )
    return found


def lost_before(lines: Mapping[Run, Sequence[Line]]) -> dict[Run, str]:
    """Runs that are lost by the last line of their metrics, and why."""
    reasons = {run: why_lost(own) for run, own in lines.items()}
    return {run: why for run, why in reasons.items() if why}


def why_lost(own: Sequence[Line]) -> str:
    """Why the run of these lines of metrics is lost; empty where it is not.

    By the last line that tells: only an evaluation sees that there are no actions.
    """
    telling = [x for x in own if KEY in x or "length" in x]
    return str(telling[-1].get(KEY, "")) if telling else ""


def notes(experiment: Experiment, report: Report) -> list[str]:
    """A line for each run in trouble; the same for as long as the trouble is."""
    gone = lost(experiment, report)
    lines = [f"warning   {_name(run)} is lost: {why}" for run, why in gone.items()]
    return lines + [
        f"warning   {_name(run)}: more than {WARNED:.0%} of its simulated episodes "
        f"blow up, see {DIVERGED}"
        for i, run in enumerate(experiment.runs)
        if run not in gone and _blown_up(report, i) > WARNED
    ]


def error(experiment: Experiment, gone: Mapping[Run, str]) -> DivergenceError:
    """What a command ends with that has lost runs."""
    which = "; ".join(f"{_name(run)}: {why}" for run, why in gone.items())
    return DivergenceError(f"{len(gone)} of {len(experiment.runs)} runs lost; {which}")


def _blown_up(report: Report, run: int) -> float:
    return float(report.metrics[DIVERGED][run]) if DIVERGED in report.metrics else 0.0


def _name(run: Run) -> str:
    return f"{run.label}, seed {run.seed}"
