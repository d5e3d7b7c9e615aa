"""Measurements of `end_to_end`, made in the measuring process."""

import dataclasses
import math
import resource
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import updates
from benchmarks.timing import Measure
from experiments import build, loop
from experiments.experiment import Experiment
from experiments.phases import Clock, phases_of
from experiments.runs import Run
from h2o_jax import packing
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import gaps

EPOCH = 1000  # steps and updates of a published epoch, which figures are scaled to
EPOCHS = 1000  # published, which gives the replay its size
EVALUATE_EVERY = 10  # published epochs
PHASES = ("simulate", "learn", "evaluate")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What one process measures."""

    cores: int
    runs: tuple[int]
    """Number of runs in the program."""
    steps: int
    """Steps and updates of an epoch."""
    log: int = updates.CAPACITY
    """Rows of the log."""
    episodes: int = 10
    hidden: tuple[int, ...] = (256, 256)


def measures(plan: Plan) -> dict[str, Measure]:
    """An epoch's seconds by phase, scaled; seconds of compiling and MB so far."""
    jax.config.update("jax_enable_compilation_cache", False)
    compiling = _Compiling()
    whole = experiment(plan)
    training = build.training(whole, _log(whole, plan.log), plan.cores)
    state, program = training.state, training.program
    # As if all had been written, so that batches come from all over the replay.
    assert state.replay is not None
    capacity = jnp.uint32(state.replay.rows.shape[1])
    added = program.place(jnp.full_like(state.replay.added, capacity))
    state.replay = state.replay._replace(added=added)
    clock = Clock()
    epochs = loop.train(training, clock.over(phases_of(training)))
    next(epochs)  # evaluates before any training
    clock.lap()

    def epoch() -> list[float]:
        next(epochs)
        seconds = clock.lap()
        scaled = {phase: seconds[phase] * EPOCH / plan.steps for phase in PHASES[:2]}
        return [*scaled.values(), seconds["evaluate"] / EVALUATE_EVERY]

    return {"epoch": epoch, "compile": lambda: compiling.seconds, "memory": _memory}


def experiment(plan: Plan) -> Experiment:
    """H2O+ as published, but for shorter epochs that all end with an evaluation."""
    runs = tuple(Run(seed, gaps.parse("gravity:2")) for seed in range(plan.runs[0]))
    return Experiment(
        task="halfcheetah",
        algorithm="h2o_plus",
        runs=runs,
        hidden=plan.hidden,
        discriminator_hidden=plan.hidden,
        epochs=math.ceil(EPOCHS * EPOCH / plan.steps),
        steps=plan.steps,
        updates=plan.steps,
        evaluate_every=1,
        episodes=plan.episodes,
    )


def _log(experiment: Experiment, n: int) -> Dataset:
    """A log of noise."""
    task = experiment.model
    packed = updates.random_rows(experiment, n)
    rows = packing.unpack(packed, task.obs_dim, task.action_dim)
    return Dataset(
        jax.tree.map(np.asarray, rows),
        np.empty(0),
        np.empty(0),
        0,
        source="noise",
        sha256="",
    )


def _memory() -> float:
    """The most that this process ever held, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


class _Compiling:
    """Adds up what JAX says of tracing, lowering and compiling."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        jax.monitoring.register_event_duration_secs_listener(self._note)

    def _note(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.startswith("/jax/core/compile/"):
            now = time.perf_counter()
            self._spans.append((now - duration_secs, now))

    @property
    def seconds(self) -> float:
        """Seconds so far; what happens inside something else counts once."""
        total, until = 0.0, -math.inf
        for began, ended in sorted(self._spans):
            total += max(0.0, ended - max(began, until))
            until = max(until, ended)
        return total
