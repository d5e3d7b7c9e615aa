"""Every run's simulator, stepped by its policy, as rows to learn from.

Strictly in turn with learning by default, as published. With `--overlap` the
simulators step while a block is learned, with the policy from before it: the rows of
epoch e come from the policy after block e - 2 (in the first two epochs, the untrained
one), whatever the threads' timing.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.build import Block, State
from experiments.experiment import Experiment
from h2o_jax import numpy_policy, packing
from h2o_jax.program import Program
from h2o_jax.sim import rollout
from h2o_jax.sim.world import World
from h2o_jax.types import Actor

Collect = Callable[[], Block]


class InTurn:
    """The simulators wait for the learner, and it for them."""

    def __init__(self, experiment: Experiment, world: World):
        self._experiment, self._world = experiment, world

    def take(self, state: State) -> Block:
        """The rows of the epoch after `state.epoch`."""
        return prepare(self._experiment, self._world, state, state.epoch + 1)()

    def settle(self, state: State) -> None:
        """Makes `state` complete again once the block is learned; it always was."""


class Ahead:
    """The simulators are one epoch ahead of the learner; `state.ahead` holds it."""

    def __init__(self, experiment: Experiment, world: World):
        self._experiment, self._world = experiment, world
        self._thread = concurrent.futures.ThreadPoolExecutor(1)

    def take(self, state: State) -> Block:
        """The rows of the epoch after `state.epoch`; begins to step those after it."""
        if state.epoch == 0:
            first = prepare(self._experiment, self._world, state, 1)
            state.ahead = first()
        block = state.ahead
        assert block is not None
        # All that needs the device is asked of it now, before it is busy learning.
        following = prepare(self._experiment, self._world, state, state.epoch + 2)
        self._pending = self._thread.submit(following)
        return block

    def settle(self, state: State) -> None:
        """Waits for the simulators, and leaves their rows in `state.ahead`."""
        state.ahead = self._pending.result()


def prepare(experiment: Experiment, world: World, state: State, epoch: int) -> Collect:
    """An epoch with the policy of now, ready to run without the device."""
    runs = len(experiment.runs)
    act = numpy_policy.make(actors(state, runs))
    normals = noise(experiment, epoch)

    def collect() -> Block:
        found = rollout.collect(
            world, lambda obs, t: act(obs, normals[:, t]), experiment.steps
        )
        rows = packing.pack(found.transitions)
        return Block(rows, _mean_by_run(found.episodes, runs))

    return collect


def place(program: Program, block: Block) -> jax.Array:
    """Rows on the devices, `[R', n, D]`; the last run's fill the padding."""
    padding = np.repeat(block.rows[-1:], program.runs - len(block.rows), axis=0)
    return program.place(np.concatenate([block.rows, padding]))


def actors(state: State, runs: int) -> Actor:
    """Actors `[R, ...]` of the real runs, on the host."""
    return jax.tree.map(lambda x: np.asarray(x)[:runs], state.learner.actor)


def noise(experiment: Experiment, epoch: int) -> np.ndarray:
    """Normals `[R, n, A]` of the actions, a function of seed and epoch alone."""
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
