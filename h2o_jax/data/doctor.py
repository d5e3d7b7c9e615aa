"""What may be wrong with a robot's log, before anything is trained on it.

Each check gives the lines of its warnings; no line, nothing found. They are worded as
those of `experiments.audit`, which prints them, too.
"""

import math
from collections.abc import Sequence

import numpy as np

from h2o_jax.data.recorded import BROKEN
from h2o_jax.data.signals import Signal

JITTER = 1.5
"""A step of time beyond this many medians is a jump."""
FEW = 0.001
"""Share of rows below which jumps and duplicates are not worth a line."""
STUCK = 0.05
"""Share of rows in one unchanged stretch that makes a sensor stuck."""
LONG = 50
"""Rows of the shortest stretch that is called stuck."""
RANDOM = 0.5
"""Squared change from row to row, as a share of that of rows in random order, which is
1, from which rows are in no order. The steadiest column of a gait has 0.1."""
JUMPS = (1.0, 0.99, 3.0), (0.25, 0.95, 5.0)
"""Share of the columns, the steadiest; quantile of their changes; how many of that, and
half a standard deviation, are no motion. Of Walker2d's falls 7 rows in 10,000 have one,
no other log so many. The second finds joins of short episodes, one row in a hundred."""
CLIPPED = 0.05
"""Share of an action's values at its largest or least one."""
NARROW = 0.05
"""Share of its limits below which an action's are doubted."""


def findings(
    observations: np.ndarray,
    actions: np.ndarray,
    observation_names: Sequence[str] = (),
    action_names: Sequence[str] = (),
    seconds: np.ndarray | None = None,
    ends: np.ndarray | None = None,
) -> list[str]:
    """All warnings on a log.

    Args:
        observations: `[N, O]` in the order of the log.
        actions: `[N, A]`.
        observation_names: `[O]`; by default `s[0]`, ...
        action_names: `[A]`; by default `a[0]`, ...
        seconds: `[N]` times of the rows, where known.
        ends: `[N]` whether the next row is of another episode.
    """
    if len(observations) < 2:
        return []
    inside = np.ones(len(observations) - 1, bool)
    if ends is not None:
        inside = ~np.asarray(ends, bool)[:-1]
    observation_names = observation_names or _numbered("s", observations)
    action_names = action_names or _numbered("a", actions)
    values = np.hstack([observations, actions])
    return [
        *not_finite(values, [*observation_names, *action_names]),
        *([] if seconds is None else times(seconds, inside)),
        *duplicates(values, inside),
        *order(observations, observation_names, inside),
        *stuck(observations, observation_names),
        *clipped(actions, action_names),
    ]


def not_finite(values: np.ndarray, names: Sequence[str]) -> list[str]:
    """Columns with values that are no numbers."""
    bad = ~np.isfinite(values)
    return [
        f"{name} is not finite in {own.mean():.2%} of the rows, the first of which is "
        f"row {np.argmax(own)}: mend them or remove those rows"
        for name, own in zip(names, bad.T, strict=True)
        if own.any()
    ]


def times(seconds: np.ndarray, inside: np.ndarray) -> list[str]:
    """Time that goes backwards, stands still or jumps, within episodes."""
    steps = np.diff(seconds)[inside]
    if not len(steps):
        return []
    ahead = steps[steps > 0]
    if not len(ahead):
        return ["time never goes forward: name another column of times"]
    found, period = [], float(np.median(ahead))
    unknown = np.mean(np.isnan(seconds))
    if unknown > 0:
        found.append(
            f"{unknown:.2%} of the rows have no time: the rows beside them are left out"
        )
    back, still = np.mean(steps < 0), np.mean(steps == 0)
    if back > 0:
        found.append(
            f"time goes backwards after {back:.2%} of the rows: clocks were set, or "
            "logs were joined out of order"
        )
    if still > 0:
        found.append(
            f"{still:.2%} of the rows have the time of the row before: duplicates, or "
            "stamps of too few digits"
        )
    jumps = np.mean(steps > JITTER * period)
    if jumps > FEW:
        found.append(
            f"{jumps:.2%} {BROKEN}: there are gaps in time (steps of up to "
            f"{ahead.max():.3g} s, {period:.3g} s is usual)"
        )
    return found


def duplicates(values: np.ndarray, inside: np.ndarray) -> list[str]:
    """Rows that repeat the row before in every number."""
    share = np.mean((values[1:] == values[:-1]).all(axis=1) & inside)
    if share <= FEW:
        return []
    return [
        f"{share:.2%} of the rows repeat the row before: the log is faster than the "
        "sensors, or rows were written twice"
    ]


def order(
    observations: np.ndarray, names: Sequence[str], inside: np.ndarray
) -> list[str]:
    """Rows that do not follow each other: in random order, or joined without a mark.

    Args:
        observations: `[N, O]`.
        names: `[O]`; empty: `s[0]`, ...
        inside: `[N - 1]` whether a row and the next are of one episode.
    """
    names = names or _numbered("s", observations)
    moves = np.isfinite(observations).all(axis=0) & (np.ptp(observations, axis=0) > 0)
    moving = observations[:, moves].astype(float)
    names = [name for name, own in zip(names, moves, strict=True) if own]
    if not names or np.sum(inside) < LONG:
        return []
    spread = moving.std(axis=0)
    change = np.abs(np.diff(moving, axis=0))[inside]
    # The mean squared difference of two rows at random is twice the variance.
    shares = (change**2).mean(axis=0) / (2 * spread**2)
    if shares.min() > RANDOM:
        return [
            f"no row is like the row before it ({names[np.argmin(shares)]}, the "
            f"steadiest, changes {shares.min():.0%} as much as in random order): sort "
            "the rows by time, or raise the rate"
        ]
    jumps = _jumps(change, spread)
    share = np.mean(jumps.any(axis=1))
    if share <= FEW:
        return []
    often = np.argsort(-jumps.sum(axis=0), kind="stable")[:3]
    listed = ", ".join(names[i] for i in often if jumps[:, i].any())
    return [
        f"{share:.2%} of the rows jump, in {listed}: episodes joined without a mark, "
        "angles that wrap, or lost samples; name the column that tells the episodes"
    ]


def _jumps(change: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """`[n, O]` which changes `[n, O]` of columns with a spread `[O]` are no motion."""
    steadiest = np.argsort(np.median(change, axis=0) / spread)
    jumps = np.zeros(change.shape, bool)
    for part, quantile, factor in JUMPS:
        own = steadiest[: math.ceil(part * len(spread))]
        usual = np.quantile(change[:, own], quantile, axis=0)
        jumps[:, own] |= change[:, own] > np.maximum(factor * usual, spread[own] / 2)
    return jumps


def stuck(observations: np.ndarray, names: Sequence[str]) -> list[str]:
    """Sensors that never change, or do not for a long while."""
    found = []
    for name, column in zip(names, observations.T, strict=True):
        if (column == column[0]).all():
            found.append(f"{name} is always {column[0]:.4g}: the sensor is stuck")
            continue
        longest = _longest(column)
        if longest >= max(LONG, STUCK * len(column)):
            found.append(
                f"{name} does not change over {longest:,} rows: the sensor was stuck, "
                "or the robot stood still"
            )
    return found


def clipped(actions: np.ndarray, names: Sequence[str]) -> list[str]:
    """Actions that lie at their own limit in many rows."""
    found = []
    for name, column in zip(names, actions.T, strict=True):
        column = column[np.isfinite(column)]
        if not len(column):
            continue
        least, most = column.min(), column.max()
        share = np.mean((column == least) | (column == most))
        if share > CLIPPED and len(np.unique(column)) > 3:
            found.append(
                f"{name} is clipped in {share:.0%} of the rows, at {least:.4g} or "
                f"{most:.4g}: what was asked for beyond is not in the log"
            )
    return found


def _longest(column: np.ndarray) -> int:
    """Rows of the longest stretch of one value."""
    changes = np.flatnonzero(column[1:] != column[:-1]) + 1
    return int(np.diff(np.concatenate([[0], changes, [len(column)]])).max())


def _numbered(letter: str, values: np.ndarray) -> list[str]:
    return [f"{letter}[{i}]" for i in range(values.shape[1])]


def beyond(actions: np.ndarray, signals: Sequence[Signal]) -> list[str]:
    """Actions beyond the limits that a columns file says."""
    found = []
    for signal, column in zip(signals, actions.T, strict=True):
        share = np.mean((column < signal.low) | (column > signal.high))
        if share > 0:
            found.append(
                f"{signal.name} is beyond its limits {signal.low:g} and "
                f"{signal.high:g} in {share:.2%} of the rows: other units, or wrong "
                "limits"
            )
    return found


def unused(actions: np.ndarray, signals: Sequence[Signal]) -> list[str]:
    """Actions that use next to nothing of what their limits allow."""
    found = []
    for signal, column in zip(signals, actions.T, strict=True):
        assert signal.low is not None and signal.high is not None
        share = np.ptp(column) / (signal.high - signal.low)
        if 0 < share < NARROW:
            found.append(
                f"{signal.name} uses {share:.1%} of its limits {signal.low:g} and "
                f"{signal.high:g}: other units, or wrong limits"
            )
    return found
