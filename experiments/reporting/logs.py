"""The log: its health, and what to log next."""

import numpy as np

from experiments import data
from experiments.reporting.page import Section, Table
from experiments.reporting.subject import Subject
from h2o_jax.data import datasets
from h2o_jax.types import Transition

WORST = 8
"""Most observations that are listed."""
LEAVES = 0.01
"""Share of rows beyond the log's range that is worth a recommendation."""


def health(subject: Subject) -> Section:
    """What is in the log, and what may be wrong with it."""
    found = data.findings(subject.dataset.transition, *names(subject))
    text = [] if found else ["Nothing suspicious was found."]
    table = Table(("log", ""), datasets.described(subject.dataset), of_numbers=False)
    return Section(text, found, [table])


def names(subject: Subject) -> tuple[list[str], list[str]]:
    """Names `[O]` of observations and `[A]` of actions, as the run folder has them."""
    robot = subject.facts.get("robot", {})
    observations, actions = (
        [x["name"] for x in robot.get(kind, [])] for kind in ("observations", "actions")
    )
    return observations, actions


def log_next(subject: Subject) -> Section:
    """Where the policy goes in its simulator, beyond the range of the log."""
    step = subject.dataset.transition
    own, _ = names(subject)
    own = own or [f"s[{i}]" for i in range(step.s_tm1.shape[1])]
    rows = beyond(step, subject.simulated)
    order = np.argsort(-rows[:, :2].sum(axis=1), kind="stable")[:WORST]
    outside = [i for i in order if rows[i, :2].sum() > 0]
    table = Table(
        ("observation", "below", "above", "furthest, std", "log's range"),
        [
            (
                own[i],
                f"{rows[i, 0]:.1%}",
                f"{rows[i, 1]:.1%}",
                f"{rows[i, 2]:.2f}",
                f"{step.s_tm1[:, i].min():.4g} to {step.s_tm1[:, i].max():.4g}",
            )
            for i in outside
        ],
    )
    text = [
        "The policy was run in its simulator; the table has the share of its states "
        "below and above the log's range, and how far the furthest is beyond it in "
        "units of the log's standard deviation.",
        advice(own, rows),
    ]
    return Section(text, tables=[table] if outside else [])


def beyond(log: Transition, policy: Transition) -> np.ndarray:
    """How far the policy's states leave the range of the log's.

    Returns:
        `[O, 3]` share of them below and above it, and how far the furthest is beyond,
        in units of the log's std.
    """
    known, asked = np.asarray(log.s_tm1, float), np.asarray(policy.s_tm1, float)
    low, high, std = known.min(axis=0), known.max(axis=0), known.std(axis=0)
    off = np.maximum(np.maximum(low - asked, asked - high), 0).max(axis=0)
    below, above = (asked < low).mean(axis=0), (asked > high).mean(axis=0)
    return np.stack([below, above, off / np.where(std > 1e-9, std, 1.0)], axis=1)


def advice(names: list[str], rows: np.ndarray) -> str:
    """What to record, from `beyond`."""
    wanted = [
        f"{name} {side} what it has"
        for name, row in zip(names, rows, strict=True)
        for side, share in zip(("below", "above"), row[:2], strict=True)
        if share > LEAVES
    ]
    if not wanted:
        return (
            "No observation leaves the log's range in more than "
            f"{LEAVES:.0%} of the states: the log covers what the policy visits, one "
            "number at a time."
        )
    return (
        f"Record episodes with {', '.join(wanted)}: there the policy is learned from "
        "the simulator alone."
    )
