"""Tasks from outside: `FILE.py:NAME` of the user's, or `gymnasium:ID`.

A name stands for a `Task`, or for a function that makes a Gymnasium environment. The
file is run as Python and can do whatever its author wants: name only files that you
trust.
"""

import dataclasses
import functools
import hashlib
import importlib.util
import pathlib
import re
import sys
import traceback
from typing import Any

from h2o_jax.data import files
from h2o_jax.errors import ConfigError
from h2o_jax.sim.tasks import checking, gymnasium_task
from h2o_jax.sim.tasks.task import Task

_GYMNASIUM = "gymnasium:"


def is_place(text: str) -> bool:
    """Whether a text names a task from outside."""
    return ".py:" in text or text.endswith(".py") or text.startswith(_GYMNASIUM)


@functools.cache
def load(text: str) -> Task:
    """The task that a text names; a file is read once in a process.

    Its name gets a digest of the file and of the model, so that results and
    checkpoints of other contents are told apart.

    Args:
        text: `FILE.py:NAME` or `gymnasium:ID`.

    Raises:
        ConfigError: in one line, the file, the finding and the fix.
    """
    if text.startswith(_GYMNASIUM):
        return gymnasium_task.registered(text.removeprefix(_GYMNASIUM))
    path, _, name = text.rpartition(":")
    if not path.endswith(".py") or not name:
        raise ConfigError(f"{text}: give FILE.py:NAME")
    content = files.read_bytes(pathlib.Path(path), files.LARGEST_TEXT, ConfigError)
    found = getattr(_run(path, content), name, None)
    if not isinstance(found, Task) and not callable(found):
        what = "nothing" if found is None else f"a {type(found).__name__}"
        raise ConfigError(
            f"{path}: {name} is {what}; give the name of a Task, such as TASK = "
            "from_mjcf(...), or of a function that makes a Gymnasium environment"
        )
    try:
        if isinstance(found, Task):
            return named(found, content)
        digest = hashlib.sha256(content).hexdigest()[:8]
        return gymnasium_task.made_by(found, f"{name}-{digest}")
    except ConfigError as error:
        raise ConfigError(f"{text}: {error}") from error


def named(task: Task, content: bytes) -> Task:
    """The task, checked, with a digest of its file and model in its name.

    What the model reads of other files, such as meshes, is in it; modules that the
    file imports are not.
    """
    if not re.fullmatch(r"[\w.-]+", task.name):
        raise ConfigError(f"name {task.name!r}: give letters, digits, _, . and -")
    checking.check(task)
    digest = hashlib.sha256(content + task.spec().to_xml().encode())
    model = task.spec().compile()
    # MuJoCo moves a mesh's corners into its own frame.
    for shape in (model.mesh_vert, model.mesh_pos, model.mesh_quat, model.hfield_data):
        digest.update(shape.tobytes())
    return dataclasses.replace(task, name=f"{task.name}-{digest.hexdigest()[:8]}")


def _run(path: str, content: bytes) -> Any:
    """The module that a file makes; its name cannot clash with an import's."""
    alias = f"h2o_jax_file_{hashlib.sha256(content).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(alias, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[alias] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[alias]
        if isinstance(error, ConfigError):
            raise ConfigError(f"{path}: {error}") from error
        lines = [x for x in traceback.extract_tb(error.__traceback__)
                 if x.filename == str(path)]  # fmt: skip
        where = f", line {lines[-1].lineno}" if lines else ""
        kind = type(error).__name__
        raise ConfigError(f"{path}{where}: {kind}: {error}; mend the file") from error
    return module
