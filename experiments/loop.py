"""Training: each epoch simulates, learns, settles and perhaps evaluates.

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

from experiments.experiment import Experiment
from experiments.phases import Phases, Scores, phases_of
from experiments.training import Training
from h2o_jax.errors import DivergenceError


class Report(NamedTuple):
    """What one epoch reports."""

    epoch: int
    metrics: dict[str, np.ndarray]
    """`[R]` means over the epoch's updates and finished simulator episodes."""
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
    """
    experiment, state = training.experiment, training.state
    simulate, learn, settle, evaluate = phases or phases_of(training)
    if state.untrained:
        yield Report(0, {}, evaluate(state))
    for epoch in range(state.epoch + 1, experiment.epochs + 1):
        metrics = learn(state, simulate(state))
        settle(state)
        state.epoch = epoch
        check_finite(experiment, epoch, metrics)
        scores = evaluate(state) if experiment.evaluates(epoch) else None
        yield Report(epoch, metrics, scores)


def check_finite(
    experiment: Experiment, epoch: int, metrics: dict[str, np.ndarray]
) -> None:
    """Ends training when a metric is not finite.

    Raises:
        DivergenceError: it names the run and the metric.
    """
    for name, values in metrics.items():
        if name.startswith("sim/"):  # nan where no episode ended
            continue
        for run, value in zip(experiment.runs, values, strict=True):
            if not np.isfinite(value):
                raise DivergenceError(
                    f"epoch {epoch}, {run.label}, seed {run.seed}: {name} is {value}; "
                    "lower --critic_lr or --reward_scale"
                )
