"""Float32 against float64, formula by formula."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.reliability.score import Score
from h2o_jax import (
    critic_losses,
    distributions,
    policy_losses,
    ratios,
    targets,
    value_losses,
)

_BOUND = 1e-5
"""Largest error, relative to the larger of 1 and the exact value."""
Formula = tuple[Callable[..., Any], tuple[str, ...]]

_FORMULAS: Mapping[str, Formula] = {
    "dynamics ratio": (
        lambda logits: ratios.importance_weight(
            ratios.dynamics_log_ratio(logits), 1e-5, 1.0
        ),
        ("pairs",),
    ),
    "domain cross-entropy": (
        lambda logits: ratios.domain_cross_entropy(logits, ratios.SIM),
        ("pairs",),
    ),
    "soft value": (
        lambda q, log_pi: targets.soft_value(q, log_pi, 0.2),
        ("pairs", "numbers"),
    ),
    "Bellman target": (
        lambda r, go_on, v: targets.bellman(r, go_on, v, 0.99),
        ("numbers", "shares", "numbers"),
    ),
    "expectile loss": (
        lambda q, v: value_losses.expectile(q, v, 0.7),
        ("numbers", "numbers"),
    ),
    "sparse loss": (
        lambda q, v: value_losses.sparse(q, v, 1.0),
        ("numbers", "numbers"),
    ),
    "weighted TD loss": (
        lambda q, y, w: critic_losses.td(q, y, w),
        ("pairs", "numbers", "shares"),
    ),
    "tanh log-probability": (
        lambda mean, log_std, a: distributions.log_prob(mean, log_std, a),
        ("vectors", "log_stds", "actions"),
    ),
    "temperature loss": (
        lambda log_alpha, log_pi: policy_losses.temperature(log_alpha, log_pi, -6.0),
        ("shares", "numbers"),
    ),
}


def rounded(count: int, seed: int) -> Score:
    """Worst error of each formula over `count` inputs of the sizes that occur."""
    rng = np.random.default_rng(seed)
    inputs = {
        "numbers": rng.normal(0, 30, count),
        "pairs": rng.normal(0, 3, (count, 2)),
        "shares": rng.uniform(0, 1, count),
        "vectors": rng.normal(0, 1, (count, 6)),
        "log_stds": rng.uniform(-5, 2, (count, 6)),
        "actions": rng.uniform(-0.99, 0.99, (count, 6)),
    }
    # Both precisions get the same numbers: what float32 holds.
    inputs = {name: x.astype(np.float32) for name, x in inputs.items()}
    worst = {
        name: _error(formula, [inputs[x] for x in of])
        for name, (formula, of) in _FORMULAS.items()
    }
    failures = [f"{name}: {x:.1e}" for name, x in worst.items() if not x <= _BOUND]
    facts = {name: float(f"{x:.1e}") for name, x in worst.items()}
    return Score(len(worst), tuple(failures), facts)


def _error(formula: Callable[..., Any], inputs: list[np.ndarray]) -> float:
    got = np.asarray(formula(*map(jnp.asarray, inputs)), np.float64)
    with jax.enable_x64(True):
        exact = formula(*(jnp.asarray(x, jnp.float64) for x in inputs))
        exact = np.asarray(exact)
        assert exact.dtype == np.float64
    return float(np.max(np.abs(got - exact) / np.maximum(1, np.abs(exact))))
