"""What the policy earns over the intervals of its simulator's fields."""

import numpy as np

from experiments import environments
from experiments.reporting import figures
from experiments.reporting.page import Figure, Missing, Section
from experiments.reporting.subject import Subject
from h2o_jax.sim import gaps, rollout

DRAWS = 20
"""Simulators that are drawn, with an episode in each."""
_SEED = 30_000
"""Of the first episode; no training and no evaluation has begun with it."""


def robustness(subject: Subject) -> Section:
    """Returns where fields are drawn from their intervals, beside those as fitted.

    Episodes that stand beside each other begin alike.
    """
    own = subject.simulator.gap
    if not gaps.drawable(own):
        raise Missing(
            "its simulator has no fields with intervals to draw from; see "
            "experiments.identify and --gap=@FILE"
        )
    fitted, drawn = (_returns(subject, randomise=x) for x in (False, True))
    names = ", ".join(x.name for x in gaps.from_file(own) if x.low < x.high)
    text = [
        sentence(fitted, drawn),
        f"Drawn evenly and one by one from their 95 % intervals: {names}. Many fields "
        "of one fit make up for each other; drawn one by one they do not, so that some "
        "of these simulators contradict the log. Intervals do not hold what noise and "
        "gaps of other kinds do to the fit.",
    ]
    values = {"as fitted": fitted, "drawn": drawn}
    figure = Figure(
        figures.strip(values, "return in the simulator"),
        f"{DRAWS} episodes each, from the same starts; the bar is their mean.",
    )
    return Section(text, figures=[figure])


def sentence(fitted: np.ndarray, drawn: np.ndarray) -> str:
    """What the draws do to the returns `[n]`."""
    return (
        f"In {len(drawn)} simulators drawn from the intervals the policy earns "
        f"{drawn.mean():.1f} ({drawn.min():.1f} to {drawn.max():.1f}), with the fitted "
        f"values {fitted.mean():.1f} ({fitted.min():.1f} to {fitted.max():.1f})."
    )


def _returns(subject: Subject, randomise: bool) -> np.ndarray:
    """`[DRAWS]` returns of whole episodes."""
    world = environments.simulated(
        subject.experiment,
        [subject.simulator] * DRAWS,
        subject.threads,
        randomise=randomise,
    )
    return rollout.evaluate(world, subject.act, DRAWS, _SEED).returns[0]
