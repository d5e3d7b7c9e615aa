"""Simulated tasks: a model, its observations, rewards and terminations.

A task is data over plain functions of arrays, so that `World` steps any of them
without knowing which. `k` counts the environments of one call, `nq` and `nv` the
positions and velocities of the MuJoCo model, `O` observations, `A` actions, `m`
numbers of memory.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
import mujoco
import numpy as np

from h2o_jax.data.signals import Signal
from h2o_jax.errors import ConfigError
from h2o_jax.sim.interface import Interface

Array = np.ndarray


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


class Motion(NamedTuple):
    """One control step of `k` environments, as a reward sees it (all float64)."""

    qpos_tm1: Array
    """`[k, nq]` positions before the step."""
    qpos_t: Array
    """`[k, nq]` positions after it."""
    s_tm1: Array
    """`[k, O]` what the policy saw, sensor noise and memory included."""
    command: Array
    """`[k, A]` control signals of the motors; times gain and gear they are N m."""
    s_t: Array
    """`[k, O]` what the policy sees next."""
    terminated: Array
    """`[k]` whether the step ended the episode."""


class Pose(NamedTuple):
    """The simulator's state behind `k` observations."""

    qpos: Array
    """`[k, nq]` positions; those that no observation tells are any that fit."""
    qvel: Array
    """`[k, nv]` velocities."""
    memory: Array
    """`[k, m]`."""
    exact: Array
    """`[k]` bool, false where the observation lost something, such as clipped speed."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A robot, its episodes and its reward."""

    name: str
    robot: str
    """The body, which gaps are defined for; versions of a task share it."""
    obs_dim: int
    action_dim: int
    timestep: float
    """Physics step in seconds."""
    frame_skip: int
    """Physics steps per control step."""
    spec: Callable[[], mujoco.MjSpec]
    """A fresh, editable model."""
    reset: Callable[[np.random.Generator, mujoco.MjModel], tuple[Array, Array]]
    """`(rng, model) -> qpos [nq], qvel [nv]` of one environment's new episode."""
    observe: Callable[[Array, Array], Array]
    """`(qpos [k, nq], qvel [k, nv]) -> [k, O]`, a new array, before any sensor."""
    pose: Callable[[mujoco.MjModel, Array], Pose] | None
    """`(model, s [k, O]) ->` a state that is observed as `s`; None: there is no
    way."""
    terminated: Callable[[Array, Array], Array]
    """`(qpos [k, nq], qvel [k, nv]) -> [k]` bool, from the true state."""
    reward: Callable[[Motion], Array]
    """`motion -> [k]`."""
    memory_dim: int = 0
    """Numbers of memory `m` per environment; zero at each reset."""
    remember: Callable[[Array, Array], tuple[Array, Array]] | None = None
    """`(memory [k, m], measured [k, O]) -> (memory, s_t)` after every control step.

    For quantities that a robot integrates from its sensors, such as odometry; it
    may change `measured` in place.
    """
    interface: Interface = dataclasses.field(default_factory=Interface)
    """The interface of the unmodified robot."""
    horizon: int = 1000
    """Control steps after which an episode is cut, which is no terminal state."""
    evaluation_seconds: float | None = None
    """Simulated time after which an evaluation is cut; None: at the horizon."""
    references: Mapping[str, tuple[float, float]] = dataclasses.field(
        default_factory=dict, hash=False
    )
    """Returns of a random and of an expert policy, by the real system's gap as text."""
    observation_signals: tuple[Signal, ...] = ()
    """`[O]` names and units for whoever uses a policy; empty: nobody has said them."""
    action_signals: tuple[Signal, ...] = ()
    """`[A]` the same of actions, in actuator units; empty: as the model has it."""
    medium_return: float | None = None
    """Return at which D4RL's recipe stops training for its medium logs."""

    @property
    def dt(self) -> float:
        """Seconds per control step."""
        return self.timestep * self.frame_skip

    def normalised(self, total: float | Array, real: str = "none") -> float | Array:
        r"""The score of an unscaled return, as D4RL and ODRL publish it.

        .. math:: 100 \, (J - J_{random}) / (J_{expert} - J_{random})

        Args:
            total: J.
            real: how the real system differs from the stock model, a key of
                `references`.

        Raises:
            ConfigError: there are no reference returns.
        """
        if real not in self.references:
            raise ConfigError(f"{self.name}, real {real}: no returns to score against")
        random, expert = self.references[real]
        return 100.0 * (total - random) / (expert - random)


def pair(name: str, values: Any) -> tuple[Array, Array]:
    """`qpos` and `qvel` as a function of the user's gives them.

    Args:
        name: of the function.
        values: what it gives.

    Raises:
        ConfigError: these are not two.
    """
    try:
        qpos, qvel = values
    except (TypeError, ValueError):
        what = f"a {type(values).__name__}"
        if isinstance(values, tuple | list):
            what += f" of {len(values)}"
        raise ConfigError(f"{name}: gives {what}; give two, qpos and qvel") from None
    return qpos, qvel


def gymnasium_spec(file: str, sha256: str) -> mujoco.MjSpec:
    """A model that the installed Gymnasium brings along, read only.

    Args:
        file: name inside Gymnasium's folder of MuJoCo assets.
        sha256: digest of the file that our observations and rewards were made for.

    Raises:
        ConfigError: the file is missing or another one, because another version of
            Gymnasium is installed.
    """
    root = pathlib.Path(gymnasium.__file__).parent
    path = root / "envs" / "mujoco" / "assets" / file
    text = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(text).hexdigest() != sha256:
        raise ConfigError(
            f"{file} of the installed gymnasium {gymnasium.__version__} is not the "
            "model that h2o_jax knows; install gymnasium 1.4.0"
        )
    return mujoco.MjSpec.from_string(text.decode())
