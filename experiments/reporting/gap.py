"""How wrong the simulator is, before and after it was mended with the log."""

import numpy as np

from experiments.reporting.page import Section, Table
from experiments.reporting.subject import Subject
from h2o_jax.sim import audit, gaps
from h2o_jax.sim.audit import Candidate, Sample
from h2o_jax.sim.residual import lessons

SAMPLE = Sample(horizons=(5, 10), rows=5000, windows=300)
"""Of the audit: a sample that takes seconds."""


def gap(subject: Subject) -> Section:
    """Errors of one and of several steps, in units of the log's change over them.

    The simulator comes as it was, with the fields that were identified, and with its
    residual, each where there is one.
    """
    experiment, log = subject.experiment, subject.dataset
    learned = subject.simulator.gap
    simulators = list(dict.fromkeys([gaps.without_fields(learned), learned]))
    found = audit.audit(
        experiment.model,
        simulators,
        log.transition,
        sample=SAMPLE,
        time_limits=log.time_limits,
        inertia=experiment.inertia,
        threads=subject.threads,
    )
    verdict = found.best.verdict
    steps = (f"{k} step{'s' * (k > 1)}" for k in (1, *SAMPLE.horizons))
    head = ("simulator", *steps, "kind")
    text = [
        f"{found.used:,} rows of the log were replayed. 0 is the log's system, 1 as "
        "wrong as a simulator in which nothing moves.",
        f"{found.best.name}: {verdict.finding}. The audit advises: {verdict.route}; "
        f"{verdict.why}.",
    ]
    by_name = {x.name: x for x in found.candidates}
    rows = [_row(by_name[gaps.to_text(x)]) for x in simulators]
    tables = [Table(head, rows), *_residual(subject)]
    return Section(text, found.warnings, tables)


def _row(candidate: Candidate) -> tuple[str, ...]:
    by_steps = {x.steps: f"{x.rms:.3f}" for x in candidate.errors.horizons}
    errors = (by_steps.get(k, "-") for k in (1, *SAMPLE.horizons))
    return candidate.name, *errors, candidate.verdict.kind


def _residual(subject: Subject) -> list[Table]:
    """One-step errors with and without the residual, on rows that it never saw."""
    experiment, (own, residual, _) = subject.experiment, subject.simulator
    if not experiment.corrects or residual is None:
        return []
    log, seed = subject.dataset.transition, experiment.residual_seed
    chosen, _ = lessons.choose(
        experiment.model, own, subject.dataset, experiment.residual_rows, seed
    )
    held_out = lessons.split(log, chosen, seed)[1][: SAMPLE.rows]
    given = experiment.model, own, log, experiment.inertia, subject.threads, held_out
    rows = lessons.replayed(*given)
    added = residual.correct(rows.s_tm1, rows.a_tm1, rows.s_sim)
    target, unit = rows.target[:, :-1], lessons.change(log)[:-1]
    without, corrected = (
        float(np.sqrt(np.mean(np.square(x / unit))))
        for x in (target, target - added.s_t)
    )
    row = gaps.to_text(own), f"{without:.4f}", f"{corrected:.4f}", f"{len(target):,}"
    head = "learned residual", "before, 1 step", "after", "held-out rows"
    return [Table(head, [row])]
