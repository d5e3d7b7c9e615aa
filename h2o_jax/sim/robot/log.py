r"""The log of a wheel-legged robot, from the published text file to transitions.

One row per control step: x (m), v (m/s), theta (rad), theta_dot (rad/s), u (N m at
each wheel), done (0 or 1, |theta| beyond pi/6). No header, columns separated by blanks.

**Which action belongs to which state.** A row is written when its sensors are read,
and holds the command that was computed last, which came from the row *before*. The
robot's own balancing law shows it: after the pitch jumps, the command follows one row
later, with R2 0.94 (below 0.1 in the same row and two rows later). The speed in turn
answers to the command of one row ago (with R2 0.70, unchanged by adding the row's own).
So between the reading of a sensor and the first effect of the command that it led to
lie two rows, 12 ms, and in the published pairing an action has next to no causal effect
on its next state:

* `official` pairs row t's state with row t's command, as the authors' code does;
* `realigned` pairs it with row t + 1's, the command that was computed from it.

Neither shows the effect of the action within one transition; `realigned` gives the
actions that a policy with this latency would have taken, so a policy that imitates or
improves the log sees states and actions in their causal order.

**What is left out.** Pairs of rows are formed first, then dropped where the loop
stalled between them (the pitch ran on, the log did not) and where the command exceeds
the torque limit on either side; rows are never joined across what was dropped. The
fall is kept as one terminal transition, its command clipped to the limit, and nothing
after it.

References:
    https://github.com/AIR-DI/H2Oplus (`test/temp/5.11.s.txt`, no licence stated: use
    it locally). Niu et al., H2O+ (arXiv 2309.12716), Sec. V-B.
"""

import pathlib
import warnings
from typing import Literal, NamedTuple

import jax
import numpy as np

from h2o_jax.data import files, validation
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import check_choice
from h2o_jax.sim.tasks.task import Array, Motion, Task
from h2o_jax.sim.tasks.wheel_legged import TORQUE_LIMIT, log_columns
from h2o_jax.types import Transition

Pairing = Literal["official", "realigned"]
PAIRINGS: tuple[Pairing, ...] = ("official", "realigned")
PERIOD = 0.0061
"""Mean seconds between two rows, from pitch against pitch rate."""
STALL_JUMP = np.pi / 180
"""rad that the pitch advances in a stall beyond what the pitch rate explains."""
STALL_SECONDS = 0.012
"""Shortest time between two rows that counts as a stall."""


class Log(NamedTuple):
    """Rows of a log; a row's command was computed from the row before."""

    states: Array
    """`[N, 4]` float64, in the order of `wheel_legged.LOG_COLUMNS`."""
    torque: Array
    """`[N]` float64 commands, N m at each wheel."""
    done: Array
    """`[N]` bool, whether the robot lies; the last row of an episode."""


def read(path: pathlib.Path, sha256: str | None = None) -> tuple[Log, str]:
    """Reads a text file up to the first row in which the robot lies.

    Args:
        path: the log.
        sha256: refuse a file with another hash.

    Returns:
        The log, and the file's SHA-256.

    Raises:
        DatasetError: in one line, the file, the finding and the fix.
    """
    with files.readable(path):
        digest = files.check_hash(path, sha256)
        files.check_memory(path, 2 * path.stat().st_size)
        with warnings.catch_warnings(action="ignore"):  # a file without rows
            rows = np.loadtxt(path, ndmin=2)
    _check(rows, path)
    down = np.flatnonzero(rows[:, 5])
    rows = rows[: down[0] + 1] if len(down) else rows
    return Log(rows[:, :4], rows[:, 4], rows[:, 5] == 1), digest


def load(
    path: str | pathlib.Path,
    task: Task,
    pairing: Pairing = "official",
    min_rows: int = 1,
    sha256: str | None = None,
) -> Dataset:
    """The log of the real robot as transitions of one of its tasks.

    Both tasks read the same log and differ in columns and reward.

    Args:
        path: the published text file, or another in its format.
        task: `wheel_legged_stand` or `wheel_legged_forward`.
        pairing: which row's command goes with a state; see the module.
        min_rows: rows that a run draws at once.
        sha256: refuse a file with another hash.

    Raises:
        ConfigError: an unknown pairing.
        DatasetError: in one line, the file, the finding and the fix.
    """
    path = pathlib.Path(path)
    log, digest = read(path, sha256)
    return dataset(log, task, pairing, str(path), digest, min_rows)


def dataset(
    log: Log,
    task: Task,
    pairing: Pairing,
    source: str,
    sha256: str = "",
    min_rows: int = 1,
) -> Dataset:
    """Rows as transitions, checked; `load` says what the arguments are."""
    rows, pairs = transitions(log, task, pairing)
    kept = np.flatnonzero(pairs.kept)
    rows = validation.validate(
        jax.tree.map(lambda x: x[kept], rows),
        source,
        obs_dim=task.obs_dim,
        action_dim=task.action_dim,
        min_rows=min_rows,
    )
    last = np.append(-1, np.flatnonzero(log.done[1:] & ~log.done[:-1]))
    return Dataset(
        transition=rows,
        episode_returns=_sums(rows.r_t, np.searchsorted(kept, last + 1)),
        episode_lengths=np.diff(np.searchsorted(kept, last + 1)),
        time_limits=0,
        source=source,
        sha256=sha256,
        notes=_notes(log, pairs, pairing),
    )


class Pairs(NamedTuple):
    """Properties of each pair of rows t, t + 1; `[N - 1]` bool."""

    stalled: Array
    """The control loop stalled between the two."""
    beyond: Array
    """The command exceeds the torque limit."""
    begins: Array
    """Row t is the last of an episode, row t + 1 the first of the next: no pair."""
    kept: Array
    """None of the above, or a fall."""


def transitions(log: Log, task: Task, pairing: Pairing) -> tuple[Transition, Pairs]:
    """Every pair of rows `[N - 1, ...]` as a transition, and which of them to keep.

    Raises:
        ConfigError: an unknown pairing.
    """
    check_choice("pairing", pairing, PAIRINGS)
    torque = log.torque[1:] if pairing == "realigned" else log.torque[:-1]
    stalled, fell = stalls(log), log.done[1:] & ~log.done[:-1]
    beyond = np.abs(torque) > TORQUE_LIMIT
    kept = ~log.done[:-1] & (~(stalled | beyond) | fell)
    command = np.clip(torque, -TORQUE_LIMIT, TORQUE_LIMIT)[:, None]
    observations = log.states[:, log_columns(task)]
    s_tm1, s_t = observations[:-1], observations[1:]
    # A log has no true positions, and neither reward of this robot asks for them.
    unknown = np.full((len(s_t), 0), np.nan)
    r_t = task.reward(Motion(unknown, unknown, s_tm1, command, s_t, fell))
    rows = Transition(s_tm1, command / TORQUE_LIMIT, r_t, ~fell, s_t)
    return rows, Pairs(stalled, beyond, log.done[:-1], kept)


def stalls(log: Log, jump: float = STALL_JUMP) -> Array:
    """Whether the control loop stalled between rows t and t + 1, `[N - 1]` bool.

    The pitch then advances, in the direction of the pitch rate, by more than that rate
    explains within a usual period. The published log has 60 stalls, of 15 to 263 ms. A
    single wrong reading of the pitch jumps without such a rate and is no stall.
    """
    theta, rate = log.states[:, 2], log.states[:, 3]
    turned, rate = np.diff(theta), (rate[1:] + rate[:-1]) / 2
    explained = turned - PERIOD * rate
    # turned / rate, where positive, is the time between the two rows.
    slow = np.sign(rate) * turned > STALL_SECONDS * np.abs(rate)
    inside = ~log.done[:-1]
    return (np.abs(explained) > jump) & slow & inside


def summary(log: Log) -> str:
    """A few readable lines on a log, whatever task it is for."""
    hangs = stalls(log)
    names = ("x", "v", "theta", "theta_dot")
    units = ("m", "m/s", "rad", "rad/s")
    columns = [*zip(names, units, log.states.T, strict=True), ("u", "N m", log.torque)]
    lines = [
        f"rows        {len(log.torque):,} ({len(log.torque) * PERIOD:.0f} s)",
        f"falls       {log.done.sum()}",
        f"stalls      {hangs.sum()} ({hangs.mean():.2%} of the rows)",
        f"|u| > {TORQUE_LIMIT:g}     {np.sum(np.abs(log.torque) > TORQUE_LIMIT)}",
    ]
    for name, unit, x in columns:
        spread = f"std {x.std():.4g}, {x.min():.4g} to {x.max():.4g} {unit}"
        lines.append(f"{name:<12}{spread}")
    return "\n".join(lines)


def _check(rows: Array, path: pathlib.Path) -> None:
    """Raises a one-line `DatasetError` for what cannot be a log of this robot."""
    if len(rows) < 2 or rows.shape[1] != 6:
        finding = f"{rows.shape[0]} rows of {rows.shape[1]} numbers"
        wanted = "x v theta theta_dot torque done in each of two rows or more"
        raise files.fail(path, f"{finding}; a wheel-legged log has {wanted}")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise files.fail(path, f"row {bad[0]} is not finite; remove that row")
    bad = np.flatnonzero((rows[:, 5] != 0) & (rows[:, 5] != 1))
    if len(bad):
        finding = f"done (column 5) is {rows[bad[0], 5]:g} in row {bad[0]}"
        raise files.fail(path, f"{finding}; store 0 or 1")
    bad = np.flatnonzero(np.abs(rows[:, 2]) > np.pi)
    if len(bad):
        finding = f"theta (column 2) is {rows[bad[0], 2]:g} in row {bad[0]}"
        raise files.fail(path, f"{finding}; give radians, columns in the stated order")


def _sums(values: Array, ends: Array) -> Array:
    """Sums of `values` between consecutive `ends`."""
    total = np.append(0.0, np.cumsum(values, dtype=np.float64))
    return np.diff(total[ends])


def _notes(log: Log, pairs: Pairs, pairing: Pairing) -> tuple[str, ...]:
    dropped = pairs.beyond & ~pairs.stalled & ~pairs.kept & ~pairs.begins
    stalled = np.sum(pairs.stalled & ~pairs.kept)
    when = {"official": "the same row", "realigned": "the row after"}[pairing]
    return (
        f"{pairing} pairing: a state with the command of {when}",
        f"{len(log.torque):,} rows; {stalled} pairs dropped at stalls, {dropped.sum()} "
        f"beyond {TORQUE_LIMIT:g} N m",
        f"{log.done.sum()} falls, kept as terminals with the command clipped",
    )
