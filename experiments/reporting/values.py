"""What the critics expect of real and of simulated states (the paper's Fig. 3)."""

import numpy as np

from experiments import learned
from experiments.reporting import figures
from experiments.reporting.page import Figure, Missing, Section, Table
from experiments.reporting.subject import Subject
from h2o_jax.types import Transition

MOST = 5000
"""Rows of each kind."""


def values(subject: Subject) -> Section:
    """The smallest critic's values at logged and at simulated states and actions."""
    critic, found, reasons = learned.critic(subject.folder, subject.run), {}, []
    for name, rows in (
        ("the log", lambda: subject.dataset.transition),
        ("simulated rows that the run kept", lambda: subject.kept),
    ):
        try:
            chosen = _spread(rows())
            found[name] = critic(chosen.s_tm1, chosen.a_tm1)
        except Missing as missing:
            reasons.append(f"Without {name}: {missing}.")
    if not found:
        raise Missing(" ".join(reasons))
    table = Table(
        ("state and action", "rows", "mean", "5 %", "median", "95 %"),
        [
            (name, f"{len(own):,}", f"{own.mean():.2f}", *_percentiles(own))
            for name, own in found.items()
        ],
    )
    text = [
        "Values are in the units of the rewards that the run learned from. Simulated "
        "states that are worth more than any logged one are where a wrong simulator "
        "may lead the policy astray.",
        *reasons,
    ]
    drawn = figures.densities(found, "Q(s, a)")
    figure = Figure(drawn, "Q of real and of simulated rows.")
    return Section(text, (), [table], [figure])


def _spread(rows: Transition) -> Transition:
    """At most so many rows, evenly apart."""
    count = len(rows.r_t)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int))
    return rows._replace(
        s_tm1=np.asarray(rows.s_tm1)[chosen], a_tm1=np.asarray(rows.a_tm1)[chosen]
    )


def _percentiles(values: np.ndarray) -> list[str]:
    return [f"{x:.2f}" for x in np.percentile(values, [5, 50, 95])]
