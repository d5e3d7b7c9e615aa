"""Float32 against float64, formula by formula: what rounding does to each.

Whether a formula is the right one, the oracles of the tests say.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
"""Largest error, relative to the largest of 1, the exact value and its condition."""
_UNIT = 2.0**-24
"""Relative error of a number that is rounded to float32."""
_MOVES = 4
"""Draws of rounded inputs by which a condition is found."""
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
    errors = {
        # Both precisions get the same numbers: what float32 holds.
        name: _errors(
            formula, [_DRAWS[x](rng, rows).astype(np.float32) for x in of], rng
        )
        for name, (formula, of) in _FORMULAS.items()
    }
    failures = [
        f"{name}: {x.own:.1e}" for name, x in errors.items() if not x.own <= _BOUND
    ]
    facts = {
        "worst": float(f"{max(x.own for x in errors.values()):.1e}"),
        "of the value": {name: float(f"{x.all:.1e}") for name, x in errors.items()},
    }
    return Score(len(errors), tuple(failures), facts)


class Errors(NamedTuple):
    """The largest error of a formula in float32."""

    all: float
    """Relative to the larger of 1 and the exact value."""
    own: float
    """Relative to the condition, too: what remains is the formula's own fault."""


def _errors(
    formula: Callable[..., Any], inputs: list[np.ndarray], rng: np.random.Generator
) -> Errors:
    """Compares both precisions.

    The condition is by how much the exact value changes for inputs that change by a
    part in one, to first order. No formula in float32 can do better than that times its
    rounding: a narrow policy's log-probability changes by 1e-5 with the last bit of the
    action.
    """
    got = np.asarray(formula(*map(jnp.asarray, inputs)), np.float64)
    exact = _exact(formula, inputs)
    condition = np.zeros_like(exact)
    for _ in range(_MOVES):
        moved = [x * (1 + _UNIT * rng.choice((-1.0, 1.0), x.shape)) for x in inputs]
        change = np.abs(_exact(formula, moved) - exact)
        condition = np.maximum(condition, change / _UNIT)
    error, scale = np.abs(got - exact), np.maximum(1, np.abs(exact))
    own = error / np.maximum(scale, condition)
    return Errors(float(np.max(error / scale)), float(np.max(own)))


def _exact(formula: Callable[..., Any], inputs: list[np.ndarray]) -> np.ndarray:
    """In float64."""
    with jax.enable_x64(True):
        exact = np.asarray(formula(*(jnp.asarray(x, jnp.float64) for x in inputs)))
        assert exact.dtype == np.float64
    return exact
