"""The interface between policy and physics: noise, delays, imperfect sensors.

An `Interface` lists the imperfections of one environment; a `Channel` applies the
interfaces of `n` environments at once. Its random numbers are a function of
`(episode seed, control step)`, so that a restored run continues exactly and a fixed
evaluation seed gives the same noise every time.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from h2o_jax.errors import ConfigError

Array = np.ndarray
_BLOCK = 64
"""Control steps whose random numbers are drawn at once, as a call for each is slow."""


@dataclasses.dataclass(frozen=True)
class Interface:
    """The interface of one environment; ideal by default."""

    action_noise: float = 0.0
    """Std of the normal noise added to actions, which lie in [-1, 1]."""
    latency: int = 0
    """Control steps that a command waits before it reaches the motors."""
    strength: float = 1.0
    """Share of a command that the motors deliver; rewards count the whole command."""
    substeps: tuple[int, int] | None = None
    """Fewest and most physics steps of a control period, uniform; None: the task's."""
    stall_probability: float = 0.0
    """Chance per control step that the loop stalls; the torque stays constant."""
    stall_seconds: tuple[float, float] = (0.0, 0.0)
    """Shortest and longest stall, uniform, added to the control period."""
    sensor_noise: tuple[float, ...] = ()
    """Std of the normal noise on each observation; empty for none."""
    sensor_quantum: tuple[float, ...] = ()
    """Step to which each observation is rounded, 0 for none; empty for none at all."""
    push_probability: float = 0.0
    """Chance per control step that the robot is pushed."""
    push_impulse: float = 0.0
    """N s along +x or -x on the root body, spread over the control period."""

    def __post_init__(self) -> None:
        """Checks ranges.

        Raises:
            ConfigError: a value is out of range.
        """
        low, high = self.substeps or (1, 1)
        short, long = self.stall_seconds
        sensors = (*self.sensor_noise, *self.sensor_quantum)
        checks = {
            "action_noise must be finite and >= 0": 0 <= self.action_noise < np.inf,
            "latency must be >= 0 control steps": self.latency >= 0,
            "strength must be finite": np.isfinite(self.strength),
            "substeps must be 1 <= fewest <= most": 1 <= low <= high,
            "stall_probability must lie in [0, 1]": 0 <= self.stall_probability <= 1,
            "push_probability must lie in [0, 1]": 0 <= self.push_probability <= 1,
            "push_impulse must be finite": np.isfinite(self.push_impulse),
            "stall_seconds must be 0 <= shortest <= longest": 0
            <= short
            <= long
            < np.inf,
            "sensor noise and quanta must be finite and >= 0": all(
                0 <= x < np.inf for x in sensors
            ),
        }
        for rule, holds in checks.items():
            if not holds:
                raise ConfigError(f"interface: {rule}, got {self}")


class Draws(NamedTuple):
    """The random numbers of one control step of `k` environments."""

    action: Array
    """`[k, A]` standard normals."""
    sensor: Array
    """`[k, O]` standard normals."""
    uniform: Array
    """`[k, 5]` in [0, 1): control period, whether it stalls, for how long, whether
    it is pushed, which way."""


class Channel:
    """The interfaces of `n` environments, as arrays.

    Every method takes `ids [k]`, the environments it is about.
    """

    def __init__(
        self,
        interfaces: Sequence[Interface],
        obs_dim: int,
        action_dim: int,
        frame_skip: int,
        timestep: float,
        queue: int = 0,
    ):
        n = len(interfaces)
        self._sizes = (action_dim, obs_dim)
        self._action_noise = np.array([[i.action_noise] for i in interfaces])
        self._latency = np.array([i.latency for i in interfaces])
        self._strength = np.array([[i.strength] for i in interfaces])
        self._substeps = np.array(
            [i.substeps or (frame_skip, frame_skip) for i in interfaces]
        )
        self._stalls = np.array([i.stall_probability for i in interfaces])
        self._stall_substeps = np.rint(
            np.array([i.stall_seconds for i in interfaces]) / timestep
        ).astype(int)
        self._pushes = np.array([i.push_probability for i in interfaces])
        self._impulse = np.array([i.push_impulse for i in interfaces])
        self.pushes = bool(np.any(self._pushes * self._impulse))
        """Whether any environment is ever pushed."""
        self._timestep = timestep
        self._noise = np.stack(
            [_per_sensor(i.sensor_noise, obs_dim) for i in interfaces]
        )
        self._quantum = np.stack(
            [_per_sensor(i.sensor_quantum, obs_dim) for i in interfaces]
        )
        length = max(self._latency.max() + 1, queue)
        self.queue = np.zeros((n, length, action_dim))
        """`[n, L, A]` ring of the last commands; the only state of a channel."""
        self._normals = np.zeros((n, _BLOCK, action_dim + obs_dim))
        self._uniforms = np.zeros((n, _BLOCK, 5))
        self._drawn_seed = np.zeros(n, np.uint64)
        self._drawn_block = np.full(n, -1)

    def change(self, i: int, interface: Interface) -> None:
        """Gives an environment another latency and action noise."""
        self._latency[i], self._action_noise[i] = (
            interface.latency,
            interface.action_noise,
        )

    def draws(self, ids: Array, seeds: Array, step: Array) -> Draws:
        """Random numbers of the control steps that end at `step`.

        Args:
            ids: `[k]` environments.
            seeds: `[k]` uint64 seeds of their episodes.
            step: `[k]` control steps since the reset; 0 for the reset itself.
        """
        block, row = step // _BLOCK, step % _BLOCK
        stale = (self._drawn_block[ids] != block) | (self._drawn_seed[ids] != seeds)
        for j in np.flatnonzero(stale):
            i = ids[j]
            # The reset itself draws with the seed alone; the second number makes
            # these draws independent of it.
            rng = np.random.default_rng([int(seeds[j]), 1 + int(block[j])])
            self._normals[i] = rng.standard_normal(self._normals.shape[1:])
            self._uniforms[i] = rng.random(self._uniforms.shape[1:])
            self._drawn_seed[i], self._drawn_block[i] = seeds[j], block[j]
        normals, actions = self._normals[ids, row], self._sizes[0]
        return Draws(
            normals[:, :actions], normals[:, actions:], self._uniforms[ids, row]
        )

    def disturb(self, actions: Array, draws: Draws, ids: Array) -> Array:
        """Actions `[k, A]` with the interface's noise, not yet clipped."""
        return actions + self._action_noise[ids] * draws.action

    def deliver(self, command: Array, step: Array, ids: Array) -> Array:
        """What reaches the motors, `[k, A]`: commands of `latency` steps ago.

        Times `strength`; before the first, what the queue was filled with.
        """
        length = self.queue.shape[1]
        self.queue[ids, step % length] = command
        delayed = self.queue[ids, (step - self._latency[ids]) % length]
        return self._strength[ids] * delayed

    def substeps(self, draws: Draws, ids: Array) -> Array:
        """Physics steps `[k]` of this control period, a possible stall included."""
        period = _uniform_integers(self._substeps[ids], draws.uniform[:, 0])
        stall = _uniform_integers(self._stall_substeps[ids], draws.uniform[:, 2])
        return period + stall * (draws.uniform[:, 1] < self._stalls[ids])

    def push(self, draws: Draws, substeps: Array, ids: Array) -> Array:
        """Horizontal force `[k]` in N on the root body during the control period."""
        impulse = np.where(draws.uniform[:, 4] < 0.5, -1, 1) * self._impulse[ids]
        pushed = draws.uniform[:, 3] < self._pushes[ids]
        return pushed * impulse / (substeps * self._timestep)

    def sense(self, observations: Array, draws: Draws, ids: Array) -> Array:
        """Observations `[k, O]` as the sensors report them: noise, then rounding."""
        noisy = observations + self._noise[ids] * draws.sensor
        quantum = self._quantum[ids]
        rounded = np.rint(noisy / np.where(quantum, quantum, 1.0)) * quantum
        return np.where(quantum > 0, rounded, noisy)


def _per_sensor(values: tuple[float, ...], obs_dim: int) -> Array:
    if values and len(values) != obs_dim:
        raise ConfigError(
            f"interface: {len(values)} sensor values for {obs_dim} observations"
        )
    return np.array(values or np.zeros(obs_dim), float)


def _uniform_integers(bounds: Array, uniform: Array) -> Array:
    """Integers `[k]`, uniform between `bounds [k, 2]`, ends included."""
    low, high = bounds[:, 0], bounds[:, 1]
    return low + (uniform * (high - low + 1)).astype(int)
