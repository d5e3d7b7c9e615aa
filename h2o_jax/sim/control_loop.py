"""The way from a policy's actions to the physics, and back to what the policy sees."""

import math
from collections.abc import Sequence

import numpy as np

from h2o_jax.errors import DivergenceError
from h2o_jax.sim.interface import Channel, Draws, Interface
from h2o_jax.sim.physics import Physics
from h2o_jax.sim.tasks.task import Array, Task


class ControlLoop:
    """The interfaces of `n` environments in front of their physics.

    Where every interface is ideal there is none, which saves time.
    """

    def __init__(
        self, task: Task, physics: Physics, interfaces: Sequence[Interface], queue: int
    ):
        """Connects them.

        Args:
            task: what all environments do.
            physics: of all environments.
            interfaces: `n`, one per environment.
            queue: least number of commands that are remembered.
        """
        self._task, self._physics = task, physics
        self._channel: Channel | None = None
        length = max(queue, queue_length(interfaces))
        if length:
            sizes = task.obs_dim, task.action_dim, task.frame_skip, task.timestep
            self._channel = Channel(interfaces, *sizes, length)

    @property
    def queue(self) -> Array | None:
        """`[n, L, A]` ring of the last commands; None where interfaces are ideal."""
        return None if self._channel is None else self._channel.queue

    def change(self, i: int, interface: Interface) -> None:
        """Gives an environment another latency and action noise."""
        if self._channel is not None:
            self._channel.change(i, interface)

    def begin(self, ids: Array, seeds: Array) -> Draws | None:
        """Lets action 0 wait in queues; random numbers of their first observation.

        Args:
            ids: `[k]` environments.
            seeds: `[k]` of the episodes that begin.
        """
        if self._channel is None:
            return None
        self._channel.queue[ids] = self._rest(ids)[:, None]
        return self._channel.draws(ids, seeds, np.zeros(len(ids), int))

    def fill(self, waiting: Sequence[Array]) -> None:
        """Lets earlier actions `[n, A]`, the oldest first, wait behind action 0."""
        if self._channel is None:
            return
        queue = self._channel.queue
        queue[:] = self._rest(slice(None))[:, None]
        for ago, actions in enumerate(reversed(waiting), start=1):
            command = self._physics.command(actions, slice(None))
            queue[:, -ago % queue.shape[1]] = command

    def _rest(self, rows: Array | slice) -> Array:
        """`[k, A]` the commands of action 0: the middle of each motor's range."""
        none = np.zeros((len(self._physics.models), self._task.action_dim))
        return self._physics.command(none[rows], rows)

    def act(
        self, actions: Array, ids: Array | None, age: Array, seeds: Array
    ) -> tuple[Array, Draws | None]:
        """Steps the physics for one control period.

        Args:
            actions: `[k, A]`.
            ids: `[k]` environments, or None for all.
            age: `[n]` control steps since the reset.
            seeds: `[n]` of the episodes.

        Returns:
            `[k, A]` what was commanded, and the random numbers of the observation.

        Raises:
            DivergenceError: an action is not finite; nothing was stepped.
        """
        # The product is fast, and overflows for large numbers that are still finite.
        product = np.vdot(actions, actions)
        if not (math.isfinite(product) or np.isfinite(actions).all()):
            raise DivergenceError(_bad_actions(actions, ids))
        physics, channel = self._physics, self._channel
        if channel is None:
            command = physics.command(actions, slice(None) if ids is None else ids)
            physics.move(command, ids)
            return command, None
        ids = np.arange(len(age)) if ids is None else np.asarray(ids)
        draws = channel.draws(ids, seeds[ids], age[ids] + 1)
        command = physics.command(channel.disturb(actions, draws, ids), ids)
        delivered = channel.deliver(command, age[ids], ids)
        substeps = channel.substeps(draws, ids)
        if channel.pushes:
            # Body 0 is the floor, body 1 a robot's root.
            physics.force[ids, 1, 0] = channel.push(draws, substeps, ids)
        physics.move_unevenly(delivered, ids, substeps)
        return command, draws

    def sense(self, qpos: Array, qvel: Array, draws: Draws | None, ids: Array) -> Array:
        """Observations `[k, O]` of states, through the sensors of `ids [k]`."""
        # A copy: an observation may be a view of the state, which goes on.
        s_t = np.array(self._task.observe(qpos, qvel))
        if self._channel is None or draws is None:
            return s_t
        return self._channel.sense(s_t, draws, ids)


def queue_length(interfaces: Sequence[Interface]) -> int:
    """Commands that environments with these interfaces remember; 0 if all are ideal."""
    if all(interface == Interface() for interface in interfaces):
        return 0
    return 1 + max(interface.latency for interface in interfaces)


def _bad_actions(actions: Array, ids: Array | None) -> str:
    rows = np.flatnonzero(~np.isfinite(actions).all(axis=1))
    environments = rows if ids is None else np.asarray(ids)[rows]
    return (
        f"the policy's action is not finite in environments {environments.tolist()}: "
        f"{actions[rows[0]].tolist()}"
    )
