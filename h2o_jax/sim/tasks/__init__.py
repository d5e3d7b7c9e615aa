"""Tasks by name, or from a Python file; `get` explains a typo."""

from h2o_jax.errors import check_choice
from h2o_jax.sim.tasks import files
from h2o_jax.sim.tasks.files import is_place
from h2o_jax.sim.tasks.locomotion import LOCOMOTION
from h2o_jax.sim.tasks.mjcf import from_mjcf
from h2o_jax.sim.tasks.task import Motion, Pose, Task
from h2o_jax.sim.tasks.wheel_legged import WHEEL_LEGGED

TASKS: dict[str, Task] = {task.name: task for task in (*LOCOMOTION, *WHEEL_LEGGED)}


def get(name: str) -> Task:
    """The task of this name, of `FILE.py:NAME` or of `gymnasium:ID`.

    Raises:
        ConfigError: no such task; the message lists all of them.
    """
    if is_place(name):
        return files.load(name)
    check_choice("task", name, TASKS, ", or give FILE.py:NAME or gymnasium:ID")
    return TASKS[name]


__all__ = ["TASKS", "Motion", "Pose", "Task", "from_mjcf", "get", "is_place"]
