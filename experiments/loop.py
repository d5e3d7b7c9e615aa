"""The outer loop: simulated experience and learning, one epoch at a time."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments import hosts, simulate
from experiments.build import State, Worlds
from experiments.experiment import Experiment
from h2o_jax import numpy_policy, packing
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import DivergenceError
from h2o_jax.program import Program
from h2o_jax.sim import rollout


class Report(NamedTuple):
    """What one epoch leaves for the record."""

    epoch: int
    metrics: dict[str, np.ndarray]
    """`[R]` means over the epoch's updates and finished simulator episodes."""
    returns: np.ndarray | None
    """`[R, E]` real returns, where the epoch ended with an evaluation."""
    lengths: np.ndarray | None
    """`[R, E]` their steps."""
    seconds: dict[str, float]
    """Wall time by part: simulate, learn, evaluate."""


def train(
    experiment: Experiment,
    program: Program,
    worlds: Worlds,
    dataset: Dataset | None,
    state: State,
) -> Iterator[Report]:
    """Alternates simulated experience and learning, one epoch at a time.

    `state` is advanced in place; after each report it is complete, so that whoever
    iterates may save it.

    Args:
        experiment: what to do.
        program: compiled functions over the runs.
        worlds: environments.
        dataset: log of the real system, or None if the method needs none.
        state: from `init`, or restored.

    Yields:
        One report per epoch; epoch 0 is the evaluation before any training.
    """
    data = None if dataset is None else program.share(packing.pack(dataset.transition))
    simulators = None
    if worlds.sim is not None:
        make = simulate.Ahead if experiment.overlap else simulate.InTurn
        simulators = make(experiment, worlds.sim)
    if state.epoch == 0 and not np.isfinite(state.best_return).any():
        yield _evaluate(experiment, worlds, state, _Clock())
    for epoch in range(state.epoch + 1, experiment.epochs + 1):
        clock = _Clock()
        metrics: dict[str, np.ndarray] = {}
        rows = None
        if simulators is not None:
            block = simulators.take(state)
            rows, metrics["sim/return"] = simulate.place(program, block), block.returns
            clock.lap("simulate")
        state.learner, state.memory, learned = program.learn(
            state.learner, state.memory, rows, data
        )
        runs = len(experiment.runs)
        metrics |= {k: np.asarray(v)[:runs] for k, v in sorted(learned.items())}
        clock.lap("learn")
        if simulators is not None:
            simulators.settle(state)
            clock.lap("simulate")
        state.epoch = epoch
        _check_finite(experiment, epoch, metrics)
        report = Report(epoch, metrics, None, None, clock.seconds)
        if experiment.evaluates(epoch):
            report = _evaluate(experiment, worlds, state, clock)
            report = report._replace(metrics=metrics)
        yield report


def gather(report: Report) -> Report:
    """The report of this host's runs, as one of every host's."""
    arrays = dict(report.metrics)
    evaluated = {"returns": report.returns, "lengths": report.lengths}
    arrays |= {k: v for k, v in evaluated.items() if v is not None}
    found = hosts.gather(arrays) if arrays else {}
    returns, lengths = (found.pop(k, None) for k in evaluated)
    return Report(report.epoch, found, returns, lengths, report.seconds)


def _evaluate(
    experiment: Experiment,
    worlds: Worlds,
    state: State,
    clock: "_Clock",
) -> Report:
    """Deterministic real episodes of every run; keeps each run's best actor."""
    runs = len(experiment.runs)
    policy = simulate.actors(state, runs)
    found = rollout.evaluate(
        worlds.real,
        numpy_policy.make(policy),
        experiment.episodes,
        experiment.evaluation_seed,
    )
    mean = found.returns.mean(axis=1)
    better = mean > state.best_return
    state.best_return = np.where(better, mean, state.best_return)
    state.best = jax.tree.map(
        lambda new, old: np.where(_like(better, new), np.asarray(new), old),
        policy,
        state.best,
    )
    clock.lap("evaluate")
    return Report(state.epoch, {}, found.returns, found.lengths, clock.seconds)


def _like(flags: np.ndarray, x: Any) -> np.ndarray:
    return flags.reshape(-1, *[1] * (np.ndim(x) - 1))


def _check_finite(
    experiment: Experiment, epoch: int, metrics: dict[str, np.ndarray]
) -> None:
    for name, values in metrics.items():
        if name.startswith("sim/"):
            continue
        for run, value in zip(experiment.runs, values, strict=True):
            if not np.isfinite(value):
                raise DivergenceError(
                    f"epoch {epoch}, {run.label}, seed {run.seed}: {name} is {value}; "
                    "lower --critic_lr or --reward_scale"
                )


class _Clock:
    """Wall time by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, part: str) -> None:
        now = time.monotonic()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now
