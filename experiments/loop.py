"""The outer loop: simulated experience and learning, one epoch at a time."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.build import State, Worlds
from experiments.experiment import Experiment
from h2o_jax import replay
from h2o_jax.errors import DivergenceError
from h2o_jax.program import Program
from h2o_jax.sim import rollout
from h2o_jax.sim.datasets import Dataset
from h2o_jax.sim.world import World
from h2o_jax.types import Actor, Transition


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
    data = None if dataset is None else replay.pack(dataset.transition)
    keys = _exploration_keys(experiment)
    if state.epoch == 0 and not np.isfinite(state.best_return).any():
        yield _evaluate(experiment, program, worlds, state, _Clock())
    for epoch in range(state.epoch + 1, experiment.epochs + 1):
        clock = _Clock()
        metrics: dict[str, np.ndarray] = {}
        rows = None
        if worlds.sim is not None:
            rows, metrics = _simulate(experiment, program, worlds.sim, state, keys)
        clock.lap("simulate")
        state.learner, state.memory, learned = program.learn(
            state.learner, state.memory, rows, data
        )
        state.epoch = epoch
        runs = len(experiment.runs)
        metrics |= {k: np.asarray(v)[:runs] for k, v in sorted(learned.items())}
        clock.lap("learn")
        _check_finite(experiment, epoch, metrics)
        report = Report(epoch, metrics, None, None, clock.seconds)
        if experiment.evaluates(epoch):
            report = _evaluate(experiment, program, worlds, state, clock)
            report = report._replace(metrics=metrics)
        yield report


def actors(state: State, runs: int) -> Actor:
    """Actors `[R]` of the real runs, on one device."""
    return jax.tree.map(
        lambda x: jnp.asarray(np.asarray(x)[:runs]), state.learner.actor
    )


def _simulate(
    experiment: Experiment,
    program: Program,
    world: World,
    state: State,
    keys: Callable[[int], jax.Array],
) -> tuple[jax.Array, dict[str, np.ndarray]]:
    """One epoch of every run's simulator, packed and placed `[R', n, D]`."""
    runs = len(experiment.runs)
    policy, epoch_keys = actors(state, runs), keys(state.epoch)

    def act(obs: np.ndarray, t: int) -> np.ndarray:
        return np.asarray(program.explore(policy, obs, epoch_keys, t))

    collected = rollout.collect(world, act, experiment.steps)
    rows = pack(collected.transitions)
    padding = np.repeat(rows[-1:], program.runs - runs, axis=0)
    return program.place(np.concatenate([rows, padding])), {
        "sim/return": _mean_by_run(collected.episodes, runs)
    }


def pack(rows: Transition) -> np.ndarray:
    """`replay.pack` for host arrays."""
    scalars = np.stack([rows.r_t, rows.discount_t], axis=-1)
    return np.concatenate([rows.s_tm1, rows.a_tm1, scalars, rows.s_t], axis=-1)


def _mean_by_run(episodes: rollout.Episodes, runs: int) -> np.ndarray:
    """`[R]` mean return of the episodes that ended, nan where none did."""
    total = np.bincount(episodes.environment, episodes.returns, minlength=runs)
    count = np.bincount(episodes.environment, minlength=runs)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _evaluate(
    experiment: Experiment,
    program: Program,
    worlds: Worlds,
    state: State,
    clock: "_Clock",
) -> Report:
    """Deterministic real episodes of every run; keeps each run's best actor."""
    runs = len(experiment.runs)
    policy = actors(state, runs)
    found = rollout.evaluate(
        worlds.real,
        lambda obs: np.asarray(program.exploit(policy, obs)),
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


def _exploration_keys(experiment: Experiment) -> Callable[[int], jax.Array]:
    """Keys of the action noise, a function of seed and epoch alone."""
    _, base = experiment.keys(len(experiment.runs))
    return lambda epoch: jax.vmap(jax.random.fold_in, in_axes=(0, None))(base, epoch)


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
        self.seconds[part] = now - self._last
        self._last = now
