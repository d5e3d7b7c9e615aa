"""Gymnasium environments, stepped one after the other, with the manners of a `World`.

An environment's state is the seed of its episode and the actions since then: restored,
it is stepped through them again. Where it does not arrive at the same observation, as
one does whose randomness is not seeded, a new episode begins, and a line says so.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence

import gymnasium
import numpy as np

from h2o_jax.errors import CheckpointError, DivergenceError
from h2o_jax.sim.episodes import Episodes
from h2o_jax.sim.tasks.gymnasium_task import GymnasiumTask
from h2o_jax.sim.tasks.task import Array, Step

_LARGEST_SEED = 2**31
"""Above it, some environments refuse a seed."""


class GymnasiumWorld:
    """`n` environments of one task; only `reset` starts new episodes.

    Attributes are those of `World`. An environment that truncates an episode itself,
    before the task's horizon, is `astray`: the episode ends, which is no terminal
    state.
    """

    def __init__(self, task: GymnasiumTask, seeds: Sequence[int]):
        """Makes the environments and resets every one.

        Args:
            task: of all of them.
            seeds: `n` non-negative integers.
        """
        assert task.make is not None
        n = len(seeds)
        self.task, self.n, self.corrected = task, n, False
        self._envs = [task.make() for _ in range(n)]
        box = self._envs[0].action_space
        assert isinstance(box, gymnasium.spaces.Box)  # `made_by` says so
        self._shape, self._type = box.shape, box.dtype
        low, high = (np.asarray(x, float).ravel() for x in (box.low, box.high))
        self._middle, self._half = (high + low) / 2, (high - low) / 2
        self._episodes = Episodes(seeds, ())
        self._all = np.arange(n)
        self._actions = np.zeros((n, task.horizon, task.action_dim), np.float32)
        self.observations = np.zeros((n, task.obs_dim))
        self.age = np.zeros(n, int)
        self.returns = np.zeros(n)
        self.unstable_episodes = np.zeros(n, int)
        self.astray = np.zeros(n, bool)
        self.astray_episodes = np.zeros(n, int)
        self.trust = np.zeros(n)
        self.reset()

    @property
    def begun(self) -> Array:
        """`[n]` episodes begun so far, each environment's own."""
        return self._episodes.number + 1

    @property
    def time(self) -> Array:
        """`[n]` seconds since the reset; nan where a step's length is not known."""
        return self.age * self.task.dt

    def reset(
        self, ids: Array | None = None, seeds: Sequence[int] | None = None
    ) -> None:
        """Starts new episodes; see `World.reset`."""
        ids = self._all if ids is None else np.asarray(ids)
        self._episodes.begin(ids, seeds)
        for i in map(int, ids):
            self.observations[i] = self._begin(i)
        self._actions[ids] = 0.0
        self.age[ids], self.returns[ids], self.astray[ids] = 0, 0.0, False

    def step(self, actions: Array, ids: Array | None = None) -> Step:
        """Advances environments by one control step; see `World.step`.

        Raises:
            DivergenceError: an action is not finite, and nothing was stepped; or an
                environment fails.
        """
        ids = self._all if ids is None else np.asarray(ids)
        actions = np.asarray(actions, np.float32)
        if not np.isfinite(actions).all():
            raise DivergenceError(
                f"{self.task.name}: the policy's action is not finite"
            )
        k = len(ids)
        step = Step(
            np.zeros((k, self.task.obs_dim)),
            np.zeros(k),
            np.zeros(k, bool),
            np.zeros(k, bool),
        )
        for row, i in enumerate(ids):
            seen, reward, terminated, truncated = self._advance(i, actions[row])
            self._actions[i, self.age[i]] = actions[row]
            self.age[i] += 1
            if not (np.isfinite(seen).all() and np.isfinite(reward)):
                step.unstable[row] = True
                continue
            step.s_t[row], step.reward[row] = seen, reward
            step.terminated[row] = terminated
            cut = truncated and not terminated and self.age[i] < self.task.horizon
            self.astray[i] = cut
        self.unstable_episodes[ids] += step.unstable
        self.observations[ids] = step.s_t
        self.returns[ids] += step.reward
        return step

    def _advance(self, i: int, action: Array) -> tuple[Array, float, bool, bool]:
        """Steps one environment by an action `[A]` in [-1, 1]."""
        command = self._middle + self._half * np.clip(action, -1.0, 1.0)
        given = command.reshape(self._shape).astype(self._type)
        with self._theirs(i, "step"):
            seen, reward, terminated, truncated, _ = self._envs[i].step(given)
            return np.ravel(seen).astype(float), float(reward), terminated, truncated

    def _begin(self, i: int) -> Array:
        """Resets one environment; its first observation `[O]`."""
        seed = int(self._episodes.seed[i]) % _LARGEST_SEED
        with self._theirs(i, "reset"):
            seen, _ = self._envs[i].reset(seed=seed)
            return np.ravel(seen).astype(float)

    @contextlib.contextmanager
    def _theirs(self, i: int, what: str) -> Iterator[None]:
        """Turns what fails in somebody else's environment into one line.

        Raises:
            DivergenceError: with the failure as its cause.
        """
        try:
            yield
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise DivergenceError(
                f"{self.task.name}: environment {i} cannot {what}: {said}; mend its "
                "code, where this can happen"
            ) from error

    def state(self) -> dict[str, Array]:
        """Everything that the future depends on, as copies of arrays."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continues where `state()` was taken.

        Raises:
            CheckpointError: the state belongs to environments of another kind.
        """
        arrays = self._arrays()
        if {k: v.shape for k, v in arrays.items()} != {
            k: np.shape(v) for k, v in state.items()
        }:
            raise CheckpointError(
                f"the saved state is not one of {self.n} {self.task.name} environments"
            )
        for name, array in arrays.items():
            array[...] = state[name]
        lost = [i for i in range(self.n) if not self._return_to(i)]
        if lost:
            print(
                f"note     {self.task.name}: {len(lost)} of {self.n} environments do "
                "not come back to their saved state; they begin new episodes",
                file=sys.stderr,
            )
            self.reset(np.array(lost))

    def _return_to(self, i: int) -> bool:
        """Steps an environment through its episode; whether it arrived."""
        seen = self._begin(i)
        for action in self._actions[i, : self.age[i]]:
            seen, *_ = self._advance(i, action)
        return np.array_equal(seen, self.observations[i])

    def _arrays(self) -> dict[str, Array]:
        """The live arrays that make up the state, by name."""
        return {
            "actions": self._actions,
            "episode": self._episodes.number,
            "episode_seed": self._episodes.seed,
            "observations": self.observations,
            "age": self.age,
            "returns": self.returns,
            "unstable": self.unstable_episodes,
            "astray": self.astray,
        }
