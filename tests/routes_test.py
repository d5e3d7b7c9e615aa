"""What --simulator leads to: identified, corrected, or left as it is."""

import dataclasses
import types

import numpy as np
import pytest

from experiments import build, mending
from experiments.experiment import Experiment
from experiments.mending import cached, routes
from experiments.runs import grid
from experiments.training import Simulator
from h2o_jax.data import datasets
from h2o_jax.errors import CheckpointError
from h2o_jax.sim import audit, gaps, identify, tasks
from h2o_jax.sim.audit import rules
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.identify.identified import Judged
from tests.commands import write_log
from tests.corrections import constant

QUICK = Fitting(fields=("gravity",), windows=100, long_windows=0, starts=1)
BODIES = dataclasses.replace(QUICK, fields=("body_mass:each",), bounds=(0.02, 50.0))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Random actions in the unmodified Hopper."""
    path = write_log(tmp_path_factory.mktemp("log") / "log.hdf5", rows=900)
    return datasets.load(str(path), obs_dim=11, action_dim=3)


@pytest.fixture
def prepare(log, tmp_path, monkeypatch):
    monkeypatch.setattr(mending, "Fitting", lambda: QUICK)
    monkeypatch.setattr(routes, "_LADDER", (("those of each body", BODIES),))

    def call(simulator, *given, **settings):
        experiment = experiment_of(simulator, *given, **settings)
        return routes.prepare(experiment, log, tmp_path / "cache", 1)

    return call


def experiment_of(simulator, *given, **settings):
    return Experiment(
        task="hopper",
        algorithm="sac",
        simulator=simulator,
        runs=grid([0, 1], [gaps.parse(gap) for gap in given], {}),
        residual_updates=100,
        residual_hidden=(8,),
        residual_members=2,
        **settings,
    )


def gravity(simulator):
    (value,) = gaps.from_file(simulator.gap)
    return value.value


def test_as_it_is_nothing_changes(prepare):
    wrong = gaps.parse("gravity:2")
    assert prepare("as_is", "gravity:2") == (Simulator(wrong), Simulator(wrong))


def test_an_identified_simulator_has_the_logs_gravity_and_is_kept(
    prepare, tmp_path, capsys
):
    first, second = prepare("identified", "gravity:2")
    assert first == second and first.residual is None and first.right
    # Twice the gravity, scaled by a half, is that of the log's system.
    assert gravity(first) == pytest.approx(0.5, rel=0.02)
    (file,) = (tmp_path / "cache").glob("hopper-identified-*.toml")
    before = file.stat().st_mtime_ns
    assert prepare("identified", "gravity:2")[0] == first
    assert file.stat().st_mtime_ns == before
    assert f" {gravity(first):.3g}; see {file}" in capsys.readouterr().out


def test_a_latency_is_found_by_the_audits_own_advice(tmp_path, monkeypatch):
    """A log whose commands came two steps late; the fields are not named."""
    late = dataclasses.replace(QUICK, fields=(*QUICK.fields, "latency"))
    monkeypatch.setattr(mending, "Fitting", lambda: late)
    assert "latency" in Fitting().fields
    path = write_log(tmp_path / "log.hdf5", rows=700, gap="latency:2")
    log = datasets.load(str(path), obs_dim=11, action_dim=3)
    own = routes.prepare(experiment_of("auto", "gravity:2"), log, tmp_path, 1)[0]
    found = {x.name: x.value for x in gaps.from_file(own.gap)}
    assert found["latency"] == 2 and own.residual is None
    assert found["gravity"] == pytest.approx(0.5, rel=0.02)


def test_what_does_not_help_is_not_used_which_is_kept_too(
    prepare, tmp_path, monkeypatch, capsys
):
    wrong, fit = gaps.parse("gravity:2"), identify.identify
    named = {"fields": ("gravity",)}

    def useless(*given):
        return fit(*given)._replace(judged=Judged({1: 0.2, 10: 0.5}, {1: 0.1, 10: 0.6}))

    with monkeypatch.context() as patch:
        patch.setattr(identify, "identify", useless)
        assert prepare("identified", "gravity:2", **named)[0] == Simulator(wrong)
    waiting = "identify  gravity:2: fitting its fields to the log"
    said = "identify  gravity:2: not better on held-out episodes, not used; see "
    printed = capsys.readouterr().out
    assert waiting in printed and said in printed
    with monkeypatch.context() as patch:
        patch.setattr(identify, "identify", pytest.fail)
        simulators = prepare("identified", "gravity:2", randomise=True, **named)
    assert simulators[0] == Simulator(wrong)
    printed = capsys.readouterr().out
    assert said in printed and "randomise gravity:2: no intervals" in printed
    assert waiting not in printed
    mended = routes.mended(experiment_of("identified", "gravity:2"), simulators)
    assert [*mended.values()] == 2 * [
        {"identified": "not used", "residual": "not used"}
    ]
    # Nothing to draw from is no error here: the fit decides.
    experiment = experiment_of("identified", "gravity:2", randomise=True)
    training = build.worlds(experiment, build.algorithm(experiment), 1, (), simulators)
    assert training.sim.n == 2
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text("[fields]\ngravity = 0.5\n")
    with pytest.raises(CheckpointError, match="no fit of this version; remove it"):
        prepare("identified", "gravity:2", **named)


def test_doubts_about_a_fit_are_said(prepare, monkeypatch, capsys):
    how = dataclasses.replace(QUICK, bounds=(0.8, 2.0), evaluations=1)
    monkeypatch.setattr(mending, "Fitting", lambda: how)
    for _ in range(2):  # fitted, and read again
        prepare("identified", "gravity:2", fields=("gravity",))
        printed = capsys.readouterr().out
        assert "; gravity at a bound, which taints all" in printed


def test_the_fields_that_are_named_are_fitted(prepare, capsys):
    first, second = prepare("identified", "gravity:2", fields=("body_mass",))
    assert [x.name for x in gaps.from_file(first.gap)] == ["body_mass"]
    assert first == second
    usual, _ = prepare("identified", "gravity:2")
    assert [x.name for x in gaps.from_file(usual.gap)] == ["gravity"]
    assert capsys.readouterr().out.count("fitting its fields") == 2


def test_one_log_read_in_two_ways_is_fitted_twice(log, tmp_path):
    rows = log.transition
    halved = dataclasses.replace(log, transition=rows._replace(a_tm1=rows.a_tm1 / 2))
    assert halved.sha256 == log.sha256
    experiment, gap = experiment_of("identified", "gravity:2"), gaps.parse("gravity:2")
    places = {
        cached.fitted_place(mending.of(experiment, one, tmp_path, 1), gap, QUICK)
        for one in (log, halved)
    }
    assert len(places) == 2


def test_the_audit_leaves_a_right_simulator_alone_and_mends_a_wrong_one(
    prepare, capsys
):
    right, *_, wrong = prepare("auto", "none", "gravity:2")
    printed = capsys.readouterr().out
    assert "audit     none: as it is" in printed
    assert right == Simulator(gaps.parse("none"), right=True)
    assert "audit     gravity:2: identify" in printed
    assert gravity(wrong) == pytest.approx(0.5, rel=0.02)


def test_both_learns_what_identification_left(prepare, monkeypatch):
    seen = []
    learn = cached.corrected

    def corrected(needs, gap, begins):
        seen.append(gap)
        return learn(needs, gap, begins)

    monkeypatch.setattr(cached, "corrected", corrected)
    prepare("both", "gravity:2")
    assert len(seen) == 1 and gaps.from_file(seen[0])


def test_the_queue_is_as_long_as_any_mended_simulators():
    own, late = (Simulator(gaps.parse(x)) for x in ("gravity:2", "latency:4"))
    experiment = experiment_of("identified", "gravity:2")
    given = build.algorithm(experiment), 1, [own, late], [own, own]
    assert build.worlds(experiment, *given).sim.latency == 4


def test_where_the_whole_robot_explains_nothing_its_parts_do(prepare, capsys):
    """A thigh of twice the width has some four times its mass."""
    right, _ = prepare("auto", "big_thigh:2")
    found = {x.name: x.value for x in gaps.from_file(right.gap)}
    assert found["body_mass:thigh"] == pytest.approx(0.22, rel=0.15)
    assert found["body_mass:leg"] == pytest.approx(1, rel=0.15)
    assert right.right and right.residual is None
    assert "fitting those of each body" in capsys.readouterr().out


def test_a_simulators_own_noise_is_taken_out(prepare):
    own, _ = prepare("auto", "joint_noise:1", fields=("gravity", "action_noise"))
    assert gaps.interface(own.gap).action_noise == 0
    assert own.right and own.residual is None


def test_parts_that_explain_a_little_are_not_used(prepare, monkeypatch, capsys):
    """Masses make up for some of the gravity, which is not fitted here."""
    other = dataclasses.replace(QUICK, fields=("joint_damping",))
    monkeypatch.setattr(mending, "Fitting", lambda: other)
    wrong, _ = prepare("identified", "gravity:1.2")
    assert not any(":" in x.name for x in gaps.from_file(wrong.gap))
    assert "neither right nor half the error, not used" in capsys.readouterr().out


def climb(monkeypatch, scores, right=""):
    """Rungs that lead from gap to gap; where each began comes to be in the list."""
    (first, *rungs), begun = scores, []

    def audited(needs, gap):
        text = gaps.to_text(gap)
        errors = types.SimpleNamespace(score=scores[text], horizons=())
        route = "as it is" if text == right else "identify"
        return audit.Candidate(text, errors, rules.Verdict("uniform", "", route, ""))

    def fitted(needs, gap, how, what):
        begun.append(gaps.to_text(gap))
        return gaps.parse(first if what == "its fields" else what)

    monkeypatch.setattr(routes, "_LADDER", [(text, BODIES) for text in rungs])
    monkeypatch.setattr(routes, "_audited", audited)
    monkeypatch.setattr(routes, "_fitted", fitted)
    return begun


def test_a_rung_that_is_used_is_where_the_next_begins(prepare, monkeypatch):
    """The second halves the error, the first and the third do not."""
    scores = {"gravity:3": 0.9, "gravity:4": 0.6, "gravity:5": 0.4, "gravity:6": 0.3}
    begun = climb(monkeypatch, scores)
    best = prepare("identified", "gravity:2")[0]
    assert gaps.to_text(best.gap) == "gravity:5" and not best.right
    assert begun == ["gravity:2", "gravity:2", "gravity:2", "gravity:5"]


def test_a_rung_that_makes_it_right_is_used_and_the_last(prepare, monkeypatch):
    """In a noisy log the error is not halved, and state and action tell no more."""
    scores = {"gravity:3": 1.0, "gravity:4": 0.6, "gravity:5": 0.5}
    begun = climb(monkeypatch, scores, right="gravity:4")
    best = prepare("identified", "gravity:2")[0]
    assert gaps.to_text(best.gap) == "gravity:4" and best.right and len(begun) == 2


def test_fields_that_are_named_are_all_that_is_fitted(prepare, capsys):
    named, _ = prepare("identified", "big_thigh:2", fields=("gravity",))
    assert "each body" not in capsys.readouterr().out and not named.right


@pytest.mark.parametrize(
    ("verdicts", "fits", "corrects", "right"),
    [
        (["identify", "residual", "residual"], 2, 1, False),
        (["identify", "residual", "as it is"], 2, 0, True),
        (["identify", "as it is"], 1, 0, True),
        (["as it is"], 0, 0, True),
        (["residual"], 0, 1, False),
        (["foreign:identify"] * 3, 2, 0, False),
        (["foreign:identify", "log only", "log only"], 2, 0, False),
        (["none"], 0, 0, False),
    ],
)
def test_auto_does_what_the_audit_says(
    verdicts, fits, corrects, right, prepare, monkeypatch
):
    left, asked = iter(verdicts), []

    def audited(needs, gap):
        kind, _, route = next(left).rpartition(":")
        verdict = rules.Verdict(kind or "uniform", "", route, "")
        errors = types.SimpleNamespace(score=0.4 ** len(asked), horizons=())
        return audit.Candidate(gaps.to_text(gap), errors, verdict)

    def fitted(needs, gap, how, begins):
        asked.append("fit")
        return gaps.parse("gravity:1.1"), ""

    def corrected(needs, gap, begins):
        asked.append("residual")
        assert gaps.to_text(gap) == ("gravity:1.1" if fits else "gravity:2")
        return constant(tasks.get("hopper"), np.ones(12)), ""

    monkeypatch.setattr(routes, "_audited", audited)
    monkeypatch.setattr(cached, "fitted", fitted)
    monkeypatch.setattr(cached, "corrected", corrected)
    simulator, _ = prepare("auto", "gravity:2")
    assert asked == ["fit"] * fits + ["residual"] * corrects
    assert (simulator.residual is not None) == bool(corrects)
    assert simulator.right == right and next(left, None) is None
