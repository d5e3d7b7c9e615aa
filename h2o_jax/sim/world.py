"""Many environments of one task, each with its own model and interface, as a batch."""

import operator
from collections.abc import Sequence

import mujoco
import numpy as np

from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.sim.control_loop import ControlLoop
from h2o_jax.sim.episodes import Episodes, Variation
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.motors import clip
from h2o_jax.sim.physics import Physics, finite
from h2o_jax.sim.residual import Residual
from h2o_jax.sim.residual.correction import Residuals
from h2o_jax.sim.tasks.task import Array, Motion, Step, Task

_RESIDUAL = "residual"
"""In a state, what corrected each environment."""


class World:
    """`n` environments stepped together; only `reset` starts new episodes.

    The environment `i` runs `models[i]` behind `interfaces[i]`. Its episode `e` is a
    function of `(seeds[i], e)` and of the actions alone, whatever else is in the
    batch and however many threads there are.

    Attributes:
        observations: `[n, O]` float64, what a policy sees now.
        age: `[n]` control steps since the reset.
        returns: `[n]` sum of rewards since the reset.
        unstable_episodes: `[n]` episodes that ended by diverging.
        astray: `[n]` bool, a corrected simulator has gone far beyond its log: end the
            episode, which is no terminal state.
        astray_episodes: `[n]` episodes that ended so.
        trust: `[n]` sum over all steps of the share of its correction that each got.
    """

    def __init__(
        self,
        task: Task,
        models: Sequence[mujoco.MjModel],
        interfaces: Sequence[Interface],
        seeds: Sequence[int],
        nthread: int = 0,
        queue: int = 0,
        residuals: Sequence[Residual | None] = (),
        variations: Sequence[Variation | None] = (),
    ):
        """Builds the batch and resets every environment.

        Args:
            task: what all of them do.
            models: `n` compiled models of the task's robot.
            interfaces: `n`, one per environment.
            seeds: `n` non-negative integers.
            nthread: threads of the physics; 0 for one per core.
            queue: least number of commands that `state()` stores, so that a part of a
                larger batch has the same layout as the whole; see `queue_length`.
            residuals: `n`, what corrects each environment after every control step,
                None for nothing; empty where none is ever corrected.
            variations: `n`; environments with one draw a model of the same layout at
                each reset, as a function of the episode's seed. Empty for none.
        """
        if not len(models) == len(interfaces) == len(seeds) > 0:
            raise ValueError(
                f"{len(models)} models, {len(interfaces)} interfaces and {len(seeds)} "
                "seeds; one of each per environment is needed"
            )
        n = len(models)
        self.task, self.n = task, n
        self._all = np.arange(n)
        self._physics = Physics(task, models, nthread)
        self._qpos, self._qvel = self._physics.qpos, self._physics.qvel
        self._loop = ControlLoop(task, self._physics, interfaces, queue)
        self._episodes = Episodes(seeds, variations)
        self._corrections = None
        if residuals:
            self._corrections = Residuals(task, models[0], residuals)
        self._memory = np.zeros((n, task.memory_dim))
        self.observations = np.zeros((n, task.obs_dim))
        self.astray = np.zeros(n, bool)
        self.age, self.unstable_episodes, self.astray_episodes = np.zeros((3, n), int)
        self.returns, self.trust = np.zeros((2, n))
        self.reset()

    @property
    def begun(self) -> Array:
        """`[n]` episodes begun so far, each environment's own."""
        return self._episodes.number + 1

    @property
    def corrected(self) -> bool:
        """Whether environments may be corrected after their steps."""
        return self._corrections is not None

    @property
    def latency(self) -> int:
        """Most control steps that a command waits in any environment."""
        queue = self._loop.queue
        return 0 if queue is None else queue.shape[1] - 1

    @property
    def qpos(self) -> Array:
        """`[n, nq]` true positions, as a copy."""
        return self._qpos.copy()

    @property
    def qvel(self) -> Array:
        """`[n, nv]` true velocities, as a copy."""
        return self._qvel.copy()

    @property
    def time(self) -> Array:
        """`[n]` simulated seconds since the reset, as a copy."""
        return self._physics.time.copy()

    def reset(
        self, ids: Array | None = None, seeds: Sequence[int] | None = None
    ) -> None:
        """Starts new episodes.

        Args:
            ids: `[k]` environments, or None for all.
            seeds: `[k]` seeds of the episodes, each equal to Gymnasium's
                `env.reset(seed=...)`; by default the next of the environment's own.
        """
        ids = self._all if ids is None else np.asarray(ids)
        self._episodes.begin(ids, seeds)
        self._vary(ids)
        self._physics.reset(ids)
        for i in ids:
            rng = np.random.default_rng(int(self._episodes.seed[i]))
            model = self._physics.models[i]
            self._qpos[i], self._qvel[i] = self.task.reset(rng, model)
        self._physics.forward(ids)
        self.age[ids], self.returns[ids], self.astray[ids] = 0, 0.0, False
        self._memory[ids] = 0.0
        draws = self._loop.begin(ids, self._episodes.seed[ids])
        seen = self._loop.sense(self._qpos[ids], self._qvel[ids], draws, ids)
        self.observations[ids] = seen

    def use(self, models: Sequence[mujoco.MjModel]) -> None:
        """Swaps the models `[n]` for others of the same layout; `put` comes next."""
        self._physics.use(models)

    def _vary(self, ids: Array) -> None:
        """Puts in place what the episodes of environments `ids` draw."""
        models = self._physics.models.copy()
        for i, (model, interface) in self._episodes.drawn(ids).items():
            models[i] = model
            self._loop.change(i, interface)
        if any(map(operator.is_not, models, self._physics.models)):
            self._physics.use(models)

    def put(self, observations: Array, waiting: Sequence[Array] = ()) -> Array:
        """Puts every environment into the state behind an observation.

        Episodes go on from there with their random numbers begun anew.

        Args:
            observations: `[n, O]`.
            waiting: earlier actions `[n, A]`, the oldest first, that still wait in an
                interface's queue; by default none does.

        Returns:
            `[n]` bool, whether the state is known exactly; see `Task.pose`.

        Raises:
            ConfigError: the task does not tell states from observations.
        """
        if self.task.pose is None:
            raise ConfigError(
                f"{self.task.name}: its simulator cannot be put into a logged state"
            )
        model = self._physics.models[0]
        pose = self.task.pose(model, np.asarray(observations, np.float64))
        self._physics.reset(self._all)
        self._qpos[:], self._qvel[:] = pose.qpos, pose.qvel
        self._memory[:] = pose.memory
        self.observations[:] = observations
        self.age[:], self.returns[:], self.astray[:] = 0, 0.0, False
        self._loop.fill(waiting)
        return pose.exact

    def step(self, actions: Array, ids: Array | None = None) -> Step:
        """Advances environments by one control step.

        Args:
            actions: `[k, A]` in [-1, 1]; clipped to it, and mapped onto the motors'
                control range.
            ids: `[k]` environments, or None for all.

        Raises:
            DivergenceError: an action is not finite; nothing was stepped.
        """
        actions = np.asarray(actions, np.float64)
        task, rows = self.task, slice(None) if ids is None else ids
        qpos_tm1 = self._qpos[rows].copy()
        command, draws = self._loop.act(actions, ids, self.age, self._episodes.seed)
        self.age[rows] += 1
        qpos, qvel = self._qpos[rows], self._qvel[rows]
        s_t = self._loop.sense(qpos, qvel, draws, self._all[rows])
        if task.remember is not None:
            self._memory[rows], s_t = task.remember(self._memory[rows], s_t)
        terminated = task.terminated(qpos, qvel)
        s_tm1 = self.observations[rows]
        reward = task.reward(Motion(qpos_tm1, qpos, s_tm1, command, s_t, terminated))
        unstable = self._physics.diverged(rows) | ~finite(s_t, reward)
        reward = np.where(unstable, 0.0, reward)  # not that of a jump
        self.unstable_episodes[rows] += unstable
        step = Step(s_t, reward, terminated, unstable)
        if self._corrections is not None:
            step = self._correct(self._corrections, s_tm1, actions, step, rows)
        self.observations[rows] = step.s_t
        self.returns[rows] += step.reward
        return step

    def _correct(
        self,
        corrections: Residuals,
        s_tm1: Array,
        actions: Array,
        step: Step,
        rows: Array | slice,
    ) -> Step:
        """What the step would have been in the real system; goes on from there."""
        ids = self._all[rows]
        change = corrections.of(s_tm1, clip(actions), step.s_t, ids)
        for column in change:
            column[step.unstable] = 0.0
        if corrections.settable:
            before = self.task.observe(self._qpos[rows], self._qvel[rows])
            clipped = corrections.clipped(before) & ~step.unstable
            shift = corrections.shift(self._qpos[rows], step.s_t, change.s_t)
            self._qpos[rows] += shift.qpos
            self._qvel[rows] += shift.qvel
            self._memory[rows] += shift.memory
            qpos, qvel = self._qpos[rows], self._qvel[rows]
            if clipped.any():  # what lies beyond the clip may stay there
                seen = self.task.observe(qpos, qvel) - before
                change.s_t[clipped] = seen[clipped]
            step = step._replace(terminated=self.task.terminated(qpos, qvel))
        step = step._replace(s_t=step.s_t + change.s_t, reward=step.reward + change.r_t)
        astray = corrections.strayed(step.s_t, ids) & ~step.unstable
        self.astray_episodes[rows] += astray & ~self.astray[rows]
        self.astray[rows] = astray
        self.trust[rows] += change.trust
        return step

    def state(self) -> dict[str, Array]:
        """Everything that the future depends on, as copies of arrays."""
        state = {name: array.copy() for name, array in self._arrays().items()}
        if self._corrections is not None:
            state[_RESIDUAL] = self._corrections.digests.copy()
        return state

    def restore(self, state: dict[str, Array]) -> None:
        """Continues where `state()` was taken, bit for bit.

        Raises:
            CheckpointError: the state belongs to a world of another kind, or to one
                that another residual corrected.
        """
        arrays, state = self._arrays(), dict(state)
        if self._corrections is not None:
            self._corrections.check(state.pop(_RESIDUAL, None))
        if {k: v.shape for k, v in arrays.items()} != {
            k: np.shape(v) for k, v in state.items()
        }:
            raise CheckpointError(
                f"the saved simulator state is not one of {self.n} {self.task.name} "
                "environments with these interfaces"
            )
        self._episodes.seed[:] = state["episode_seed"]
        self._vary(self._all)
        self._physics.reset()
        for name, array in arrays.items():
            array[...] = state[name]

    def _arrays(self) -> dict[str, Array]:
        """The live arrays that make up the state, by name."""
        arrays = {
            "physics": self._physics.state,
            "memory": self._memory,
            "episode": self._episodes.number,
            "episode_seed": self._episodes.seed,
            "observations": self.observations,
            "age": self.age,
            "returns": self.returns,
            "unstable": self.unstable_episodes,
        }
        if self._loop.queue is not None:
            arrays["queue"] = self._loop.queue
        if self._corrections is not None:
            arrays |= {"astray": self.astray, "strayed": self.astray_episodes}
            arrays["trust"] = self.trust
        return arrays
