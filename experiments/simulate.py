"""Steps every run's simulator with its policy, and makes rows to learn from.

By default simulating and learning alternate, as published. With `--overlap` the
simulators step while the device learns: the rows of epoch e come from the policy after
epoch e - 2 (in the first two epochs, from the untrained one), whatever the threads'
timing.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
import scipy.special

from experiments.build import CORRECTED
from experiments.experiment import Experiment
from experiments.training import Block, State, Training
from h2o_jax import numpy_policy, packing
from h2o_jax.program import Program
from h2o_jax.sim import rollout
from h2o_jax.sim.environments import Environments
from h2o_jax.types import Actor


class Experience(NamedTuple):
    """One epoch's rows, ready to learn from."""

    rows: jax.Array | None
    """`[R', n, D]` packed transitions on the devices; None without a simulator."""
    metrics: dict[str, np.ndarray]
    """`[R]` metrics of the simulators."""


class Simulators(Protocol):
    """The simulators of a training, and when they step."""

    def take(self, state: State) -> Experience:
        """The rows of the epoch after `state.epoch`."""

    def settle(self, state: State) -> None:
        """Makes `state` complete again after the epoch's updates."""


def simulators(training: Training) -> Simulators:
    """The simulators of a training: none, in turn with learning, or ahead of it."""
    if training.worlds.sim is None:
        return Offline()
    kind = Ahead if training.experiment.overlap else InTurn
    return kind(training.experiment, training.worlds.sim, training.program)


class Offline:
    """No simulator: a method that learns from its log alone."""

    def take(self, state: State) -> Experience:
        """Nothing."""
        return Experience(None, {})

    def settle(self, state: State) -> None:
        """Nothing is left to do."""


class InTurn:
    """The simulators and the learner wait for each other."""

    def __init__(self, experiment: Experiment, world: Environments, program: Program):
        self._experiment, self._world, self._program = experiment, world, program

    def take(self, state: State) -> Experience:
        """The rows of the epoch after `state.epoch`."""
        collected = prepare(self._experiment, self._world, state, state.epoch + 1)()
        return place(self._program, collected)

    def settle(self, state: State) -> None:
        """Nothing is left to do."""


class Ahead:
    """The simulators are one epoch ahead of the learner; `state.ahead` has its rows."""

    def __init__(self, experiment: Experiment, world: Environments, program: Program):
        self._experiment, self._world, self._program = experiment, world, program
        self._thread = concurrent.futures.ThreadPoolExecutor(1)

    def take(self, state: State) -> Experience:
        """The rows of the epoch after `state.epoch`; begins to step those after it."""
        if state.epoch == 0:
            state.ahead = prepare(self._experiment, self._world, state, 1)()
        collected = state.ahead
        assert collected is not None
        # The policy is fetched here, before the device is busy with learning.
        following = prepare(self._experiment, self._world, state, state.epoch + 2)
        self._pending = self._thread.submit(following)
        return place(self._program, collected)

    def settle(self, state: State) -> None:
        """Waits for the simulators, and leaves their rows in `state.ahead`."""
        state.ahead = self._pending.result()


def prepare(
    experiment: Experiment, world: Environments, state: State, epoch: int
) -> Callable[[], Block]:
    """A function that simulates an epoch by the current policy, without the device."""
    runs = len(experiment.runs)
    act = numpy_policy.make(actors(state, runs))
    if epoch * experiment.steps <= experiment.random_steps:
        act = _uniform
    normals = noise(experiment, epoch)

    def collect() -> Block:
        strayed, trust = world.strayed.copy(), world.trust.copy()
        collected = rollout.collect(
            world, lambda obs, t: act(obs, normals[:, t]), experiment.steps
        )
        returns = _mean_by_run(collected.episodes, runs)
        corrected = None
        if world.corrected:
            ended = np.bincount(collected.episodes.environment, minlength=runs)
            share = (world.strayed - strayed) / np.maximum(ended, 1)
            mean_trust = (world.trust - trust) / experiment.steps
            corrected = dict(zip(CORRECTED, (share, mean_trust), strict=True))
        return Block(packing.pack(collected.transitions), returns, corrected)

    return collect


def _uniform(obs: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Uniform actions in [-1, 1], whatever is observed."""
    return 2 * scipy.special.ndtr(normals) - 1


def place(program: Program, collected: Block) -> Experience:
    """Puts an epoch's rows on the devices; the last run's rows fill the padding."""
    missing = program.runs - len(collected.rows)
    padding = np.repeat(collected.rows[-1:], missing, axis=0)
    rows = program.place(np.concatenate([collected.rows, padding]))
    metrics = {"sim/return": collected.returns} | (collected.corrected or {})
    return Experience(rows, metrics)


def actors(state: State, runs: int) -> Actor:
    """Actors `[R, ...]` of the runs without the padding, as NumPy arrays."""
    return jax.tree.map(lambda x: np.asarray(x)[:runs], state.learner.actor)


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
