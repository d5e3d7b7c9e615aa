"""Checks that any log must pass, whatever file or program it came from.

A check is a function `(columns, want) -> message or None`, the message being
`finding; fix`. Add one by writing it and naming it in `COLUMN_CHECKS` (arrays as they
were logged) or `TRANSITION_CHECKS` (rows ready for learning).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from h2o_jax.data import cells, files
from h2o_jax.types import Transition

Columns = Mapping[str, np.ndarray]
"""Arrays by D4RL's names, one row per step."""

FLAGS = ("terminals", "timeouts", "discounts")
ACTION_SLACK = 1e-3
"""How far beyond [-1, 1] an action may lie as rounding."""
_LARGEST = np.finfo(np.float32).max
MAX_CLIPPED = 0.05
"""Largest share of an action's values beyond [-1, 1]."""


class Want(NamedTuple):
    """Requirements of the task and the run on a log."""

    obs_dim: int
    action_dim: int
    min_rows: int = 1

    def width(self, name: str) -> int | None:
        """Numbers per row of a column; None for one scalar per row."""
        widths = {"actions": self.action_dim}
        widths |= dict.fromkeys(("observations", "next_observations"), self.obs_dim)
        return widths.get(name)


def check_numeric(columns: Columns, want: Want) -> str | None:
    """Booleans, integers and floats pass; objects, text and records do not."""
    for name, values in columns.items():
        found = cells.finding(name, values)
        if found is not None:
            return f"{found}; store floats"
    return None


def check_shapes(columns: Columns, want: Want) -> str | None:
    """Observations `[N, O]`, actions `[N, A]`, all else `[N]`."""
    for name, values in columns.items():
        width = want.width(name)
        if width is None and values.ndim != 1:
            return f"{name} has shape {values.shape}; store one number per row"
        if width is not None and values.shape[1:] != (width,):
            transposed = values.ndim == 2 and values.shape[0] == width
            fix = "transpose it" if transposed else "choose the matching task or log"
            return (
                f"{name} has shape {values.shape}, the task wants (N, {width}); {fix}"
            )
    return None


def check_lengths(columns: Columns, want: Want) -> str | None:
    """Every column has as many rows as the observations."""
    rows = len(columns["observations"])
    for name, values in columns.items():
        if len(values) != rows:
            return (
                f"observations has {rows} rows, {name} has {len(values)}; "
                "store one row per step in every column"
            )
    return None


def check_row_count(columns: Columns, want: Want) -> str | None:
    """At least `min_rows` rows, and never none."""
    rows, least = len(columns["observations"]), max(1, want.min_rows)
    if rows < least:
        return f"{rows} transitions, {least} are needed; log more, or learn by less"
    return None


def check_finite(columns: Columns, want: Want) -> str | None:
    """No NaN, no infinity, nothing beyond float32."""
    for name, values in columns.items():
        bad = ~(_sizes(values) <= _LARGEST)
        if bad.any():
            return (
                f"{name} has {bad.sum()} values that are not finite in float32, the "
                f"first in {_place(bad)}; mend the log or remove those rows"
            )
    return None


def check_scale(columns: Columns, want: Want) -> str | None:
    """Nothing so large that float32 cannot sum the squares of its column.

    The column's standard deviation would be infinite, and all its other values zero
    once they are divided by it.
    """
    for name, values in columns.items():
        bad = _sizes(values) > np.sqrt(_LARGEST / max(1, len(values)))
        if bad.any():
            return (
                f"{name} is {values[bad][0]:.4g} in {_place(bad)}, which no float32 "
                "scale of that column can hold; mend the log or remove that row"
            )
    return None


def _sizes(values: np.ndarray) -> np.ndarray:
    """Absolute values; of integers as float64, which has them all."""
    return np.abs(values if values.dtype.kind == "f" else values.astype(float))


def _place(bad: np.ndarray) -> str:
    """Where the first of some values is, counted from 0."""
    row, *column = (int(x) for x in np.argwhere(bad)[0])
    return f"row {row}" + "".join(f", column {x}" for x in column)


def check_flags(columns: Columns, want: Want) -> str | None:
    """Terminals, time limits and discounts are 0 or 1."""
    for name in FLAGS:
        values = columns.get(name, np.zeros(0))
        bad = (values != 0) & (values != 1)
        if bad.any():
            row = np.flatnonzero(bad)[0]
            return f"{name} is {values[row]} in row {row}; store 0 or 1"
    return None


def check_action_range(columns: Columns, want: Want) -> str | None:
    """Few values of each action, at most `MAX_CLIPPED`, lie beyond [-1, 1]."""
    actions = columns["actions"]
    worst, share = beyond(actions)
    if share > MAX_CLIPPED:
        least, most = actions[:, worst].min(), actions[:, worst].max()
        return (
            f"{share:.0%} of the values in actions, column {worst}, lie "
            f"outside [-1, 1] (from {least:.4g} to {most:.4g}); scale them, as "
            "action_bounds, LOW:HIGH, does"
        )
    return None


def beyond(actions: np.ndarray) -> tuple[int, float]:
    """Which of the actions `[N, A]` lies beyond [-1, 1] most often, and its share."""
    shares = np.mean(np.abs(actions) > 1 + ACTION_SLACK, axis=0)
    worst = int(np.argmax(shares))
    return worst, float(shares[worst])


Check = Callable[[Columns, Want], str | None]
COLUMN_CHECKS: tuple[Check, ...] = (
    check_numeric,
    check_shapes,
    check_lengths,
    check_row_count,
    check_finite,
    check_scale,
    check_flags,
)
TRANSITION_CHECKS: tuple[Check, ...] = (*COLUMN_CHECKS, check_action_range)


def run_checks(
    checks: tuple[Check, ...], columns: Columns, source: object, want: Want
) -> None:
    """Raises a `DatasetError` that names `source` at the first check that fails."""
    for check in checks:
        message = check(columns, want)
        if message is not None:
            raise files.fail(source, message)


def validate(
    transition: Transition,
    source: object,
    *,
    obs_dim: int,
    action_dim: int,
    min_rows: int = 1,
) -> Transition:
    """The same rows in float32 with actions clipped to [-1, 1], once all checks pass.

    Args:
        transition: arrays `[N, ...]` from any source.
        source: what an error names as its origin.
        obs_dim: numbers in an observation of the task.
        action_dim: numbers in an action of the task.
        min_rows: rows that a run draws at once.

    Raises:
        DatasetError: in one line, the first finding and its fix.
    """
    names = ("observations", "actions", "rewards", "discounts", "next_observations")
    columns = {n: np.asarray(x) for n, x in zip(names, transition[:5], strict=True)}
    want = Want(obs_dim, action_dim, min_rows)
    run_checks(TRANSITION_CHECKS, columns, source, want)
    checked = Transition(*(np.asarray(x, np.float32) for x in columns.values()))
    return checked._replace(a_tm1=np.clip(checked.a_tm1, -1, 1))
