"""Training: each epoch collects rows, learns from them and perhaps evaluates.

`train` yields a report per epoch; whoever iterates over it prints, measures and saves.
From Python, without any flags::

    from experiments import build, loop
    from experiments.experiment import Experiment
    from experiments.runs import grid
    from h2o_jax.sim import gaps

    runs = grid(seeds=[0, 1], gap_list=[gaps.parse("gravity:2")], hyper={})
    experiment = Experiment(
        task="hopper", algorithm="sac", runs=runs, epochs=2, steps=50, updates=5
    )
    for report in loop.train(build.training(experiment)):
        print(report.epoch, report.scores and report.scores.returns.mean())
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from experiments import simulate
from experiments.phases import Metrics, Phases, Scores, phases_of
from experiments.training import DIVERGED, Training
from h2o_jax.errors import StoppedError


class Report(NamedTuple):
    """What one epoch reports."""

    epoch: int
    metrics: Metrics
    """`[R]` means over the epoch's updates and finished simulator episodes."""
    failures: Metrics
    """`[R]` by group of parameters: `LearnerState.failures`; see `health.lost`."""
    scores: Scores | None = None
    """Scores of the evaluation at the end of the epoch; None without one."""


def train(training: Training, phases: Phases | None = None) -> Iterator[Report]:
    """Alternates simulated experience and learning, one epoch at a time.

    `training.state` is advanced in place; after each report it is complete, so that
    whoever iterates may save it.

    Args:
        training: what is trained, and on what; see `build.training`.
        phases: the phases of an epoch, such as timed ones; by default the training's.

    Yields:
        One report per epoch; epoch 0 is the evaluation before any training.

    Raises:
        StoppedError: a phase was told to stop; the state is that of the last report.
    """
    experiment, state = training.experiment, training.state
    collect, learn, finish, evaluate = phases or phases_of(training)

    if state.untrained:
        yield _standing(training)._replace(scores=evaluate(state))
    for epoch in range(state.epoch + 1, experiment.epochs + 1):
        before = state.held()
        try:
            metrics = learn(state, collect(state))
            finish(state)
            state.epoch = epoch
            scores = evaluate(state) if experiment.evaluates(epoch) else None
        except StoppedError:
            state.return_to(before)
            raise
        yield _standing(training)._replace(metrics=metrics, scores=scores)


def _standing(training: Training) -> Report:
    """What is known of the runs as they are, between two epochs."""
    runs, world = len(training.experiment.runs), training.worlds.sim
    failures = training.state.learner.failures
    return Report(
        training.state.epoch,
        {} if world is None else {DIVERGED: simulate.diverged(world)},
        {group: np.asarray(x)[:runs] for group, x in failures.items()},
    )
