"""Learning a residual: what the simulator misses, from the log and its replay.

Each logged row is put into the simulator, which does one control step with the logged
action. An ensemble learns, from what was seen, done and simulated, what the real system
did otherwise. Whole episodes are held out: what does not come out better there is not
corrected.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

import h2o_jax
from experiments.mending import Mending
from h2o_jax import ensemble
from h2o_jax.errors import DatasetError
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim import residual
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.residual import Residual, gate, lessons
from h2o_jax.sim.residual.gate import Errors
from h2o_jax.sim.residual.lessons import Rows
from h2o_jax.types import Transition

Array = np.ndarray
RIGHT = 1e-3
"""Error, in units of the one-step change, below which a number needs no correction."""
_PASSES, _FEWEST = 60, 250
"""Passes over the rows, and updates, after which a small log is learned by heart: of
1,000 rows of HalfCheetah, four times as many updates were worse than nothing."""


class Learned(NamedTuple):
    """A residual and how it was tested."""

    residual: Residual
    errors: Errors
    rows: tuple[int, int]
    """Rows learned from, and held out."""
    inexact: int
    """Rows left out because one of their states is not known exactly."""
    seconds: tuple[float, float]
    """Of the replay, and of learning."""


def about(mending: Mending, gap: Gaps) -> dict[str, Any]:
    """All that the residual of a simulator depends on, to be kept with it."""
    dataset, settings = mending.dataset, vars(mending.settings)
    return {
        "task": mending.task.name,
        "gap": gaps_lib.to_text(gap),
        "inertia": mending.inertia,
        "log": dataset.sha256,
        # How a log is read changes its rows, too.
        "rows": rows_digest(dataset.transition),
        "version": h2o_jax.__version__,
        **{k: v for k, v in settings.items() if k.startswith("residual_")},
    }


def learn(mending: Mending, gap: Gaps) -> Learned:
    """Learns what the simulator with these gaps misses of the log.

    Raises:
        ConfigError: the task does not tell states from observations.
        DatasetError: the log has too few rows whose state can be set exactly.
    """
    begin = time.monotonic()
    train, test, inexact = _lessons(mending, gap)
    replayed = time.monotonic()
    gated, errors = gate.gate(_fitted(mending, gap, train), train, test)
    seconds = replayed - begin, time.monotonic() - replayed
    rows = len(train.target), len(test.target)
    return Learned(gated, errors, rows, inexact, seconds)


def _lessons(mending: Mending, gap: Gaps) -> tuple[Rows, Rows, int]:
    """Rows to learn from, rows held out, and how many of the log tell too little.

    Raises:
        ConfigError, DatasetError: see `learn`.
    """
    task, dataset, settings, inertia, _, threads = mending
    log, seed = dataset.transition, settings.residual_seed
    chosen, inexact = lessons.choose(task, gap, dataset, settings.residual_rows, seed)
    train, test = (
        lessons.replayed(task, gap, log, inertia, threads, rows)
        for rows in lessons.split(log, chosen, seed)
    )
    left = len(train.target), len(test.target)
    if sum(left) < lessons.MIN_ROWS or not min(left):
        raise DatasetError(
            f"{dataset.source}: {sum(left)} of {len(chosen)} rows have simulated "
            "states that are known exactly; a residual needs "
            f"{lessons.MIN_ROWS} at least"
        )
    return train, test, inexact + len(chosen) - sum(left)


def _fitted(mending: Mending, gap: Gaps, train: Rows) -> Residual:
    """The ensemble, before it is limited to where it helps."""
    log, settings = mending.dataset.transition, mending.settings
    x, y = train.inputs, train.target
    scales = *_moments(x), *_moments(y)
    layers = ensemble.fit(
        jax.random.key(settings.residual_seed),
        _standardised(x, *scales[:2], residual.INPUT_LIMIT),
        _standardised(y, *scales[2:], residual.OUTPUT_LIMIT),
        hidden=settings.residual_hidden,
        members=settings.residual_members,
        updates=min(settings.residual_updates, _enough(len(x))),
    )
    change = lessons.change(log)
    seen = np.concatenate([log.s_tm1, log.s_t])
    return Residual(
        about(mending, gap),
        tuple(w for w, _ in layers),
        tuple(b for _, b in layers),
        *scales,
        change=change,
        used=(lessons.rms(y) > RIGHT * change).astype(float),
        limit=np.inf,
        low=seen.min(axis=0).astype(float),
        high=seen.max(axis=0).astype(float),
    )


def line(learned: Learned) -> str:
    """What came out, in one line."""
    before, after = learned.errors.overall
    used = learned.residual.used
    seconds = sum(learned.seconds)
    if not learned.residual.useful:
        return (
            "not used: on held-out rows it does not beat the simulator, whose rms "
            f"error is {before:.4f} of a step's change ({seconds:.0f} s)"
        )
    return (
        f"held-out rms error {before:.4f} -> {after:.4f} of a step's change; corrects "
        f"{int(used[:-1].sum())} of {len(used) - 1} observations and "
        f"{'the reward' if used[-1] else 'not the reward'} ({seconds:.0f} s)"
    )


def table(learned: Learned) -> str:
    """What came out, number by number."""
    lines = [f"{'':14s} {'before':>8s} {'after':>8s} {'R2':>6s}"]
    used, (before, after) = learned.residual.used, learned.errors
    for i, (x, y) in enumerate(zip(before, after, strict=True)):
        name = "reward" if i == len(used) - 1 else f"observation {i}"
        gain = f"{1 - (y / x) ** 2:6.2f}" if used[i] else "  left as it is"
        lines.append(f"{name:14s} {x:8.4f} {y:8.4f} {gain}")
    return "\n".join(lines)


def _enough(rows: int) -> int:
    """Updates of each network that so many rows are good for."""
    return max(_FEWEST, _PASSES * rows // ensemble.BATCH)


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and std `[D]`; 1 for a column that hardly varies."""
    std = x.std(axis=0)
    return x.mean(axis=0), np.where(std > 1e-9, std, 1.0)


def _standardised(x: Array, mean: Array, std: Array, limit: float) -> Array:
    return np.clip((x - mean) / std, -limit, limit)


def digest(about: Mapping[str, Any]) -> str:
    """SHA-256 of what a residual is about."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def rows_digest(rows: Transition) -> str:
    """SHA-256 of the rows of a log."""
    found = hashlib.sha256()
    for column in (rows.s_tm1, rows.a_tm1, rows.r_t, rows.discount_t, rows.s_t):
        found.update(np.ascontiguousarray(column).data)
    return found.hexdigest()
