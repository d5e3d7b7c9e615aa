"""Discriminators and weights, on episodes that they have never seen."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from experiments import policies
from experiments.reporting import figures, numbers
from experiments.reporting.page import Figure, Missing, Section, Table
from experiments.reporting.subject import Subject
from h2o_jax import ratios
from h2o_jax.types import Transition

Logits = tuple[np.ndarray, np.ndarray]
"""See `policies.load_discriminators`."""


def discriminators(subject: Subject) -> Section:
    """Area under curve and calibration of both classifiers; what weights are worth."""
    logits = policies.load_discriminators(subject.folder)
    real, told = _real(subject)
    count = min(len(real.r_t), len(subject.simulated.r_t))
    answers = [logits(_some(x, count)) for x in (real, subject.simulated)]
    is_real = np.repeat([True, False], count)
    rows, bins = [], {}
    for name, (of_real, of_sim) in _odds(answers).items():
        chance = scipy.special.expit(np.concatenate([of_real, of_sim]))
        bins[name] = numbers.reliability(chance, is_real)
        error = f"{numbers.calibration_error(bins[name]):.3f}"
        rows.append((name, f"{numbers.area(of_real, of_sim):.3f}", error))
    text = [
        f"{count:,} rows each of {told} and of fresh episodes in the "
        "simulator, by the policy. Area under the curve: 0.5 tells nothing, 1 tells "
        "every row. Calibration error: mean distance of predicted and observed shares. "
        "Weights come from what s' adds to (s, a): where that tells nothing, they do "
        "not see the gap of the dynamics.",
    ]
    classifiers = Table(("classifier", "area under curve", "calibration error"), rows)
    caption = (
        "Calibration: on the dashed line predictions are right; large dots are many "
        "rows."
    )
    return Section(
        text,
        tables=[classifiers, _weights(subject, logits(subject.kept)[1])],
        figures=[Figure(figures.diagram(bins), caption)],
    )


def _real(subject: Subject) -> tuple[Transition, str]:
    """Real rows, fresh ones if there is a real system, and what they are."""
    try:
        return subject.real, "fresh episodes in the real system"
    except Missing:
        return (
            subject.dataset.transition,
            "the log, which the discriminators were trained on,",
        )


def _some(rows: Transition, count: int) -> Transition:
    """A sample: with as many rows of each kind, knowing nothing is even odds."""
    chosen = np.random.default_rng(0).permutation(len(rows.r_t))[:count]
    return jax.tree.map(lambda x: np.asarray(x)[chosen], rows._replace(a_t=None))


def _odds(answers: list[Logits]) -> dict[str, list[np.ndarray]]:
    """Classifier -> log-odds of being real, of real and of simulated rows."""
    return {
        "(s, a)": [_difference(sa) for sa, _ in answers],
        "(s, a, s')": [_difference(sa + raw) for sa, raw in answers],
        "s' given (s, a), as weights": [_difference(raw) for _, raw in answers],
    }


def _difference(logits: np.ndarray) -> np.ndarray:
    return logits[:, ratios.REAL] - logits[:, ratios.SIM]


def _weights(subject: Subject, raw: np.ndarray) -> Table:
    """Weights of the simulated rows that the run kept."""
    hyper = subject.experiment.hyper(1)
    low, high = float(hyper.ratio_low[0]), float(hyper.ratio_high[0])
    log_ratio = ratios.dynamics_log_ratio(jnp.asarray(raw))
    weights = np.asarray(ratios.importance_weight(log_ratio, low, high))
    row = (
        f"{len(weights):,} kept",
        f"{weights.mean():.3f}",
        f"{np.median(weights):.3f}",
        f"{np.mean(weights >= high):.1%}",
        f"{numbers.effective(weights):.1%}",
    )
    kinds = "mean weight", "median", "at the upper clip", "effective size"
    return Table(("simulated rows", *kinds), [row])
