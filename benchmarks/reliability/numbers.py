"""Float32 against float64, formula by formula: what rounding does to each.

Whether a formula is the right one, the oracles of the tests say.
"""

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
_BATCH = 100
"""Rows of the formulas that couple a batch."""
Formula = tuple[Callable[..., Any], tuple[str, ...]]
Draw = Callable[[np.random.Generator, int], np.ndarray]

_DRAWS: Mapping[str, Draw] = {
    "numbers": lambda rng, n: rng.normal(0, 30, n),
    "pairs": lambda rng, n: rng.normal(0, 3, (n, 2)),
    "samples": lambda rng, n: rng.normal(0, 3, (n, 4, 2)),
    "log_densities": lambda rng, n: rng.normal(0, 3, (n, 4)),
    "shares": lambda rng, n: rng.uniform(0, 1, n),
    "vectors": lambda rng, n: rng.normal(0, 1, (n, 6)),
    "slopes": lambda rng, n: rng.normal(0, 30, (n, 2, 6)),
    "log_stds": lambda rng, n: rng.uniform(-5, 2, (n, 6)),
    "actions": lambda rng, n: rng.uniform(-0.99, 0.99, (n, 6)),
}
"""Inputs `[n, ...]` of the sizes that occur."""


def _by_batch(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula over batches of its rows."""

    def apply(*inputs: Any) -> Any:
        batches = (x.reshape(-1, _BATCH, *x.shape[1:]) for x in inputs)
        return jax.vmap(formula)(*batches)

    return apply


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
    "mixed value": (
        lambda exploit, explore: targets.mixed_value(exploit, explore, 0.1),
        ("numbers", "numbers"),
    ),
    "cloned value": (
        lambda q, action, a: targets.cloned_value(q, action, a, 0.001),
        ("pairs", "actions", "actions"),
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
    "exponential loss": (
        _by_batch(lambda q, v: value_losses.exponential(q, v, 2.0, 5.0)),
        ("numbers", "numbers"),
    ),
    "exponential weight": (
        lambda q, v: value_losses.exponential_weight(q, v, 3.0, 100.0),
        ("numbers", "numbers"),
    ),
    "sparse weight": (
        lambda q, v: value_losses.sparse_weight(q, v, 100.0),
        ("numbers", "numbers"),
    ),
    "weighted TD loss": (critic_losses.td, ("pairs", "numbers", "shares")),
    "CQL penalty": (
        critic_losses.cql_penalty,
        ("samples", "log_densities", "pairs"),
    ),
    "gap penalty": (
        _by_batch(critic_losses.gap_penalty),
        ("pairs", "shares", "pairs"),
    ),
    "diversity penalty": (critic_losses.diversity, ("slopes",)),
    "tanh log-probability": (
        distributions.log_prob,
        ("vectors", "log_stds", "actions"),
    ),
    "entropy-regularised loss": (
        lambda log_pi, value: policy_losses.entropy_regularised(log_pi, value, 0.2),
        ("numbers", "numbers"),
    ),
    "weighted likelihood": (
        policy_losses.weighted_likelihood,
        ("numbers", "shares"),
    ),
    "cloning-regularised loss": (
        _by_batch(
            lambda value, action, a: policy_losses.cloning_regularised(
                value, action, a, 0.01
            )
        ),
        ("numbers", "actions", "actions"),
    ),
    "temperature loss": (
        lambda log_alpha, log_pi: policy_losses.temperature(log_alpha, log_pi, -6.0),
        ("shares", "numbers"),
    ),
}


def rounded(count: int, seed: int) -> Score:
    """Worst error of each formula over about `count` inputs, in whole batches."""
    rng = np.random.default_rng(seed)
    rows = -(-count // _BATCH) * _BATCH
    worst = {
        # Both precisions get the same numbers: what float32 holds.
        name: _error(formula, [_DRAWS[x](rng, rows).astype(np.float32) for x in of])
        for name, (formula, of) in _FORMULAS.items()
    }
    failures = [f"{name}: {x:.1e}" for name, x in worst.items() if not x <= _BOUND]
    rounding = {name: float(f"{x:.1e}") for name, x in worst.items()}
    facts = {"worst": max(rounding.values()), "rounding of float32": rounding}
    return Score(len(worst), tuple(failures), facts)


def _error(formula: Callable[..., Any], inputs: list[np.ndarray]) -> float:
    got = np.asarray(formula(*map(jnp.asarray, inputs)), np.float64)
    with jax.enable_x64(True):
        exact = formula(*(jnp.asarray(x, jnp.float64) for x in inputs))
        exact = np.asarray(exact)
        assert exact.dtype == np.float64
    return float(np.max(np.abs(got - exact) / np.maximum(1, np.abs(exact))))
