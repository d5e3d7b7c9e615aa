"""What may be wrong with a log rather than with a simulator.

Each check gives the lines of its warnings; no line, nothing found.
"""

from typing import TypeVar

import numpy as np

from h2o_jax.sim import replay_log
from h2o_jax.sim.audit import structure
from h2o_jax.sim.audit.belonging import BETTER
from h2o_jax.sim.audit.replayer import Replayer, normalised, typical
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.world import World
from h2o_jax.types import Transition

Key = TypeVar("Key", int, float)

LAGS = (-2, -1, 0, 1, 2)
"""Rows by which actions are shifted against states."""
SCALES = (-1.0, 0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
"""By which actions are multiplied."""
BROKEN = 0.05
"""Share of rows without their successor next to them that is reported."""
REWARD = 0.01
"""Error of rewards, over their std, in a simulator that is right in all else."""
ASTRAY = 5.0
"""Error of one step, over the log's change, that no wrong parameter explains."""
STEPS = 5
"""Rows of the windows in which actions are shifted and scaled."""


def order(log: Transition, time_limits: int) -> list[str]:
    """Rows that are not followed by their successor, beyond episodes' ends."""
    if len(log.r_t) < 2:
        return []
    alive = np.asarray(log.discount_t[:-1]) > 0
    breaks = int(np.sum(~replay_log.joined(log) & alive)) - time_limits
    share = breaks / len(log.r_t)
    if share < BROKEN:
        return []
    text = f"{share:.0%} of the rows are not followed by their successor"
    if share > 0.5:
        return [
            f"{text}: the log is out of order, and only single rows can be replayed"
        ]
    return [f"{text}: there are gaps in time, or rows were left out"]


def columns(rms: float) -> list[str]:
    """Whether the log's columns are what the task takes them for.

    Args:
        rms: error of one step in the best simulator, in units of the log's change.
    """
    if not rms > ASTRAY:
        return []
    return [
        f"one step ends {rms:.3g} times as far off as if nothing had moved: before all "
        "else, check the columns' units and order, and that the log is of this robot"
    ]


def lags(replayer: Replayer, gaps: Gaps, count: int) -> dict[int, float]:
    """Shift of actions -> typical error; empty if no sequence is long enough."""
    reach = max(LAGS)
    # Room for the shift on either side; the windows are those of every shift.
    first = _windows(replayer, gaps, count, reach)
    if not len(first):
        return {}
    world = replayer.world(gaps, len(first))
    a_tm1 = np.asarray(replayer.log.a_tm1)
    return {
        lag: _with_actions(world, replayer.log, first, np.roll(a_tm1, -lag, axis=0))
        for lag in LAGS
    }


def scales(replayer: Replayer, gaps: Gaps, count: int) -> dict[float, float]:
    """Factor of actions -> typical error; empty if no sequence is long enough."""
    first = _windows(replayer, gaps, count, 0)
    if not len(first):
        return {}
    world = replayer.world(gaps, len(first))
    a_tm1 = np.asarray(replayer.log.a_tm1)
    return {s: _with_actions(world, replayer.log, first, s * a_tm1) for s in SCALES}


def lag_warning(found: dict[int, float]) -> list[str]:
    """Whether actions fit better to another row's state."""
    best = _best(found, 0)
    if best is None:
        return []
    row = f"{abs(best)} row{'s' * (abs(best) > 1)} {'after' if best > 0 else 'before'}"
    return [
        f"a state fits the action of {row} better ({found[best]:.3f} against "
        f"{found[0]:.3f} after {STEPS} steps): the pairing is shifted, or a latency is "
        "missing"
    ]


def scale_warning(found: dict[float, float]) -> list[str]:
    """Whether actions fit better in other units."""
    best = _best(found, 1.0)
    if best is None:
        return []
    return [
        f"actions times {best:g} fit better ({found[best]:.3f} against "
        f"{found[1.0]:.3f} after {STEPS} steps): other units (see --action_bounds, or "
        "low and high in the columns file), or motors of another strength"
    ]


def _windows(replayer: Replayer, gaps: Gaps, count: int, reach: int) -> Array:
    """First rows of windows, with `reach` more rows of their sequence on either side.

    The rows before hold the actions that still wait in the simulator's queue, too.
    """
    before = replayer.latency(gaps) + reach
    first = replay_log.starts(replayer.log, STEPS + reach, before=before)
    return structure.spread(first, count)


def _with_actions(world: World, log: Transition, first: Array, actions: Array) -> float:
    """Typical error after `STEPS` steps of a log with other actions `[N, A]`."""
    other = log._replace(a_tm1=actions)
    prediction = replay_log.replay_in(world, other, first, STEPS)
    return typical(normalised(log, first, prediction)[0])


def _best(found: dict[Key, float], neutral: Key) -> Key | None:
    """The key with the least error, if that is much less than the neutral one's."""
    if not found:
        return None
    best = min(found, key=lambda key: found[key])
    better = best != neutral and found[best] < BETTER * found[neutral]
    return best if better else None
