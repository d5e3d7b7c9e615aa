"""Steps every run's simulator with its policy, and makes rows to learn from.

By default simulating and learning alternate, as published. With `--overlap` the
simulators step while the device learns: the rows of epoch e come from the policy after
epoch e - 2 (in the first two epochs, from the untrained one), whatever the threads'
timing.
"""

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
import scipy.special

from experiments import watchdog
from experiments.experiment import Experiment
from experiments.training import Collected, State, Training, reported, unpadded
from h2o_jax import numpy_policy, packing
from h2o_jax.program import Program
from h2o_jax.sim import rollout
from h2o_jax.sim.environments import Environments
from h2o_jax.types import Actor

Check = Callable[[], object]
"""Called every now and then; raises to give an epoch up."""


class Experience(NamedTuple):
    """One epoch's rows, ready to learn from."""

    rows: jax.Array | None
    """`[R', n, D]` packed transitions on the devices; None without a simulator."""
    metrics: dict[str, np.ndarray]
    """`[R]` metrics of the simulators."""


class Stepper(Protocol):
    """The simulators of a training, and when they step."""

    def collect(self, state: State) -> Experience:
        """The rows of the epoch after `state.epoch`."""

    def finish(self, state: State) -> None:
        """Makes `state` complete again after the epoch's updates."""


def stepper(training: Training, check: Check) -> Stepper:
    """The simulators of a training: none, in turn with learning, or ahead of it."""
    if training.worlds.sim is None:
        return Offline()
    kind = Ahead if training.experiment.overlap else InTurn
    return kind(training, training.worlds.sim, check)


class Offline:
    """No simulator: a method that learns from its log alone."""

    def collect(self, state: State) -> Experience:
        """Nothing."""
        return Experience(None, {})

    def finish(self, state: State) -> None:
        """Nothing is left to do."""


class InTurn:
    """The simulators and the learner wait for each other."""

    def __init__(self, training: Training, world: Environments, check: Check):
        self._experiment, self._program = training.experiment, training.program
        self._world, self._check = world, check

    def collect(self, state: State) -> Experience:
        """The rows of the epoch after `state.epoch`."""
        given = self._experiment, self._world, state, state.epoch + 1, self._check
        return place(self._program, prepare(*given)())

    def finish(self, state: State) -> None:
        """Notes where the simulators are."""
        state.sim = self._world.state()


class Ahead:
    """The simulators are one epoch ahead of the learner; `state.ahead` has its rows."""

    def __init__(self, training: Training, world: Environments, check: Check):
        self._experiment, self._program = training.experiment, training.program
        self._world, self._check = world, check
        self._thread = concurrent.futures.ThreadPoolExecutor(1)

    def collect(self, state: State) -> Experience:
        """The rows of the epoch after `state.epoch`; begins to step those after it."""
        if state.epoch == 0:
            state.ahead = self._prepare(state, 1)()
        collected = state.ahead
        assert collected is not None
        # The policy is fetched here, before the device is busy with learning.
        following = self._prepare(state, state.epoch + 2)
        self._pending = self._thread.submit(following)
        return place(self._program, collected)

    def finish(self, state: State) -> None:
        """Waits for the simulators, and leaves their rows in `state.ahead`."""
        state.ahead, state.sim = self._pending.result(), self._world.state()

    def _prepare(self, state: State, epoch: int) -> Callable[[], Collected]:
        return prepare(self._experiment, self._world, state, epoch, self._check)


def prepare(
    experiment: Experiment,
    world: Environments,
    state: State,
    epoch: int,
    check: Check = lambda: None,
) -> Callable[[], Collected]:
    """A function that simulates an epoch by the current policy, without the device.

    `check` is called before every step, and may raise.
    """
    runs = len(experiment.runs)
    act = numpy_policy.make(unpadded(state.learner.actor, runs))
    if epoch * experiment.steps <= experiment.random_steps:
        act = _uniform
    normals = noise(experiment, epoch)

    def collect() -> Collected:
        strayed, trust = world.astray_episodes.copy(), world.trust.copy()
        with acting(act, f"simulators of {names(experiment)}", check) as step:
            collected = rollout.collect(
                world, lambda obs, t: step(obs, normals[:, t]), experiment.steps
            )
        returns = _mean_by_run(collected.episodes, runs)
        values = [returns, diverged(world)]
        if world.corrected:
            ended = np.bincount(collected.episodes.environment, minlength=runs)
            values.append((world.astray_episodes - strayed) / np.maximum(ended, 1))
            values.append((world.trust - trust) / experiment.steps)
        metrics = dict(zip(reported(world.corrected), values, strict=True))
        return Collected(packing.pack(collected.transitions), metrics)

    return collect


def _uniform(obs: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Uniform actions in [-1, 1], whatever is observed."""
    return 2 * scipy.special.ndtr(normals) - 1


def diverged(world: Environments) -> np.ndarray:
    """`[R]` the metric `DIVERGED`."""
    return world.unstable_episodes / np.maximum(world.begun, 10)


@contextlib.contextmanager
def acting(
    act: Callable[..., np.ndarray], what: str, check: Check
) -> Iterator[Callable[..., np.ndarray]]:
    """A policy for steps of simulators that are watched, and may be given up.

    An action that is not finite would end the runs of all. It is 0 instead, and in an
    evaluation its own run is lost: see `health`.

    Args:
        act: the policy.
        what: is stepped, for an error.
        check: called before every step; may raise.
    """
    with watchdog.watching(what) as heard:

        def step(*given: np.ndarray) -> np.ndarray:
            check()
            heard()
            with np.errstate(over="ignore", invalid="ignore"):
                return np.nan_to_num(act(*given), posinf=1.0, neginf=-1.0)

        yield step


def names(experiment: Experiment) -> str:
    """The task and its runs, in words."""
    labels: dict[str, list[str]] = {}
    for run in experiment.runs:
        labels.setdefault(run.label, []).append(str(run.seed))
    each = [f"{label}, seed {','.join(seeds)}" for label, seeds in labels.items()]
    return f"{experiment.model.name} ({'; '.join(each)})"


def place(program: Program, collected: Collected) -> Experience:
    """Puts an epoch's rows on the devices; the last run's rows fill the padding."""
    missing = program.runs - len(collected.rows)
    padding = np.repeat(collected.rows[-1:], missing, axis=0)
    rows = program.place(np.concatenate([collected.rows, padding]))
    return Experience(rows, collected.metrics)


def either(first: np.ndarray, one: Actor, other: Actor) -> Actor:
    """Each run's actor of two: that of `one` where `first [R]` holds."""

    def pick(x: Any, y: Any) -> np.ndarray:
        return np.where(first.reshape(-1, *[1] * (np.ndim(x) - 1)), x, y)

    picked: Actor = jax.tree.map(pick, one, other)
    return picked


def noise(experiment: Experiment, epoch: int) -> np.ndarray:
    """Normals `[R, n, A]` for the actions; only the seeds and the epoch decide them."""
    _, keys = experiment.keys(len(experiment.runs))
    shape = (experiment.steps, experiment.model.action_dim)
    return np.asarray(_normals(keys, epoch, shape))


def _draw(keys: jax.Array, epoch: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    def one(key: jax.Array) -> jax.Array:
        return jax.random.normal(jax.random.fold_in(key, epoch), shape)

    return jax.vmap(one)(keys)


_normals: Any = jax.jit(_draw, static_argnums=2)


def _mean_by_run(episodes: rollout.Episodes, runs: int) -> np.ndarray:
    """`[R]` mean return of the episodes that ended, nan where none did."""
    total = np.bincount(episodes.environment, episodes.returns, minlength=runs)
    count = np.bincount(episodes.environment, minlength=runs)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
