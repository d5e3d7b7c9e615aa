"""The phases of an epoch as functions of the state, and a clock that times them."""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from experiments import simulate
from experiments.experiment import Experiment
from experiments.simulate import Check, Experience
from experiments.training import State, Training, unpadded
from h2o_jax import numpy_policy, packing
from h2o_jax.sim import rollout
from h2o_jax.sim.environments import Environments
from h2o_jax.types import Actor

Metrics = dict[str, np.ndarray]


class Scores(NamedTuple):
    """Deterministic episodes: in the real system, or in the simulators without one."""

    returns: np.ndarray
    """`[R, E]` of every run and episode; nan of a policy with actions that are not
    finite."""
    lengths: np.ndarray
    """`[R, E]` their control steps."""
    simulated: np.ndarray | None = None
    """`[R, E]` returns in each run's own simulator beside those in the real system: nan
    where that is not right, None where no run's is."""


class Phases(NamedTuple):
    """The phases of an epoch in their order; each advances the state in place."""

    collect: Callable[[State], Experience]
    """The next epoch's rows of every simulator."""
    learn: Callable[[State, Experience], Metrics]
    """Stores the rows and learns an epoch's updates."""
    finish: Callable[[State], None]
    """Waits for simulators that run ahead, so that the state is complete again."""
    evaluate: Callable[[State], Scores]
    """Scores every run's policy and keeps each run's best; see `State.best`."""


def phases_of(training: Training, check: Check = lambda: None) -> Phases:
    """The phases of a training; puts the log on the devices.

    Args:
        training: what is trained, and on what.
        check: called every second or so; a `StoppedError` from it gives the epoch up.
    """
    stepper = simulate.stepper(training, check)
    data = None
    if training.dataset is not None:
        data = training.program.replicate(packing.pack(training.dataset.transition))
    return Phases(
        collect=stepper.collect,
        learn=functools.partial(_learn, training, data, check),
        finish=stepper.finish,
        evaluate=functools.partial(_evaluate, training, check),
    )


def _learn(
    training: Training, data: Any, check: Check, state: State, experience: Experience
) -> Metrics:
    program = training.program
    if state.replay is not None and experience.rows is not None:
        state.replay = program.store(state.replay, experience.rows)
    state.learner, metrics = program.learn(state.learner, state.replay, data, check)
    runs = len(training.experiment.runs)
    learned = {k: v[:runs] for k, v in sorted(metrics.items())}
    return experience.metrics | learned


def _evaluate(training: Training, check: Check, state: State) -> Scores:
    experiment, worlds = training.experiment, training.worlds
    policy = unpadded(state.learner.average_actor, len(experiment.runs))

    def episodes(world: Environments) -> Scores:
        return _scores(experiment, policy, world, check)

    scores = episodes(worlds.real)
    if worlds.own is not None:
        right = worlds.right[:, None]
        simulated = np.where(right, episodes(worlds.own).returns, np.nan)
        lost = right & np.isnan(simulated).any(axis=1, keepdims=True)
        returns = np.where(lost, np.nan, scores.returns)
        scores = scores._replace(returns=returns, simulated=simulated)
    _keep_best(state, policy, scores, worlds.right)
    return scores


def _scores(
    experiment: Experiment, policy: Actor, world: Environments, check: Check
) -> Scores:
    """Deterministic episodes of every run's policy."""
    what = f"evaluation of {simulate.names(experiment)}"
    mode, finite = numpy_policy.make(policy), np.ones(len(experiment.runs), bool)

    def watched(obs: np.ndarray) -> np.ndarray:
        actions = mode(obs)
        finite[:] &= np.isfinite(actions).all(axis=(1, 2))
        return actions

    with simulate.acting(watched, what, check) as act:
        evaluation = rollout.evaluate(
            world, act, experiment.episodes, experiment.evaluation_seed
        )
    returns = np.where(finite[:, None], evaluation.returns, np.nan)
    return Scores(returns, evaluation.lengths)


def _keep_best(state: State, policy: Actor, scores: Scores, right: np.ndarray) -> None:
    """Keeps each run's policy if it is the best so far; see `State.best`."""
    returns = scores.returns
    if scores.simulated is not None:
        returns = np.where(right[:, None], scores.simulated, returns)
    mean = returns.mean(axis=1)
    better = mean > state.best_return
    state.best_return = np.where(better, mean, state.best_return)
    state.best = simulate.either(better, policy, state.best)


class Clock:
    """Wall time of an epoch by phase."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def over(self, phases: Phases) -> Phases:
        """The same phases, timed; collecting and finishing are both simulating."""
        return Phases(
            collect=self._timed("simulate", phases.collect),
            learn=self._timed("learn", phases.learn),
            finish=self._timed("simulate", phases.finish),
            evaluate=self._timed("evaluate", phases.evaluate),
        )

    def lap(self) -> dict[str, float]:
        """Seconds by phase since the last lap."""
        seconds, self._seconds = self._seconds, {}
        return seconds

    def _timed(self, name: str, phase: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin = time.monotonic()
            result = phase(*arguments)
            passed = time.monotonic() - begin
            self._seconds[name] = self._seconds.get(name, 0.0) + passed
            return result

        return timed
