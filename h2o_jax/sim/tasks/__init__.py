"""Tasks by name; `get` explains a typo."""

from h2o_jax.errors import ConfigError
from h2o_jax.sim.tasks.locomotion import LOCOMOTION
from h2o_jax.sim.tasks.task import Motion, Task
from h2o_jax.sim.tasks.wheel_legged import WHEEL_LEGGED

TASKS: dict[str, Task] = {task.name: task for task in (*LOCOMOTION, *WHEEL_LEGGED)}


def get(name: str) -> Task:
    """The task of this name.

    Raises:
        ConfigError: no such task; the message lists all of them.
    """
    if name not in TASKS:
        raise ConfigError(f"unknown task {name!r}; choose from {', '.join(TASKS)}")
    return TASKS[name]


__all__ = ["TASKS", "Motion", "Task", "get"]
