"""Where a residual is trusted: what it improves, and where its members agree."""

import dataclasses
from typing import NamedTuple

import numpy as np

from h2o_jax.sim.residual import Residual, lessons
from h2o_jax.sim.residual.lessons import Rows
from h2o_jax.sim.tasks.task import Array

QUANTILE = 0.99
"""Quantile of the training rows' disagreement below which a correction is applied in
full."""
_CHUNK = 8192
"""Rows that the finished ensemble answers for at once."""


class Errors(NamedTuple):
    """Rms errors of one control step in held-out rows, `[O + 1]`, the reward last.

    In units of the log's rms one-step change of that number, and of the rewards' std.
    """

    before: Array
    """Of the simulator."""
    after: Array
    """Of the simulator with its residual."""

    @property
    def overall(self) -> tuple[float, float]:
        """Rms over all observations, before and after."""
        before, after = (float(np.sqrt(np.mean(x[:-1] ** 2))) for x in self)
        return before, after


def gate(whole: Residual, train: Rows, test: Rows) -> tuple[Residual, Errors]:
    """Limits a residual to where its members agree, and to what it improves."""
    disagreement = _answers(whole, train)[1]
    limit = max(float(np.quantile(disagreement, QUANTILE)), 1e-12)
    bounded = dataclasses.replace(whole, limit=limit)
    before = lessons.rms(test.target)
    after = lessons.rms(test.target - corrections(bounded, test))
    used = bounded.used * (after < before)
    gated = dataclasses.replace(bounded, used=used)
    if used.any():  # of fewer numbers, disagreement has another scale
        limit = max(float(np.quantile(_answers(gated, train)[1], QUANTILE)), 1e-12)
        gated = dataclasses.replace(gated, limit=limit)
    after = lessons.rms(test.target - corrections(gated, test))
    return gated, Errors(before / whole.change, after / whole.change)


def corrections(learned: Residual, rows: Rows) -> Array:
    """What a residual adds to simulated rows, `[N, O + 1]`."""
    found = [learned.correct(*x) for x in _chunks(rows)]
    return np.concatenate([np.column_stack([x.s_t, x.r_t]) for x in found])


def _answers(learned: Residual, rows: Rows) -> tuple[Array, Array]:
    found = [learned.answers(*x) for x in _chunks(rows)]
    means, disagreements = zip(*found, strict=True)
    return np.concatenate(means), np.concatenate(disagreements)


def _chunks(rows: Rows) -> list[tuple[Array, Array, Array]]:
    return [
        (
            rows.s_tm1[i : i + _CHUNK],
            rows.a_tm1[i : i + _CHUNK],
            rows.s_sim[i : i + _CHUNK],
        )
        for i in range(0, len(rows.target), _CHUNK)
    ]
