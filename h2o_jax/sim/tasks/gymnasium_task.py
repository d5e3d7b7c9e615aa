"""Tasks whose episodes run in Gymnasium environments, one object for each."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NoReturn

import gymnasium
import numpy as np
from gymnasium import spaces

from h2o_jax.data.signals import Signal
from h2o_jax.errors import ConfigError
from h2o_jax.sim.tasks.task import Task

Make = Callable[[], gymnasium.Env]
"""Makes one environment."""
_HORIZON = 1000
"""Time limit of an environment that has none."""


@dataclasses.dataclass(frozen=True)
class GymnasiumTask(Task):
    """A task that `worlds.environments` runs; its physics are the environment's own."""

    make: Make | None = None


def registered(name: str) -> Task:
    """The task of an environment that Gymnasium knows by this ID.

    Its time limit becomes the task's horizon.

    Raises:
        ConfigError: no such environment, or its spaces are no boxes.
    """
    try:
        limit = gymnasium.spec(name).max_episode_steps
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        line = " ".join(str(error).split())
        raise ConfigError(f"gymnasium:{name}: {line}") from None
    make = functools.partial(
        gymnasium.make, name, max_episode_steps=-1, disable_env_checker=True
    )
    label = f"gymnasium:{name}"
    return made_by(make, label.replace("/", "_"), limit)


def made_by(make: Make, name: str, limit: int | None = None) -> Task:
    """The task of the environments that a function makes.

    Args:
        make: without arguments. A `TimeLimit` in what it makes counts as time limit.
        name: of results.
        limit: control steps of an episode; None: the environment's, or 1000.

    Raises:
        ConfigError: the function fails, or the spaces are no boxes.
    """
    try:
        env = make()
    except Exception as error:
        kind = type(error).__name__
        raise ConfigError(f"{name}: could not be made, {kind}: {error}") from error
    if not isinstance(env, gymnasium.Env):
        raise ConfigError(
            f"{name}: returns what is no gymnasium.Env ({type(env).__name__}); let it "
            "return the environment"
        )
    box, action = (
        _box(name, kind, space)
        for kind, space in (
            ("observation", env.observation_space),
            ("action", env.action_space),
        )
    )
    if not (np.isfinite(action.low).all() and np.isfinite(action.high).all()):
        raise ConfigError(
            f"{name}: its actions have no finite limits, which [-1, 1] is mapped "
            "onto; wrap it in gymnasium.wrappers.ClipAction or RescaleAction"
        )
    if limit is None and env.has_wrapper_attr("_max_episode_steps"):
        limit = env.get_wrapper_attr("_max_episode_steps")
    limits = np.stack([action.low.ravel(), action.high.ravel()], axis=1).tolist()
    dt = float(getattr(env.unwrapped, "dt", math.nan))
    env.close()
    own = functools.partial(_no_model, name)
    return GymnasiumTask(
        name=name,
        robot=name,
        obs_dim=math.prod(box.shape),
        action_dim=math.prod(action.shape),
        timestep=dt,
        frame_skip=1,
        spec=own,
        reset=own,
        observe=own,
        pose=None,
        terminated=own,
        reward=own,
        horizon=limit or _HORIZON,
        action_signals=tuple(
            Signal(f"action_{i}", low=low, high=high)
            for i, (low, high) in enumerate(limits)
        ),
        make=make,
    )


def _box(name: str, kind: str, space: spaces.Space) -> spaces.Box:
    if not isinstance(space, spaces.Box):
        hint = "; FlattenObservation makes one of it" if kind == "observation" else ""
        raise ConfigError(
            f"{name}: its {kind} space is {type(space).__name__}, give a Box{hint}"
        )
    return space


def _no_model(name: str, *_: Any) -> NoReturn:
    raise ConfigError(
        f"{name}: a Gymnasium environment has no model that could be edited or put "
        "into a logged state; give an MJCF as FILE.py:NAME for that"
    )
