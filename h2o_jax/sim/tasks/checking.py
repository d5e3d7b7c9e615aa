"""A task that somebody else wrote: does it do what the batched simulator expects?"""

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError
from h2o_jax.sim import motors
from h2o_jax.sim.tasks.task import Array, Motion, Pose, Task, pair

_ROWS = 3
"""Different from every common size, so that a mixed-up axis shows."""


def check(task: Task) -> None:
    """Calls every function of a task once and compares what comes back.

    Raises:
        ConfigError: it names the function, the finding and the fix.
    """
    for name in ("horizon", "frame_skip"):
        steps = getattr(task, name)
        if not isinstance(steps, int | np.integer) or steps < 1:
            raise ConfigError(f"{name} is {steps!r}; give a whole number above 0")
    model = task.spec().compile()
    motors.check(model, task.action_dim)
    if not np.isclose(model.opt.timestep, task.timestep):
        raise ConfigError(
            f"timestep is {task.timestep:g} s, the model's {model.opt.timestep:g} s; "
            "give the same"
        )
    qpos, qvel = _reset(task, model)
    s = _call("observe", task.observe, (_ROWS, task.obs_dim), qpos, qvel)
    over = _call("terminated", task.terminated, (_ROWS,), qpos, qvel)
    if over.dtype != bool:
        raise ConfigError(f"terminated: gives {over.dtype}; give bool")
    command = np.zeros((_ROWS, task.action_dim))
    motion = Motion(qpos, qpos, s, command, s, over)
    _call("reward", task.reward, (_ROWS,), motion)
    _check_memory(task, s)
    if task.pose is not None:
        _check_pose(task, model, s)


def _reset(task: Task, model: mujoco.MjModel) -> tuple[Array, Array]:
    """First states, `[k, nq]` and `[k, nv]`."""
    pairs = []
    for seed in range(_ROWS):
        rng = np.random.default_rng(seed)
        qpos, qvel = pair("reset", _guarded("reset", task.reset, rng, model))
        wanted, found = ((model.nq,), (model.nv,)), (np.shape(qpos), np.shape(qvel))
        if wanted != found:
            raise ConfigError(
                f"reset: gives shapes {found[0]} and {found[1]}; give qpos "
                f"({model.nq},) and qvel ({model.nv},)"
            )
        pairs.append((qpos, qvel))
    qpos, qvel = (np.array(x, float) for x in zip(*pairs, strict=True))
    return qpos, qvel


def _check_memory(task: Task, s: Array) -> None:
    """What a robot integrates from its sensors."""
    memory = np.zeros((_ROWS, task.memory_dim))
    if task.remember is None:
        if task.memory_dim:
            raise ConfigError(
                f"memory_dim is {task.memory_dim}, and nothing remembers; give "
                "remember, too, or 0"
            )
        return
    both = _guarded("remember", task.remember, memory, s.copy())
    memory_, measured = pair("remember", both)
    found, wanted = (np.shape(memory_), np.shape(measured)), (memory.shape, s.shape)
    if found != wanted:
        raise ConfigError(
            f"remember: gives shapes {found[0]} and {found[1]}; give memory "
            f"{wanted[0]} and observations {wanted[1]}"
        )


def _check_pose(task: Task, model: mujoco.MjModel, s: Array) -> None:
    """Observing the state behind an observation gives the observation again."""
    assert task.pose is not None
    if model.na:
        raise ConfigError(
            "pose: actuators with an activation state, which no observation tells; "
            "drop pose"
        )
    pose = _guarded("pose", task.pose, model, s)
    if not isinstance(pose, Pose):
        raise ConfigError(f"pose: gives a {type(pose).__name__}; give a Pose")
    shapes: dict[str, tuple[int, ...]] = {
        "qpos": (_ROWS, model.nq),
        "qvel": (_ROWS, model.nv),
    }
    shapes |= {"memory": (_ROWS, task.memory_dim), "exact": (_ROWS,)}
    for name, shape in shapes.items():
        found = np.shape(getattr(pose, name))
        if found != shape:
            raise ConfigError(f"pose: {name} has shape {found}; give {shape}")
    again = task.observe(np.asarray(pose.qpos), np.asarray(pose.qvel))
    # What is remembered, such as odometry, is no part of a bare observation.
    wrong = ~np.isclose(again, s, atol=1e-6).all(axis=0)
    if task.remember is None and wrong.any():
        raise ConfigError(
            f"pose: the state behind an observation is observed as another one in "
            f"s[{int(np.flatnonzero(wrong)[0])}]; make observe(pose(s)) equal s"
        )


def _call(
    name: str, function: Callable[..., Any], shape: tuple[int, ...], *given: Any
) -> Array:
    result = np.asarray(_guarded(name, function, *given))
    if result.shape != shape:
        raise ConfigError(f"{name}: gives shape {result.shape}; give {shape}")
    if not np.isfinite(result).all():
        raise ConfigError(f"{name}: not finite in first states")
    return result


def _guarded(name: str, function: Callable[..., Any], *given: Any) -> Any:
    """Calls a function of the user's; what it raises becomes one line."""
    try:
        return function(*given)
    except ConfigError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise ConfigError(f"{name}: raised {kind}: {error}") from error
