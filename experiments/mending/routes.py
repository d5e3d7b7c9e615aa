"""What each run learns in: the simulator as it is, or mended with the log.

The only place that turns `--simulator` into simulators; all that follows takes them as
they come.
"""

import functools
import pathlib
from collections.abc import Sequence

from experiments import mending
from experiments.experiment import Experiment
from experiments.mending import Mending, cached
from experiments.reports import NOT_USED, Mended
from experiments.training import Simulator
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import audit, gaps
from h2o_jax.sim.audit import Candidate, Sample
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.identify import fit_plan
from h2o_jax.sim.identify.fit_plan import Fitting

_SAMPLE = Sample(horizons=(5, 10), rows=20_000, windows=500)
"""Of an audit on the way to a training: a sample tells the kind of a gap."""
_LADDER = (
    ("those of each joint", fit_plan.JOINTS),
    ("those of each body", fit_plan.BODIES),
    ("those of each body and its shape", fit_plan.SHAPES),
    ("those of each body and of what damps each joint", fit_plan.DAMPING),
)
"""Rungs after the whole robot: what is fitted, and how."""


def prepare(
    experiment: Experiment, dataset: Dataset | None, cache: pathlib.Path, threads: int
) -> tuple[Simulator, ...]:
    """The simulator of each run; runs with one gap share what is learned for it.

    Args:
        experiment: its route, task, runs and settings.
        dataset: log of the real system; None only where simulators stay as they are.
        cache: folder in which what was learned is kept.
        threads: threads of the physics; 0 for one per core.

    Raises:
        ConfigError: the route is not available, or not for this task.
        DatasetError: the log is too small for it.
        CheckpointError: what lies in the cache is damaged.
    """
    if experiment.simulator == "as_is":
        return tuple(Simulator(run.gap) for run in experiment.runs)
    assert dataset is not None  # `data.needed` says so
    needs = mending.of(experiment, dataset, cache, threads)
    distinct = dict.fromkeys(run.gap for run in experiment.runs)
    mended = {gap: _mend(experiment.simulator, needs, gap) for gap in distinct}
    for gap, simulator in mended.items():
        if experiment.randomise and not gaps.drawable(simulator.gap):
            _say("randomise", gap, "no intervals to draw from, so nothing is drawn")
    return tuple(mended[run.gap] for run in experiment.runs)


def mended(experiment: Experiment, simulators: Sequence[Simulator]) -> Mended:
    """What became of each run's simulator: its fitted gaps, and its residual's digest.

    Empty where simulators stay as they are.
    """
    if experiment.simulator == "as_is":
        return {}
    return {
        run: {
            "identified": NOT_USED if x.gap == run.gap else gaps.to_text(x.gap),
            "residual": NOT_USED if x.residual is None else x.residual.digest,
        }
        for run, x in zip(experiment.runs, simulators, strict=True)
    }


def _mend(route: str, needs: Mending, gap: Gaps) -> Simulator:
    """One simulator by a route, which is said in a line."""
    if route == "auto":
        return _advised(needs, gap)
    if route == "residual":
        return _corrected(needs, gap)
    gap, found = _identified(needs, gap)
    if route == "both":
        return _corrected(needs, gap)
    return Simulator(gap, right=found.verdict.right)


def _advised(needs: Mending, gap: Gaps) -> Simulator:
    """The simulator that the audit leads to: identified first, then corrected.

    A simulator that says nothing of the log even then is not corrected: the log alone
    is advised, which is another method. Nor is one that noise hides, as a residual
    learns from single steps.
    """
    found = _audited(needs, gap)
    if found.verdict.route == "identify":
        gap, found = _identified(needs, gap, found)
    verdict = found.verdict
    mends = verdict.route in ("identify", "residual")
    if mends and verdict.kind not in ("foreign", "hidden"):
        return _corrected(needs, gap)
    line = "no residual is learned for it"
    if verdict.kind == "few":
        line = (
            "too few rows to judge it, so it is used as it is; --simulator=identified "
            "fits it all the same"
        )
    _say("simulator", gap, line)
    return Simulator(gap, right=verdict.right)


def _audited(needs: Mending, gap: Gaps) -> Candidate:
    """What the audit says of one simulator."""
    (found,) = audit.rank(
        needs.task,
        [gap],
        needs.dataset.transition,
        sample=_SAMPLE,
        inertia=needs.inertia,
        threads=needs.threads,
    )
    _say("audit", gap, f"{found.verdict.route}, {found.verdict.why}")
    return found


def _identified(
    needs: Mending, gap: Gaps, before: Candidate | None = None
) -> tuple[Gaps, Candidate]:
    """The simulator with fields fitted to the log, and what the audit says of it.

    A ladder: the fields of the whole robot; while these do not make it right, and none
    were named, those of `_LADDER`. A further rung is used if that makes it right or
    halves the error, since so many fields always explain a little; it begins at the
    last further one that was used, else at the simulator given.

    Args:
        needs: log and settings.
        gap: the simulator given.
        before: what the audit said of that, where it was asked.
    """
    best = _fitted(needs, gap, needs.fitting, "its fields")
    found = before if before and best == gap else _audited(needs, best)
    begin = gap
    for what, how in () if needs.settings.fields else _LADDER:
        if found.verdict.right or found.verdict.kind == "few":
            break
        finer = _fitted(needs, begin, how, what)
        if finer == begin:
            continue
        judged = _audited(needs, finer)
        if _finer(judged, found):
            best = begin = finer
            found = judged
        else:
            _say("identify", finer, "neither right nor half the error, not used")
    return best, found


def _finer(judged: Candidate, found: Candidate) -> bool:
    """Whether a rung makes a simulator right, or halves its error."""
    if judged.verdict.right:
        return True
    # Where longer windows are lacking, all of them diverged.
    if len(judged.errors.horizons) < len(found.errors.horizons):
        return False
    if found.verdict.kind == "hidden":
        return judged.errors.horizons[-1].rms <= found.errors.horizons[-1].rms / 2
    return judged.errors.score <= found.errors.score / 2


def _fitted(needs: Mending, gap: Gaps, how: Fitting, what: str) -> Gaps:
    """The simulator with some fields fitted to the log."""
    say = functools.partial(_say, "identify", gap)
    waiting = functools.partial(say, f"fitting {what} to the log: minutes")
    mended, line = cached.fitted(needs, gap, how, waiting)
    say(line)
    return mended


def _corrected(needs: Mending, gap: Gaps) -> Simulator:
    """The simulator with what it misses."""
    say = functools.partial(_say, "residual", gap)
    waiting = functools.partial(say, "learning what it misses of the log: minutes")
    learned, line = cached.corrected(needs, gap, waiting)
    say(line)
    cost = needs.settings.pessimism
    if learned.useful and cost:
        penalty = f"its uncertainty is penalised while learning (--pessimism={cost:g})"
        say(penalty)
    return Simulator(gap, learned if learned.useful else None)


def _say(what: str, gap: Gaps, line: str) -> None:
    print(f"{what:<9} {gaps.to_text(gap)}: {line}", flush=True)
