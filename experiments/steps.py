"""The steps of an epoch as functions of the state, and a clock to lay over them."""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments import simulate
from experiments.build import State, Training
from experiments.simulate import Experience
from h2o_jax import numpy_policy, packing
from h2o_jax.sim import rollout

Metrics = dict[str, np.ndarray]


class Scores(NamedTuple):
    """Deterministic episodes in the real system."""

    returns: np.ndarray
    """`[R, E]` of every run and episode."""
    lengths: np.ndarray
    """`[R, E]` their control steps."""


class Steps(NamedTuple):
    """What an epoch does, in this order; all advance the state in place."""

    simulate: Callable[[State], Experience]
    """The next epoch's rows of every simulator."""
    learn: Callable[[State, Experience], Metrics]
    """Stores the rows and learns one block of updates."""
    settle: Callable[[State], None]
    """Makes the state complete again where simulators run ahead of the learner."""
    evaluate: Callable[[State], Scores]
    """Scores every run's policy in the real system and keeps each run's best."""


def steps_of(training: Training) -> Steps:
    """The steps of a training; the log goes to the devices here."""
    simulators = simulate.simulators(training)
    data = None
    if training.dataset is not None:
        data = training.program.share(packing.pack(training.dataset.transition))
    return Steps(
        simulate=simulators.take,
        learn=functools.partial(_learn, training, data),
        settle=simulators.settle,
        evaluate=functools.partial(_evaluate, training),
    )


def _learn(
    training: Training, data: Any, state: State, experience: Experience
) -> Metrics:
    state.learner, state.replay, metrics = training.program.learn(
        state.learner, state.replay, experience.rows, data
    )
    runs = len(training.experiment.runs)
    learned = {k: np.asarray(v)[:runs] for k, v in sorted(metrics.items())}
    return experience.metrics | learned


def _evaluate(training: Training, state: State) -> Scores:
    experiment = training.experiment
    policy = simulate.actors(state, len(experiment.runs))
    evaluation = rollout.evaluate(
        training.worlds.real,
        numpy_policy.make(policy),
        experiment.episodes,
        experiment.evaluation_seed,
    )
    mean = evaluation.returns.mean(axis=1)
    better = mean > state.best_return
    state.best_return = np.where(better, mean, state.best_return)

    def keep(new: Any, old: np.ndarray) -> np.ndarray:
        return np.where(better.reshape(-1, *[1] * (np.ndim(new) - 1)), new, old)

    state.best = jax.tree.map(keep, policy, state.best)
    return Scores(evaluation.returns, evaluation.lengths)


class Clock:
    """Wall time of an epoch by part."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def over(self, steps: Steps) -> Steps:
        """The same steps, timed."""
        return Steps(
            simulate=self._timed("simulate", steps.simulate),
            learn=self._timed("learn", steps.learn),
            settle=self._timed("simulate", steps.settle),
            evaluate=self._timed("evaluate", steps.evaluate),
        )

    def lap(self) -> dict[str, float]:
        """Seconds by part since the last lap."""
        seconds, self._seconds = self._seconds, {}
        return seconds

    def _timed(self, part: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin = time.monotonic()
            result = step(*arguments)
            passed = time.monotonic() - begin
            self._seconds[part] = self._seconds.get(part, 0.0) + passed
            return result

        return timed
