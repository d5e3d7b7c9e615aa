"""Discriminators and weights, tried on simulated episodes that they have not seen."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from experiments import learned
from experiments.reporting import figures, numbers
from experiments.reporting.page import Figure, Missing, Section, Table
from experiments.reporting.subject import Subject
from h2o_jax import ratios
from h2o_jax.types import Transition, has_successor


def _difference(logits: np.ndarray) -> np.ndarray:
    return logits[:, ratios.REAL] - logits[:, ratios.SIM]


_RATIO = "s' given (s, a), as weights"
_ODDS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "(s, a)": lambda sa, raw: _difference(sa),
    "(s, a, s')": lambda sa, raw: _difference(sa + raw),
    _RATIO: lambda sa, raw: _difference(raw),
}
"""Classifier -> log-odds `[n]` of being real, of its logits `[n, 2]`; see
`learned.discriminators`."""


def discriminators(subject: Subject) -> Section:
    """Area under curve and calibration of both classifiers; what weights are worth."""
    logits = learned.discriminators(subject.folder, subject.run)
    rows, bins = [], {}
    for name, (real, told) in _real(subject).items():
        count = min(len(real.r_t), len(subject.simulated.r_t))
        of_real, of_sim = (
            _ODDS[name](*logits(_shuffled(x, count))) for x in (real, subject.simulated)
        )
        chance = scipy.special.expit(np.concatenate([of_real, of_sim]))
        bins[name] = numbers.reliability(chance, np.repeat([True, False], count))
        area = f"{numbers.area(of_real, of_sim):.3f}"
        error = f"{numbers.calibration_error(bins[name]):.3f}"
        rows.append((name, f"{count:,} of {told}", area, error))
    text = [
        "Each is given as many real rows as rows of fresh episodes of the policy in "
        "its simulator, which no classifier has seen. Area under the curve: 0.5 tells "
        "nothing, 1 tells every row. Calibration error: mean distance of predicted "
        "and observed shares. Weights come from what s' adds to (s, a): where that "
        "tells nothing, they do not see the gap of the dynamics.",
    ]
    head = "classifier", "real rows", "area under curve", "calibration error"
    weights = _weights(subject, logits(subject.kept)[1])
    caption = (
        "Calibration: on the dashed line predictions are right; large dots are many "
        "rows."
    )
    figure = Figure(figures.diagram(bins), caption)
    return Section(text, tables=[Table(head, rows), weights], figures=[figure])


def _real(subject: Subject) -> dict[str, tuple[Transition, str]]:
    """Classifier -> the real rows that it is tried on, and what they are.

    Both classifiers have learned to tell the log from the policy's rows, also by where
    they go. The ratio is of dynamics alone, and tried on the policy's own rows.
    """
    found = {}
    if subject.log is not None:
        # No one learns of a row whose successor was never logged.
        kept = has_successor(subject.log.transition)
        log = jax.tree.map(lambda x: np.asarray(x)[kept], subject.log.transition)
        found = dict.fromkeys(_ODDS, (log, "the log, seen in training"))
    if subject.experiment.knows_real:
        found[_RATIO] = subject.real, "fresh episodes"
    if not found:
        raise Missing(subject.why)
    return found


def _shuffled(rows: Transition, count: int) -> Transition:
    """A sample: with as many rows of each kind, knowing nothing is even odds."""
    chosen = np.random.default_rng(0).permutation(len(rows.r_t))[:count]
    return jax.tree.map(lambda x: np.asarray(x)[chosen], rows._replace(a_t=None))


def _weights(subject: Subject, raw: np.ndarray) -> Table:
    """Weights of the simulated rows that the run kept."""
    hyper = subject.experiment.hyper(len(subject.experiment.runs))
    low, high = (float(x[subject.run]) for x in (hyper.ratio_low, hyper.ratio_high))
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
