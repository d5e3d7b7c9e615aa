"""Many environments of one task, each with its own model and interface, as a batch."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import mujoco
import numpy as np
from mujoco import batch

from h2o_jax.errors import CheckpointError, ConfigError, DivergenceError
from h2o_jax.sim.correction import Corrections
from h2o_jax.sim.interface import Channel, Draws, Interface
from h2o_jax.sim.motors import Motors, clip
from h2o_jax.sim.residual import Residual
from h2o_jax.sim.tasks.task import Array, Motion, Task

# MuJoCo answers these by putting the robot back to its initial pose and going on.
_FATAL = [
    int(mujoco.mjtWarning.mjWARN_BADQPOS),
    int(mujoco.mjtWarning.mjWARN_BADQVEL),
    int(mujoco.mjtWarning.mjWARN_BADQACC),
    int(mujoco.mjtWarning.mjWARN_BADCTRL),
]
_RESIDUAL = "residual"
"""In a state, what corrected each environment."""


Variation = Callable[[np.random.Generator], tuple[mujoco.MjModel, Interface]]
"""Draws the model and the interface of an environment's next episode."""


class Step(NamedTuple):
    """The result of one control step of `k` environments."""

    s_t: Array
    """`[k, O]` float64 observations, before any reset."""
    reward: Array
    """`[k]` float64."""
    terminated: Array
    """`[k]` bool, a true terminal state; never a time limit."""
    unstable: Array
    """`[k]` bool, the physics diverged: discard the row and end the episode."""


class World:
    """`n` environments stepped together; only `reset` starts new episodes.

    The environment `i` runs `models[i]` behind `interfaces[i]`. Its episode `e` is a
    function of `(seeds[i], e)` and of the actions alone, whatever else is in the
    batch and however many threads there are.

    Attributes:
        observations: `[n, O]` float64, what a policy sees now.
        age: `[n]` control steps since the reset.
        returns: `[n]` sum of rewards since the reset.
        unstable: `[n]` episodes that ended by diverging.
        astray: `[n]` bool, a corrected simulator has gone far beyond its log: end the
            episode, which is no terminal state.
        strayed: `[n]` episodes that ended so.
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
        _log_to_console()
        n = len(models)
        self.task = task
        self.n = n
        self._models = list(models)
        self._variations = list(variations) or [None] * n
        self._seeds = list(seeds)
        self._batch = batch.Batch(models[0], n, nthread)
        if any(model is not models[0] for model in models):
            self._batch.set_models(self._models)
        self._all = np.arange(n)
        self._qpos, self._qvel = self._batch.qpos, self._batch.qvel
        self._ctrl, self._force = self._batch.ctrl, self._batch.xfrc_applied
        self._time = self._batch.time
        self._warnings = self._batch.warning[..., 1]
        self._motors = Motors(models, task.action_dim)
        self._channel = _channel(task, interfaces, queue)
        self._corrections = None
        if residuals:
            self._corrections = Corrections(task, models[0], residuals)
        self._memory = np.zeros((n, task.memory_dim))
        self._episode = np.full(n, -1)
        self._episode_seed = np.zeros(n, np.uint64)
        self.observations = np.zeros((n, task.obs_dim))
        self.age = np.zeros(n, int)
        self.returns = np.zeros(n)
        self.unstable = np.zeros(n, int)
        self.astray = np.zeros(n, bool)
        self.strayed = np.zeros(n, int)
        self.trust = np.zeros(n)
        self.reset()

    @property
    def corrected(self) -> bool:
        """Whether environments may be corrected after their steps."""
        return self._corrections is not None

    @property
    def latency(self) -> int:
        """Most control steps that a command waits in any environment."""
        return 0 if self._channel is None else self._channel.queue.shape[1] - 1

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
        return self._time.copy()

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
        if seeds is None:
            self._episode[ids] += 1
            seeds = [episode_seed(self._seeds[i], self._episode[i]) for i in ids]
        self._vary(ids, seeds)
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE)
        for i, seed in zip(ids, seeds, strict=True):
            rng = np.random.default_rng(int(seed))
            self._qpos[i], self._qvel[i] = self.task.reset(rng, self._models[i])
            self._episode_seed[i] = seed
        self._batch.forward(ids)
        self.age[ids] = 0
        self.returns[ids] = 0.0
        self.astray[ids] = False
        self._memory[ids] = 0.0
        draws = None
        if self._channel is not None:
            self._channel.queue[ids] = 0.0
            draws = self._channel.draws(ids, self._episode_seed[ids], self.age[ids])
        s_t = self._sense(self._qpos[ids], self._qvel[ids], draws, ids)
        self.observations[ids] = s_t

    def use(self, models: Sequence[mujoco.MjModel]) -> None:
        """Swaps the models `[n]` for others of the same layout; `put` comes next."""
        self._models = list(models)
        self._batch.set_models(self._models)

    def _vary(self, ids: Array, seeds: Sequence[int] | Array) -> None:
        """Draws the models of episodes where they vary, by the episodes' seeds."""
        models = self._models.copy()
        for i, seed in zip(ids, seeds, strict=True):
            draw = self._variations[i]
            if draw is not None:
                # Apart from the numbers of the reset and of the interface.
                rng = np.random.default_rng([int(seed), 0, 1])
                models[i], interface = draw(rng)
                if self._channel is not None:
                    self._channel.change(i, interface)
        if any(new is not old for new, old in zip(models, self._models, strict=True)):
            self.use(models)

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
        pose = self.task.pose(self._models[0], np.asarray(observations, np.float64))
        self._batch.reset(self._all, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self._qpos[:], self._qvel[:] = pose.qpos, pose.qvel
        self._memory[:] = pose.memory
        self.observations[:] = observations
        self.age[:], self.returns[:], self.astray[:] = 0, 0.0, False
        if self._channel is not None:
            self._channel.queue[:] = 0.0
            for ago, actions in enumerate(reversed(waiting), start=1):
                slot = -ago % self._channel.queue.shape[1]
                self._channel.queue[:, slot] = self._motors.command(actions)
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
        if not math.isfinite(np.vdot(actions, actions)):
            raise DivergenceError(_bad_actions(actions, ids))
        task, rows = self.task, slice(None) if ids is None else ids
        qpos_tm1 = self._qpos[rows].copy()
        if self._channel is None:
            command, draws = self._motors.command(actions, rows), None
            self._ctrl[rows] = command
            self._batch.step(ids, nstep=task.frame_skip)
        else:
            command, draws = self._move(self._channel, actions, self._all[rows])
        self.age[rows] += 1
        qpos, qvel = self._qpos[rows], self._qvel[rows]
        s_t = self._sense(qpos, qvel, draws, rows)
        if task.remember is not None:
            self._memory[rows], s_t = task.remember(self._memory[rows], s_t)
        terminated = task.terminated(qpos, qvel)
        s_tm1 = self.observations[rows]
        reward = task.reward(Motion(qpos_tm1, qpos, s_tm1, command, s_t, terminated))
        unstable = self._void_diverged(rows, reward)
        step = Step(s_t, reward, terminated, unstable)
        if self._corrections is not None:
            step = self._correct(self._corrections, s_tm1, actions, step, rows)
        self.observations[rows] = step.s_t
        self.returns[rows] += step.reward
        return step

    def _correct(
        self,
        corrections: Corrections,
        s_tm1: Array,
        actions: Array,
        step: Step,
        rows: Array | slice,
    ) -> Step:
        """What the step would have been in the real system; goes on from there."""
        ids = self._all[rows]
        s_t, unstable = step.s_t, step.unstable
        change = corrections.of(s_tm1, clip(actions), s_t, ids)
        change.s_t[unstable], change.r_t[unstable] = 0.0, 0.0
        terminated = step.terminated
        if corrections.settable:
            shift = corrections.shift(change.s_t)
            self._qpos[rows] += shift.qpos
            self._qvel[rows] += shift.qvel
            self._memory[rows] += shift.memory
            terminated = self.task.terminated(self._qpos[rows], self._qvel[rows])
        s_t = s_t + change.s_t
        astray = corrections.strayed(s_t, ids) & ~unstable
        self.strayed[rows] += astray & ~self.astray[rows]
        self.astray[rows] = astray
        self.trust[rows] += change.trust
        return Step(s_t, step.reward + change.r_t, terminated, unstable)

    def _move(
        self, channel: Channel, actions: Array, ids: Array
    ) -> tuple[Array, Draws]:
        """Steps the physics of `ids` with the actions as the channel delivers them."""
        age = self.age[ids]
        draws = channel.draws(ids, self._episode_seed[ids], age + 1)
        command = self._motors.command(channel.disturb(actions, draws, ids), ids)
        self._ctrl[ids] = channel.deliver(command, age, ids)
        substeps = channel.substeps(draws, ids)
        if channel.pushes:
            # Body 0 is the floor, body 1 a robot's root.
            self._force[ids, 1, 0] = channel.push(draws, substeps, ids)
        for count in np.unique(substeps):
            self._batch.step(ids[substeps == count], nstep=int(count))
        return command, draws

    def _sense(
        self, qpos: Array, qvel: Array, draws: Draws | None, rows: Array | slice
    ) -> Array:
        """Observations `[k, O]` through the channel's sensors, if there is one."""
        s_t = self.task.observe(qpos, qvel)
        if self._channel is None or draws is None:
            return s_t
        return self._channel.sense(s_t, draws, self._all[rows])

    def _void_diverged(self, rows: Array | slice, reward: Array) -> Array:
        """Which rows `[k]` diverged; their reward, that of a jump, becomes 0."""
        if not np.count_nonzero(self._warnings):
            return np.zeros(len(reward), bool)
        diverged = self._warnings[rows][:, _FATAL].any(axis=1)
        reward[diverged] = 0.0
        self.unstable[rows] += diverged
        return diverged

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
        arrays = self._arrays()
        state = dict(state)
        if self._corrections is not None:
            self._corrections.check(state.pop(_RESIDUAL, None))
        if {k: v.shape for k, v in arrays.items()} != {
            k: np.shape(v) for k, v in state.items()
        }:
            raise CheckpointError(
                f"the saved simulator state is not one of {self.n} {self.task.name} "
                "environments with these interfaces"
            )
        self._vary(self._all, state["episode_seed"])
        self._batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE)
        for name, array in arrays.items():
            array[...] = state[name]

    def _arrays(self) -> dict[str, Array]:
        """The live arrays that make up the state, by name."""
        arrays = {
            "physics": self._batch.state,
            "memory": self._memory,
            "episode": self._episode,
            "episode_seed": self._episode_seed,
            "observations": self.observations,
            "age": self.age,
            "returns": self.returns,
            "unstable": self.unstable,
        }
        if self._channel is not None:
            arrays["queue"] = self._channel.queue
        if self._corrections is not None:
            arrays |= {"astray": self.astray, "strayed": self.strayed}
            arrays["trust"] = self.trust
        return arrays


def queue_length(interfaces: Sequence[Interface]) -> int:
    """Commands that environments with these interfaces remember; 0 if all are ideal."""
    if all(interface == Interface() for interface in interfaces):
        return 0
    return 1 + max(interface.latency for interface in interfaces)


def _channel(task: Task, interfaces: Sequence[Interface], queue: int) -> Channel | None:
    """The interfaces at work; None where all are ideal, which saves time."""
    length = max(queue, queue_length(interfaces))
    if not length:
        return None
    sizes = task.obs_dim, task.action_dim
    return Channel(interfaces, *sizes, task.frame_skip, task.timestep, length)


def episode_seed(seed: int, episode: int) -> int:
    """The seed of an environment's `episode`-th episode, 64 bits."""
    sequence = np.random.SeedSequence([int(seed), int(episode)])
    return int(sequence.generate_state(1, np.uint64)[0])


def _bad_actions(actions: Array, ids: Array | None) -> str:
    rows = np.flatnonzero(~np.isfinite(actions).all(axis=1))
    environments = rows if ids is None else np.asarray(ids)[rows]
    return (
        f"the policy's action is not finite in environments {environments.tolist()}: "
        f"{actions[rows[0]].tolist()}"
    )


def _log_to_console() -> None:
    """Keeps MuJoCo from leaving MUJOCO_LOG.TXT in the current folder."""
    config = mujoco.MjLogConfig.get()
    config.logto_file = False
    config.set()
