"""Drafts a columns file from the names of a log's columns."""

import re
from collections.abc import Iterable

import numpy as np

from h2o_jax.data import frames, toml
from h2o_jax.data.columns_file import NONE, TASK
from h2o_jax.data.frames import Frame
from h2o_jax.errors import DatasetError

_WORDS = {
    "time": r"(time|timestamp|stamp|t|log_?time)(_?(ns|us|ms|s|sec))?|.*timestamp.*",
    "episode": r"(episode|trial|run|rollout|flight)(_?(index|id|number))?",
    "reward": r"(next\.)?rewards?|r",
    "terminal": r"(next\.)?(done|terminals?|terminated|fell|fallen|crash(ed)?)",
    "timeout": r"timeouts?|truncat(ed|ions?)",
}
_ACTION = (
    r"(^|[./_ ])(act(?=[._]?\d|$)|actions?|cmd|command|target|torque|tau|effort|u"
    r"|control|ctrl|pwm|servo|throttle|duty|thrust)([._ ]|\d|$)"
)
_OFF_CENTRE = 0.2
"""Middle of what was seen of an action, over its bound, from which limits are not
taken as symmetric."""
_UNUSED = r"(frame_?index|task_?index|index|seq|id)$"


def draft(frame: Frame, name: str) -> str:
    """The text of a columns file, each guess marked for a person to check.

    Args:
        frame: the log.
        name: of the log, for the first line.
    """
    numbers = [k for k, v in frame.columns.items() if v.dtype.kind in "biuf"]
    roles: dict[str, str] = {}
    for role, words in _WORDS.items():
        usable = frame.columns if role in ("time", "episode") else numbers
        found = [x for x in usable if re.fullmatch(words, x.strip(), re.IGNORECASE)]
        if found and found[0] not in roles.values():
            roles[role] = found[0]
    rest = [
        x
        for x in numbers
        if x not in roles.values() and not re.search(_UNUSED, x, re.IGNORECASE)
    ]
    actions = [x for x in rest if re.search(_ACTION, x, re.IGNORECASE)]
    observations = [x for x in rest if x not in actions]
    lines = [f"# Columns of {name}, guessed from their names: check every line."]
    rate = _rate(frame, roles.get("time"))
    if rate is None:
        roles.pop("time", None)  # it tells nothing
    else:
        lines.append(f"rate = {rate:.4g}  # rows per second")
    lines += [f"{k} = {toml.text(roles[k])}" for k in ("time", "episode") if k in roles]
    lines.append(f"reward = {toml.text(roles.get('reward', TASK))}  # a column or task")
    terminal = roles.get("terminal", NONE)
    lines.append(f"terminal = {toml.text(terminal)}  # a column, task or none")
    if "timeout" in roles:
        lines.append(f"timeout = {toml.text(roles['timeout'])}")
    lines.append("# latency = 0.02  # seconds until an action acts, if you know them")
    lines += _entries(frame, "observations", observations)
    lines += _entries(frame, "actions", actions)
    if not actions:
        lines += ["", "# No column looks like an action: move them to [[actions]]."]
    return "\n".join(lines) + "\n"


def _entries(frame: Frame, kind: str, names: Iterable[str]) -> list[str]:
    lines = []
    for name in names:
        values = frame.columns[name].astype(float)
        if np.isnan(values).all():
            lines += ["", f"# {toml.text(name)} has no number in any row: left out."]
            continue
        low, high = np.nanmin(values), np.nanmax(values)
        unit = toml.text(frame.units.get(name, ""))
        lines += ["", f"[[{kind}]]", f"column = {toml.text(name)}", f"unit = {unit}"]
        if kind == "actions":
            seen = f"# seen: {low:.6g} to {high:.6g}; give the robot's limits"
            low, high = _limits(float(low), float(high))
            lines += [f"low = {low:.6g}  {seen}", f"high = {high:.6g}"]
    return lines


def _limits(low: float, high: float) -> tuple[float, float]:
    """Limits of an action of which so much was seen: symmetric, unless that is not.

    A little more, so that six digits do not cut off what was seen.
    """
    bound = max(abs(low), abs(high)) or 1.0
    margin = 1e-5 * bound
    if high > low and abs(low + high) / 2 > _OFF_CENTRE * bound:
        return low - margin, high + margin
    return -bound - margin, bound + margin


def _rate(frame: Frame, time: str | None) -> float | None:
    """Rows per second, where a column of times tells."""
    if time is None:
        return None
    try:
        steps = np.diff(frames.seconds(frame, time))
    except DatasetError:  # such as the time of a day
        return None
    steps = steps[steps > 0]
    return float(1 / np.median(steps)) if len(steps) else None
