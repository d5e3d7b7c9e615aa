"""A robot's log with a columns file, as D4RL's columns.

A row of the log is an observation and the action that was chosen for it; the successor
is the next row, unless an episode ends or time jumps in between. A row without its
successor is left out; one that is terminal needs none.
"""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from h2o_jax.data import files, frames, validation
from h2o_jax.data.columns_file import NONE, TASK, ColumnsFile
from h2o_jax.data.frames import Ask, Frame
from h2o_jax.errors import ConfigError

Judge = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""`(s [n, O], a [n, A] in [-1, 1], s' [n, O]) -> rewards [n], terminals [n]`."""
GAP = 1.5
"""Periods without a row that are a jump in time, where no gap is given."""
_SAME_RATE = 0.1
"""Largest difference of a stated rate and the stamps', relative."""
_SORTED = 0.25
"""Share of rows after which time goes backwards that tells a log in no order: half of
them do then, and one an episode where clocks begin anew."""
BROKEN = "of the rows are not followed by their successor"
"""What audit and doctor call a jump in time."""


class Rows(NamedTuple):
    """The columns of a log that a columns file names."""

    observations: np.ndarray
    """`[N, O]`."""
    actions: np.ndarray
    """`[N, A]`, in the robot's units."""
    seconds: np.ndarray | None
    """`[N]` since the first row; None without a column of times."""
    ends: np.ndarray
    """`[N]` whether the next row is of another episode; the last row ends one."""
    cuts: np.ndarray
    """`[N]` ends by episode or time limit; those by a terminal flag alone left out."""
    frame: Frame


def rows(path: pathlib.Path, file: ColumnsFile) -> Rows:
    """Reads the columns that a columns file names.

    Raises:
        DatasetError: the log has no such column, or one of them is of no use.
    """
    frame = frames.read(path, Ask(file.columns, file.rate))
    for name in file.columns:
        if name not in frame.columns:
            listed = ", ".join(list(frame.columns)[:12])
            raise files.fail(
                path, f"no column {name} (found {listed}); mend {file.path}"
            )
    observations, actions = (
        np.stack(frames.numbers(path, frame, [x.name for x in signals]), axis=1)
        for signals in (file.observations, file.actions)
    )
    if file.reward != TASK:
        frames.numbers(path, frame, [file.reward])
    count = len(observations)
    ends = np.append(np.zeros(count - 1, bool), True)
    if file.episode:
        episode = frame.columns[file.episode]
        ends[:-1] |= episode[1:] != episode[:-1]
    if file.timeout:
        ends |= _flags(path, frame, file.timeout)
    cuts = ends.copy()
    if file.terminal not in (TASK, NONE):
        ends |= _flags(path, frame, file.terminal)
    time = frames.seconds(frame, file.time, file.rate) if file.time else None
    return Rows(observations, actions, time, ends, cuts, frame)


def period(log: Rows) -> float | None:
    """Median seconds from row to row within episodes; None where no time tells."""
    if log.seconds is None:
        return None
    steps = np.diff(log.seconds)[~log.ends[:-1]]
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else None


def contradiction(log: Rows, file: ColumnsFile) -> str | None:
    """What the stamps say against the log's order or the file's rate, if anything."""
    inside = ~log.ends[:-1]
    if log.seconds is not None and inside.any():
        back = np.mean(np.diff(log.seconds)[inside] < 0)
        if back > _SORTED:
            by = f"{file.episode} and {file.time}" if file.episode else file.time
            return f"{file.time} goes back after {back:.0%} of the rows; sort by {by}"
    step = period(log)
    if not step or not file.rate or abs(step * file.rate - 1) <= _SAME_RATE:
        return None
    return (
        f"{file.path} says rate = {file.rate:g}, its stamps are {1 / step:.4g} rows "
        "per second; mend rate or the unit of time"
    )


def read(
    path: pathlib.Path, file: ColumnsFile, judge: Judge | None
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """D4RL's columns of a log, and notes.

    Args:
        path: the log.
        file: what its columns mean.
        judge: the task's rewards and terminals, for a file that leaves them to it.

    Raises:
        DatasetError: a column is missing or of no use, or hardly a row is left.
        ConfigError: the task is to judge, and cannot.
    """
    log = rows(path, file)
    if against := contradiction(log, file):
        raise files.fail(path, against)
    jumps = _jumps(log, file)
    ends = log.ends | jumps
    count, alive = len(ends), ~ends
    terminal = np.zeros(count, bool)
    if file.terminal not in (TASK, NONE):
        terminal = _flags(path, log.frame, file.terminal)
    kept = alive | terminal
    if not kept.any():
        rate = ", rate" if file.rate else ""
        raise files.fail(
            path,
            f"no row is followed by its successor; check episode, time{rate} and gap "
            f"in {file.path}",
        )
    following = np.append(np.arange(1, count), count - 1)
    successor = np.where(terminal, np.arange(count), following)
    table = {
        "observations": log.observations[kept],
        "actions": log.actions[kept],
        "next_observations": log.observations[successor][kept],
        "terminals": terminal[kept],
    }
    if file.reward != TASK:
        table["rewards"] = log.frame.columns[file.reward][kept]
    if TASK in (file.reward, file.terminal):
        rewards, fell = _judged(table, file, judge)
        if file.reward == TASK:
            table["rewards"] = rewards
        if file.terminal == TASK:
            table["terminals"] = fell
    by_task = file.terminal == TASK
    lies = _lies(table["terminals"] != 0, np.flatnonzero(kept), log.cuts, by_task)
    table = {name: column[~lies] for name, column in table.items()}
    kept[kept] = ~lies
    _check_finite(path, file, log, kept, successor)
    _check_limits(path, file, table["actions"])
    # Kept rows are adjacent in a sequence; the last before an end is cut there.
    last = np.append(np.diff(np.flatnonzero(kept)) > 1, True)
    table["timeouts"] = last & (table["terminals"] == 0)
    notes = _notes(kept, int(lies.sum()), jumps & ~log.ends)
    return table, (*log.frame.notes, *notes)


def _judged(
    table: dict[str, np.ndarray], file: ColumnsFile, judge: Judge | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and terminals by the task."""
    if judge is None:
        finding = f"{file.path}: leaves rewards or terminals to the task"
        raise ConfigError(f"{finding}, and there is none; name columns")
    scaled = np.clip(_scaled(table["actions"], file), -1, 1)
    return judge(table["observations"], scaled, table["next_observations"])


def _scaled(actions: np.ndarray, file: ColumnsFile) -> np.ndarray:
    """Actions with -1 and 1 where the file's limits are."""
    low, high = (np.array(x) for x in file.bounds)
    scaled: np.ndarray = 2 * (actions - low) / (high - low) - 1
    return scaled


def _check_finite(
    path: pathlib.Path,
    file: ColumnsFile,
    log: Rows,
    kept: np.ndarray,
    successor: np.ndarray,
) -> None:
    """Refuses a value that is used and is not finite, by its column and its row."""
    seen = kept.copy()
    seen[successor[kept]] = True
    reward = [] if file.reward == TASK else [file.reward]
    names = {x.name: seen for x in file.observations}
    names |= dict.fromkeys([*(x.name for x in file.actions), *reward], kept)
    for name, used in names.items():
        bad = used & ~np.isfinite(log.frame.columns[name])
        if bad.any():
            raise files.fail(
                path,
                f"column {name} has {bad.sum()} values that are not finite, the first "
                f"in row {np.argmax(bad)}; mend the log or remove those rows",
            )


def _check_limits(path: pathlib.Path, file: ColumnsFile, actions: np.ndarray) -> None:
    """Refuses an action that is often beyond its limits; see `check_action_range`."""
    worst, share = validation.beyond(_scaled(actions, file))
    if share > validation.MAX_CLIPPED:
        action, values = file.actions[worst], actions[:, worst]
        reach = f"from {values.min():.4g} to {values.max():.4g} {action.unit}".rstrip()
        raise files.fail(
            path,
            f"column {action.name} goes {reach}, beyond its limits {action.low:g} and "
            f"{action.high:g} in {share:.2%} of the rows; mend low and high in "
            f"{file.path}",
        )


def _flags(path: pathlib.Path, frame: Frame, name: str) -> np.ndarray:
    values = frame.columns[name]
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise files.fail(path, f"column {name} is not of 0 and 1; name another")
    return values != 0


def _jumps(log: Rows, file: ColumnsFile) -> np.ndarray:
    """`[N]` rows after which time goes back, stands still, jumps or is not known."""
    if log.seconds is None:
        return np.zeros(len(log.ends), bool)
    steps = np.diff(log.seconds)
    gap = file.gap
    if gap is None:
        gap = GAP * (1 / file.rate if file.rate else period(log) or 0)
    return np.append(~((steps > 0) & (steps <= gap)), False)


def _lies(
    terminal: np.ndarray, kept: np.ndarray, cuts: np.ndarray, by_task: bool
) -> np.ndarray:
    """`[k]` rows from which the robot lies, its episode over.

    Args:
        terminal: `[k]` of the rows that are kept.
        kept: `[k]` which rows of the log they are.
        cuts: `[N]` of the log, see `Rows`.
        by_task: whether a row is terminal by where it leads, so that the next begins
            on the ground even if it leads up again; else by where it begins.
    """
    follows = (np.diff(kept) == 1) & ~cuts[kept[:-1]]
    lies = np.append(False, terminal[:-1] & follows)
    return lies if by_task else lies & terminal


def _notes(kept: np.ndarray, lies: int, jumps: np.ndarray) -> tuple[str, ...]:
    notes = [f"{np.sum(~kept) - lies} rows without a successor left out"]
    if lies:
        notes.append(f"{lies} rows after a terminal one, as the robot lay, left out")
    if jumps.any():
        notes.append(f"{jumps.mean():.2%} {BROKEN}: there are gaps in time")
    return tuple(notes)
