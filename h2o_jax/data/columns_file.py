"""A columns file: what the columns of a robot's log mean, as TOML.

.. code-block:: toml

    rate = 50.0              # rows per second
    time = "stamp"           # optional: seconds, nanoseconds or ISO dates
    episode = "episode"      # optional: another value begins another episode
    gap = 0.5                # optional: seconds without a row end an episode, too
    reward = "reward"        # a column, or "task" for the task's own reward
    terminal = "fell"        # a column of 0 and 1, or "task", or "none"
    timeout = "cut"          # optional, a column of 0 and 1
    latency = 0.02           # optional: seconds until an action acts

    [[observations]]         # in the order of the task
    column = "pitch"
    unit = "rad"             # low and high are optional here

    [[actions]]
    column = "torque_0..torque_1"
    unit = "N m"
    low = -3.0               # what the actions -1 and 1 of a policy stand for
    high = 3.0

`column` may list several, as in `--columns`. `experiments.inspect` drafts the file.
"""

import dataclasses
from typing import Any

from h2o_jax import settings
from h2o_jax.data import tables, toml
from h2o_jax.data.signals import Signal
from h2o_jax.errors import ConfigError
from h2o_jax.settings import Range

TASK, NONE = "task", "none"
_TEXTS = ("time", "episode", "reward", "terminal", "timeout")
_INSTEAD = {"reward": (TASK,), "terminal": (TASK, NONE)}
"""What these may be instead of a column."""
_NUMBERS = ("rate", "gap", "latency")
_LABELS, _LIMITS = ("column", "unit"), ("low", "high")


@dataclasses.dataclass(frozen=True)
class ColumnsFile:
    """What the columns of a log mean."""

    observations: tuple[Signal, ...]
    """Named by their columns."""
    actions: tuple[Signal, ...]
    """With the limits that -1 and 1 stand for."""
    rate: float | None = None
    """Rows per second."""
    time: str = ""
    episode: str = ""
    gap: float | None = None
    """Seconds without a row that end an episode."""
    reward: str = TASK
    """A column, or `task`."""
    terminal: str = TASK
    """A column, `task` or `none`."""
    timeout: str = ""
    latency: float | None = None
    """Seconds until an action acts; None: as was identified, or the task's own."""
    path: str = ""
    """Where it was read."""

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """`low [A]` and `high [A]` of the actions."""
        low, high = zip(*((x.low, x.high) for x in self.actions), strict=True)
        return low, high

    @property
    def columns(self) -> list[str]:
        """Every column that is read, once."""
        named = (self.time, self.episode, self.reward, self.terminal, self.timeout)
        signals = (*self.observations, *self.actions)
        names = [*named, *(x.name for x in signals)]
        return [x for x in dict.fromkeys(names) if x not in ("", TASK, NONE)]


def read(path: str) -> ColumnsFile:
    """Reads and checks a columns file.

    Raises:
        ConfigError: in one line, the file, the finding and the fix.
    """
    content = toml.read(path)
    known = (*_TEXTS, *_NUMBERS, "observations", "actions")
    for name, value in content.items():
        if name not in known:
            raise _bad(path, f"{name!r} is unknown; use {', '.join(known)}")
        if name in _TEXTS:
            _check_text(path, name, value)
        if name in _NUMBERS:
            _check_number(path, name, value)
    for kind in ("observations", "actions"):
        if not isinstance(content.get(kind), list) or not content[kind]:
            raise _bad(path, f"no [[{kind}]]; list them in the order of the task")
    observations, actions = (
        tuple(y for x in content.pop(kind) for y in _signals(path, kind, x))
        for kind in ("observations", "actions")
    )
    for x in actions:
        if x.low is None or x.high is None or not x.low < x.high:
            finding = f"action {x.name} has limits {x.low} and {x.high}"
            raise _bad(path, f"{finding}; give low < high, what -1 and 1 stand for")
    file = ColumnsFile(observations, actions, path=str(path), **content)
    _check_once(file)
    return file


def _check_once(file: ColumnsFile) -> None:
    names = [x.name for x in (*file.observations, *file.actions)]
    names += filter(None, (file.time, file.episode))
    for name in names:
        if names.count(name) > 1:
            raise _bad(file.path, f"column {name} is named twice; name it once")


def _check_text(path: str, name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise _bad(path, f"{name} = {value!r} is no text; name a column")
    if value in (TASK, NONE) and value not in _INSTEAD.get(name, ()):
        raise _bad(path, f"{name} = {value!r}; name a column, or leave it out")


def _check_number(path: str, name: str, value: Any) -> None:
    allowed = settings.NOT_NEGATIVE if name == "latency" else settings.POSITIVE
    if not _is_number(value, allowed):
        raise _bad(path, f"{name} = {value!r}; give a number {allowed.text}")


def _is_number(value: Any, allowed: Range = settings.ANY) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and allowed.contains(value)


def _signals(path: str, kind: str, entry: Any) -> list[Signal]:
    """The signals of one `[[...]]` entry, which may span several columns."""
    if not isinstance(entry, dict) or not isinstance(entry.get("column"), str):
        raise _bad(path, f"a [[{kind}]] without column; name it")
    for key, value in entry.items():
        if key not in (*_LABELS, *_LIMITS):
            known = ", ".join((*_LABELS, *_LIMITS))
            raise _bad(path, f"{kind}: {key!r} is unknown; use {known}")
        if key in _LABELS and not isinstance(value, str):
            raise _bad(path, f"{kind}: {key} = {value!r}; give text")
        if key in _LIMITS and not _is_number(value):
            raise _bad(path, f"{kind}: {key} = {value!r}; give a finite number")
    for part in entry["column"].split(","):
        if not part.strip() or not tables.span(part.strip()):
            said = f"{kind}: column = {entry['column']!r} has {part.strip()!r}"
            raise _bad(path, f"{said}, which names none; give names, or q_0..q_2")
    rest = {k: v for k, v in entry.items() if k != "column"}
    return [Signal(name, **rest) for name in spread(entry["column"])]


def spread(spec: str) -> list[str]:
    """`"x, q_0..q_2"` as `x`, `q_0`, `q_1`, `q_2`."""
    return [name for part in spec.split(",") for name in tables.span(part.strip())]


def _bad(path: str, message: str) -> ConfigError:
    return ConfigError(f"{path}: {' '.join(message.split())}")
