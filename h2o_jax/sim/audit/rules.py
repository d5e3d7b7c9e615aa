"""From measured errors to the kind of a gap and the route that helps; as two tables.

All thresholds are here. Errors are in units of the log's own change over as many
control steps (1: as wrong as a simulator in which nothing moves).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

Kind = Literal[
    "few",
    "same",
    "close",
    "foreign",
    "noise",
    "local",
    "hidden",
    "unexplained",
    "uniform",
]
Route = Literal["none", "as it is", "identify", "residual", "log only"]

ENOUGH = 500
"""Rows below which there is no verdict."""
EXACT = 0.01
"""Error of a row's worst dimension below which the simulator is right there."""
SAME = 0.95
"""Share of exact rows from which on a simulator is the log's system."""
NEAR = 0.005
"""Typical error, at its worst horizon, up to which it is, too."""
CLOSE = 0.03
"""Typical error, at its worst horizon, up to which no correction is worth it."""
LOCAL = 0.1
"""Share of exact rows from which on a simulator is wrong only in places."""
FOREIGN = 0.8
"""Typical error, at its best horizon, from which on a simulator says nothing."""
OWN_NOISE = 0.3
"""Share of the error that two runs of the same simulator differ by; above, noise.

A simulator with the log's own noise has 1 at most, and less where the sensors' noise
makes the states wrong that it starts from."""
EXPLAINED = 0.1
"""Share of the error that a smooth function of (s, a) explains; less is nothing."""
HIDDEN = 0.05
"""Typical error after several steps, beyond what noise makes, from which on a simulator
is wrong although nothing of one step's error is explained."""


class Evidence(NamedTuple):
    """What the rules look at, of one candidate."""

    rows: int
    """Rows that were replayed from an exactly known state."""
    exact: float
    """Share of them whose worst dimension is wrong by less than `EXACT`."""
    typical: float
    """Mean error of a row, capped at 1, at the horizon at which it is least."""
    worst: float
    """The same at the horizon at which it is largest."""
    own_noise: float
    """Squared difference of two runs of this simulator over its squared error."""
    explained: float
    """Share of the squared error that a smooth function of (s, a) explains."""
    beyond_noise: float
    """Typical error after several steps beyond what noise explains; 0 if unknown."""
    fitted: bool
    """Whether this simulator was identified from a log already."""


class KindRule(NamedTuple):
    """The first rule whose condition holds names the kind."""

    kind: Kind
    holds: Callable[[Evidence], bool]
    text: str
    """What it means, for a person."""


KINDS: tuple[KindRule, ...] = (
    KindRule("few", lambda e: e.rows < ENOUGH, "too few rows for a verdict"),
    KindRule(
        "same",
        lambda e: e.exact >= SAME or e.worst <= NEAR,
        "the log's system, as far as the log tells",
    ),
    KindRule("close", lambda e: e.worst <= CLOSE, "nearly the log's system"),
    KindRule(
        "foreign",
        lambda e: e.typical >= FOREIGN,
        "hardly better than a simulator in which nothing moves",
    ),
    KindRule(
        "noise",
        lambda e: e.own_noise >= OWN_NOISE,
        "wrong by about as much as two of its own runs differ",
    ),
    KindRule("local", lambda e: e.exact >= LOCAL, "exact in places, wrong in others"),
    KindRule(
        "hidden",
        lambda e: e.explained < EXPLAINED and e.beyond_noise >= HIDDEN,
        "noise hides what is wrong in one step, and several steps show it",
    ),
    KindRule(
        "unexplained",
        lambda e: e.explained < EXPLAINED,
        "wrong by what no smooth function of state and action explains",
    ),
    KindRule("uniform", lambda e: True, "wrong nearly everywhere"),
)

ROUTES: dict[Kind, tuple[Route, str]] = {
    "few": ("none", "log more before you choose"),
    "same": ("as it is", "simulated rows are as good as logged ones: weight 1 for all"),
    "close": ("as it is", "what is wrong is too small to be worth a correction"),
    "foreign": (
        "identify",
        "simulated rows would mislead as they are; check first that log, task and "
        "actions belong together, as parameters mend only the same robot",
    ),
    "noise": (
        "identify",
        "the log tells how much noise actions have; what else the simulator adds is "
        "left to a residual, which sees what was simulated",
    ),
    "local": (
        "identify",
        "exact rows stay so where parameters explain the others; what they cannot mend "
        "is left to a residual",
    ),
    "hidden": (
        "identify",
        "a fit looks at several steps, in which noise weighs less; a residual sees one",
    ),
    "unexplained": (
        "as it is",
        "neither parameters nor a residual mend what state and action do not tell, "
        "such as noise in the log",
    ),
    "uniform": (
        "identify",
        "no row is right, so weights can only switch the simulator off; what "
        "parameters cannot mend is left to a residual",
    ),
}
"""Kind -> what to do, and why."""

_RESIDUAL: tuple[Route, str] = (
    "residual",
    "its parameters were identified already; what further fields do not mend, such as "
    "body_mass:each or viscous_friction:each, needs a learned correction",
)
FITTED: dict[Kind, tuple[Route, str]] = {
    "foreign": (
        "log only",
        "its parameters were identified already, and simulated rows would still "
        "mislead; check that log, task and actions belong together",
    ),
    "noise": _RESIDUAL,
    "local": _RESIDUAL,
    "hidden": (
        "none",
        "its parameters were identified already: a field may be missing, such as a "
        "damping or a delay, and a residual would learn noise",
    ),
    "uniform": _RESIDUAL,
}
"""The same where a simulator was identified already, and a gap is left."""


class Verdict(NamedTuple):
    """What a candidate is, and what to do with it."""

    kind: Kind
    finding: str
    route: Route
    why: str

    @property
    def right(self) -> bool:
        """Whether nothing is left to mend."""
        return self.route == "as it is"


def judge(evidence: Evidence) -> Verdict:
    """The first rule that holds, and its route."""
    rule = next(rule for rule in KINDS if rule.holds(evidence))
    fitted = FITTED if evidence.fitted else {}
    route, why = {**ROUTES, **fitted}[rule.kind]
    return Verdict(rule.kind, rule.text, route, why)
