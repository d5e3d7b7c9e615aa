"""A simulator of which the noise of one step hides that it is wrong."""

import types

import numpy as np
import pytest

from experiments.mending import routes
from h2o_jax.sim import gaps
from h2o_jax.sim.audit import rules

GAPS = [gaps.parse(f"gravity:{x}") for x in (2, 1.5, 1.2, 1.1, 1.05)]
WRONG, BETTER, RIGHT = (0.45, 0.19, 0.22), (0.44, 0.15, 0.1), (0.44, 0.12, 0.07)


def candidate(kind, errors):
    """As the audit has it; errors after more and more steps."""
    route, why = rules.ROUTES[kind]
    return types.SimpleNamespace(
        verdict=rules.Verdict(kind, "", route, why),
        errors=types.SimpleNamespace(
            score=float(np.mean(errors)),
            horizons=[types.SimpleNamespace(rms=x) for x in errors],
        ),
    )


@pytest.mark.parametrize(
    ("kind", "errors", "hidden"),
    [
        ("unexplained", WRONG, True),
        ("unexplained", RIGHT, False),
        ("unexplained", (0.5, 0.3, 0.32), False),
        ("same", WRONG, False),
        ("unexplained", (0.4,), False),
    ],
)
def test_noise_hides_an_error_that_grows_with_the_steps(kind, errors, hidden):
    assert routes._hidden(candidate(kind, errors)) == hidden


def identified(monkeypatch, *found):
    """What the ladder leads to; `found` of each rung's simulator."""
    rungs = iter(GAPS)
    by_gap = dict(zip(GAPS, found, strict=False))
    monkeypatch.setattr(routes, "_fitted", lambda *_: next(rungs))
    monkeypatch.setattr(routes, "_audited", lambda needs, gap: by_gap[gap])
    needs = types.SimpleNamespace(
        settings=types.SimpleNamespace(fields=()), fitting=None
    )
    return routes._identified(needs, gaps.parse("gravity:3"))


def test_a_finer_fit_is_tried_and_used_where_it_halves_the_longest_error(monkeypatch):
    wrong, right = (candidate("unexplained", x) for x in (WRONG, RIGHT))
    gap, found = identified(monkeypatch, wrong, wrong, right)
    assert gap == GAPS[2] and routes._right(found)


def test_what_stays_hidden_chooses_no_policies(monkeypatch, capsys):
    same = [candidate("unexplained", WRONG)] * 4
    gap, found = identified(monkeypatch, *same)
    assert gap == GAPS[0] and not routes._right(found)
    assert "neither right nor half the error" in capsys.readouterr().out


def test_a_right_simulator_under_noise_is_fitted_once(monkeypatch):
    gap, found = identified(monkeypatch, candidate("unexplained", RIGHT))
    assert gap == GAPS[0] and routes._right(found)


def test_a_right_rung_is_used_instead_of_a_wrong_one(monkeypatch):
    found = candidate("uniform", WRONG), candidate("unexplained", BETTER)
    gap, _ = identified(monkeypatch, *found)
    assert gap == GAPS[1]
