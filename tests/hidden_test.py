"""A simulator of which the noise of one step hides that it is wrong."""

import types
from typing import NamedTuple

import numpy as np
import pytest

from experiments import audit as audit_command
from experiments.mending import routes
from experiments.training import Simulator
from h2o_jax.data import datasets
from h2o_jax.sim import audit, gaps, replay_log
from h2o_jax.sim.audit import Sample, noise, rules
from h2o_jax.sim.identify import fit_plan, log_noise
from h2o_jax.types import Transition
from tests.worlds import CHEETAH, recorded

GAPS = [gaps.parse(f"gravity:{x}") for x in (2, 1.5, 1.2, 1.1, 1.05)]
WRONG, BETTER, RIGHT = (0.45, 0.19, 0.22), (0.44, 0.15, 0.1), (0.44, 0.12, 0.07)
NONE = gaps.parse("none")


# --- what noise explains ------------------------------------------------------------


class Drift:
    """`n` environments in which each step adds the action."""

    latency = 0

    def __init__(self, n):
        self.n = n

    def put(self, observations, waiting):
        self.s = observations
        return np.ones(self.n, bool)

    def step(self, action):
        self.s = self.s + action
        zero = np.zeros(self.n)
        flags = zero.astype(bool)
        return types.SimpleNamespace(
            s_t=self.s, reward=zero, terminated=flags, unstable=flags
        )


class Drifting(NamedTuple):
    """In place of a `Replayer`: a log put into `Drift`."""

    log: Transition

    def latency(self, gaps):
        return 0

    def world(self, gaps, n, seed=0):
        return Drift(n)

    def predict(self, gaps, first, steps=1):
        return replay_log.replay_in(Drift(len(first)), self.log, first, steps)


def drifted(sensors=0.0, motion=0.0, wind=0.0, push=0.0, rows=20_000, seed=0):
    """A log of a system that does what `Drift` does, but for noise, wind and pushes."""
    rng = np.random.default_rng(seed)
    a_tm1 = 1 + 0.3 * rng.standard_normal((rows, 2))
    moved = a_tm1 + wind + motion * rng.standard_normal((rows, 2))
    moved += push * rng.choice([-1, 0, 1], (rows, 2), p=[0.02, 0.96, 0.02])
    seen = np.cumsum(moved, axis=0) + sensors * rng.standard_normal((rows, 2))
    ones = np.ones(rows - 1)
    return Transition(seen[:-1], a_tm1[1:], ones, ones, seen[1:])


@pytest.mark.parametrize(("sensors", "motion"), [(0.5, 0.0), (0.0, 0.5), (0.5, 0.2)])
def test_noise_of_sensors_and_of_motion_are_told_apart(sensors, motion):
    found = noise.measure(Drifting(drifted(sensors, motion)), NONE)
    np.testing.assert_allclose(np.square(found.sensors), sensors**2, atol=0.02)
    np.testing.assert_allclose(found.motion.var(axis=0), motion**2, atol=0.03)


def test_the_motions_noise_has_its_sign_and_no_mean():
    """A system that is sometimes far ahead: exponential steps, of which one is wind."""
    log = drifted()
    jumps = np.random.default_rng(0).exponential(1, log.s_t.shape)
    s_t = log.s_t + np.cumsum(jumps, axis=0)
    s_tm1 = np.concatenate([log.s_tm1[:1], s_t[:-1]])
    found = noise.measure(Drifting(log._replace(s_tm1=s_tm1, s_t=s_t)), NONE).motion
    assert np.abs(found.mean(axis=0)).max() < 0.02
    assert np.all((found**3).mean(axis=0) > 1)  # 2 times the share to the power of 1.5


def beyond(log, windows=400, steps=10):
    replayer, first = Drifting(log), np.linspace(0, 19_000, windows).astype(int)
    found = noise.measure(replayer, NONE)
    return noise.beyond(replayer, NONE, found, first, (steps // 2, steps))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "kinds",
    [
        {},
        {"sensors": 0.5},
        {"motion": 0.5},
        {"sensors": 0.3, "motion": 0.3},
        {"sensors": 0.1, "push": 1.0},
        {"sensors": 0.1, "push": 3.0},
    ],
)
def test_noise_explains_all_that_a_right_simulator_gets_wrong(kinds, seed):
    assert beyond(drifted(**kinds, seed=seed)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kinds", [{"sensors": 0.3}, {"motion": 0.1}])
def test_what_noise_does_not_explain_is_what_adds_up(kinds):
    """Ten steps of wind, of 0.05 each, under noise that hides it in one."""
    # In units of a change of std 0.3 a step, read twice with the sensors' noise.
    reads = 2 * kinds.get("sensors", 0) ** 2 + 10 * kinds.get("motion", 0) ** 2
    whole = 10 * 0.05 / (10 * 0.3**2 + reads) ** 0.5
    assert 0.4 * whole < beyond(drifted(wind=0.05, **kinds)) < whole


def test_a_log_that_tells_no_noise():
    """Rows out of order, too few windows, physics that diverge."""
    log = drifted(sensors=0.3, wind=0.05)
    order = np.random.default_rng(0).permutation(len(log.r_t))
    mixed = Transition(*(None if x is None else x[order] for x in log))
    assert noise.measure(Drifting(mixed), NONE) is None
    assert beyond(log, windows=90) is None


def test_windows_that_diverge_late_tell_of_their_first_steps(monkeypatch):
    log = drifted(sensors=0.3, wind=0.05)
    whole, predict = beyond(log), Drifting.predict

    def diverging(*given):
        found = predict(*given)
        return found._replace(
            unstable=np.arange(found.s_t.shape[1]) + 0 * found.r_t > 9
        )

    monkeypatch.setattr(Drifting, "predict", diverging)
    assert beyond(log, steps=20) == pytest.approx(whole, rel=0.2)
    assert beyond(log, steps=50) is None


def audited(share, text):
    """A log that comes with the package, as sensors with noise had recorded it."""
    log = datasets.load("package:halfcheetah", obs_dim=17, action_dim=6).transition
    log = log_noise.added(log, share * np.asarray(log.s_tm1).std(axis=0), seed=0)
    sample = Sample(horizons=(5, 10), rows=2000, windows=300)
    (found,) = audit.rank(CHEETAH, [gaps.parse(text)], log, sample=sample, threads=1)
    return found


@pytest.mark.parametrize("share", [0.002, 0.01, 0.1])
def test_a_right_simulator_is_right_whatever_the_noise(share):
    """Contacts let noise grow, so that ten steps are worse than five."""
    found = audited(share, "none")
    assert found.verdict.kind == "unexplained" and found.verdict.right
    assert found.errors.horizons[2].rms > 1.1 * found.errors.horizons[1].rms
    assert found.errors.beyond_noise < 0.5 * rules.HIDDEN


def test_what_one_step_hides_several_show():
    found = audited(0.01, "gravity:1.2")
    assert found.errors.explained < rules.EXPLAINED
    assert (found.verdict.kind, found.verdict.route) == ("hidden", "identify")
    assert found.errors.beyond_noise > 2 * rules.HIDDEN and not found.verdict.right
    assert "after several steps beyond noise" in audit_command._sentence(found)


def test_a_right_simulator_of_a_system_with_noisy_actions_is_right():
    log = recorded("joint_noise:0.3", rows=4000)
    sample = Sample(horizons=(5, 10), rows=2000, windows=300)
    (found,) = audit.rank(CHEETAH, [NONE], log, sample=sample, threads=1)
    assert found.verdict.kind == "unexplained" and found.errors.beyond_noise == 0


# --- how the ladder goes on ---------------------------------------------------------


def candidate(kind, errors):
    """As the audit has a fitted one; errors after more and more steps."""
    route, why = {**rules.ROUTES, **rules.FITTED}[kind]
    return types.SimpleNamespace(
        verdict=rules.Verdict(kind, "", route, why),
        errors=types.SimpleNamespace(
            score=float(np.mean(errors)),
            horizons=[types.SimpleNamespace(rms=x) for x in errors],
        ),
    )


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
    wrong, better = candidate("hidden", WRONG), candidate("hidden", RIGHT)
    gap, found = identified(monkeypatch, wrong, wrong, better, wrong, wrong)
    assert gap == GAPS[2] and found is better


def test_the_last_rung_is_that_of_what_damps_each_joint(monkeypatch):
    wrong = [candidate("hidden", WRONG)] * 4
    gap, found = identified(monkeypatch, *wrong, candidate("unexplained", RIGHT))
    assert gap == GAPS[4] and found.verdict.right
    assert routes._LADDER[-1][1] is fit_plan.DAMPING


def test_what_stays_hidden_chooses_no_policies(monkeypatch, capsys):
    same = [candidate("hidden", WRONG)] * len(GAPS)
    gap, found = identified(monkeypatch, *same)
    assert gap == GAPS[0] and not found.verdict.right
    assert "neither right nor half the error" in capsys.readouterr().out


def test_a_right_simulator_under_noise_is_fitted_once(monkeypatch):
    gap, found = identified(monkeypatch, candidate("unexplained", RIGHT))
    assert gap == GAPS[0] and found.verdict.right


def test_too_few_rows_are_said_before_a_training_in_what_they_cannot_judge(
    monkeypatch, capsys
):
    monkeypatch.setattr(routes, "_audited", lambda needs, gap: candidate("few", WRONG))
    assert routes._advised(None, NONE) == Simulator(NONE)
    said = "simulator none: too few rows to judge it, so it is used as it is; "
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["uniform", "hidden"])
def test_a_right_rung_is_used_instead_of_a_wrong_one(monkeypatch, kind):
    found = candidate(kind, WRONG), candidate("unexplained", BETTER)
    gap, _ = identified(monkeypatch, *found)
    assert gap == GAPS[1]


def test_what_noise_hides_is_not_corrected(monkeypatch, capsys):
    """Where no fit is better either."""
    hidden = candidate("hidden", WRONG)
    monkeypatch.setattr(routes, "_audited", lambda needs, gap: hidden)
    monkeypatch.setattr(routes, "_identified", lambda needs, gap: (gap, hidden))
    simulator = routes._advised(None, NONE)
    assert simulator.residual is None and not simulator.right
    assert "no residual is learned for it" in capsys.readouterr().out
