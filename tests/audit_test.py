"""What an audit says of logs whose system is known."""

import dataclasses
import functools

import numpy as np
import pytest

from experiments import audit as audit_command
from experiments import data
from experiments.experiment import Source
from h2o_jax.data import datasets
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import audit, gaps, tasks, worlds
from h2o_jax.sim.audit import belonging, checks, rules, structure
from h2o_jax.sim.audit.replayer import Replayer, normalised
from h2o_jax.sim.replay_log import Prediction
from h2o_jax.types import Transition
from tests.replay_log_test import record
from tests.worlds import CHEETAH


@functools.cache
def log_of(text="none", name="halfcheetah", n=24, steps=40):
    task = tasks.get(name)
    world = worlds.make(task, [gaps.parse(text)] * n, range(n), threads=1)
    rows = record(world, steps)
    return Transition(*(np.asarray(x, np.float32) for x in rows[:5]))


def audited(text, log, task=CHEETAH, horizons=(5,), **options):
    candidates = gaps.parse_list(text, task.robot)
    options = {"threads": 1, "time_limits": 24} | options
    sample = audit.Sample(horizons, windows=60)
    return audit.audit(task, candidates, log, sample=sample, **options)


SEVERAL = "gravity:2,joint_noise,none,broken_thigh:0.3"


@functools.cache
def several():
    return audited(SEVERAL, log_of())


def by_name(found):
    return {x.name: x for x in found.candidates}


# --- candidates ------------------------------------------------------------------


def test_ranks_are_those_of_the_audit():
    ranked = audit.rank(
        CHEETAH,
        gaps.parse_list(SEVERAL, "halfcheetah"),
        log_of(),
        sample=audit.Sample((5,), windows=60),
        threads=1,
    )
    assert [x.verdict for x in ranked] == [x.verdict for x in several().candidates]
    assert [x.name for x in ranked] == [x.name for x in several().candidates]


def test_the_logs_system_is_first_and_named():
    found = several()
    assert found.best.name == "none"
    assert found.best.verdict[::2] == ("same", "as it is")
    assert found.best.errors.below_largest[0] == 1.0
    assert found.best.errors.reward < 1e-4
    assert found.warnings == ()
    assert (found.rows, found.used, found.sequences) == (960, 960, 24)
    assert found.windows == {5: 24 * 36}


@pytest.mark.parametrize(
    ("name", "kind", "route"),
    [
        ("gravity:2", "uniform", "identify"),
        ("broken_thigh:0.3", "local", "identify"),
        ("joint_noise:1", "noise", "identify"),
    ],
)
def test_each_kind_of_gap_is_told(name, kind, route):
    verdict = by_name(several())[name].verdict
    assert (verdict.kind, verdict.route) == (kind, route)


def test_noise_of_the_log_is_unexplained():
    log = log_of()
    unit = (log.s_t - log.s_tm1).std(axis=0)
    noise = 0.3 * unit * np.random.default_rng(0).standard_normal(log.s_t.shape)
    noisy = log._replace(s_t=(log.s_t + noise).astype(np.float32))
    verdict = audited("none", noisy, horizons=()).best.verdict
    assert (verdict.kind, verdict.route) == ("unexplained", "as it is")


def test_errors_by_hand():
    """Changes of 1 and -1 in the first dimension (std 1), 2 and -2 in the second."""
    s_tm1 = np.zeros((2, 2))
    s_t = np.array([[1.0, 2.0], [-1.0, -2.0]])
    log = Transition(s_tm1, np.zeros((2, 1)), np.zeros(2), np.ones(2), s_t)
    off = np.array([[0.1, 0.0], [0.0, 1.0]])
    prediction = Prediction(
        (s_t + off)[:, None], np.zeros((2, 1)), np.zeros((2, 1), bool),
        np.ones(2, bool), np.zeros((2, 1), bool),
    )  # fmt: skip
    errors, usable = normalised(log, np.arange(2), prediction)
    np.testing.assert_allclose(errors, [[0.1, 0.0], [0.0, 0.5]], atol=1e-12)
    assert usable.all()
    inexact = prediction._replace(exact=np.array([True, False]))
    assert normalised(log, np.arange(2), inexact)[1].tolist() == [True, False]
    # A terminal row that is its own successor tells no state.
    fallen = log._replace(s_t=np.array([[0.0, 0.0], [-1.0, -2.0]]),
                          discount_t=np.array([0.0, 1.0]))  # fmt: skip
    assert normalised(log=fallen, first=np.arange(2), prediction=prediction)[
        1
    ].tolist() == [False, True]


def test_the_place_of_an_error():
    rng = np.random.default_rng(0)
    s = rng.normal(size=(2000, 3))
    size = np.where(s[:, 1] > np.quantile(s[:, 1], 0.75), 1.0, 0.1)
    # A quarter has 1, the others .1: mean .325, 1 / .325 = 3.08
    place = structure.place({"s": s, "a": rng.normal(size=(2000, 1))}, size)
    assert (place.name, place.above) == ("s[1]", True)
    assert str(place).startswith("most where s[1] > ")
    assert place.times == pytest.approx(3.08, abs=0.01)
    assert structure.place({"s": s}, np.ones(2000)) is None


def test_a_smooth_error_is_explained_and_noise_is_not():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 4))
    smooth = np.stack([np.sin(x[:, 0]), 0.5 + 0 * x[:, 1]], axis=1)
    assert structure.explained(x, smooth) > 0.95
    assert structure.explained(x, rng.normal(size=(3000, 2))) < 0.05


def test_only_a_fitted_file_is_identified_already(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[fields]\ngravity = 2\n")
    assert audited(f"@{path}", log_of()).best.verdict.route == "identify"
    path.write_text(path.read_text() + '[provenance]\nmade_by = "identify"\n')
    assert audited(f"@{path}", log_of()).best.verdict.route == "residual"
    assert not gaps.fitted(gaps.parse("gravity:2"))


# --- rules -----------------------------------------------------------------------

EVIDENCE = rules.Evidence(5000, 0.0, 0.2, 0.5, 0.0, 0.7, 0.2, False)


@pytest.mark.parametrize(
    ("changes", "kind", "route"),
    [
        ({}, "uniform", "identify"),
        ({"fitted": True}, "uniform", "residual"),
        ({"rows": 499}, "few", "none"),
        ({"exact": 0.95}, "same", "as it is"),
        ({"worst": 0.005, "exact": 0.5}, "same", "as it is"),
        ({"worst": 0.02, "exact": 0.5}, "close", "as it is"),
        ({"typical": 0.9, "own_noise": 1.0}, "foreign", "identify"),
        ({"typical": 0.9, "fitted": True}, "foreign", "log only"),
        ({"worst": 0.02, "fitted": True}, "close", "as it is"),
        ({"own_noise": 0.5}, "noise", "identify"),
        ({"exact": 0.3, "explained": 0.0}, "local", "identify"),
        ({"explained": 0.05}, "hidden", "identify"),
        ({"explained": 0.05, "fitted": True}, "hidden", "none"),
        ({"explained": 0.05, "beyond_noise": 0.01}, "unexplained", "as it is"),
    ],
)
def test_the_table_of_rules(changes, kind, route):
    verdict = rules.judge(EVIDENCE._replace(**changes))
    assert (verdict.kind, verdict.route) == (kind, route)


def test_every_kind_has_a_route():
    assert {rule.kind for rule in rules.KINDS} == {*rules.ROUTES}
    asked = {kind for kind, (route, _) in rules.ROUTES.items() if route == "identify"}
    assert asked == {*rules.FITTED}


# --- what is wrong with the log ----------------------------------------------------


def test_shifted_actions_are_told():
    log = log_of()
    late = log._replace(a_tm1=np.roll(log.a_tm1, 1, axis=0))
    found = audited("none", late, horizons=())
    assert min(found.lags, key=found.lags.get) == 1
    assert "a state fits the action of 1 row after better" in found.warnings[0]


def test_other_units_of_actions_are_told():
    log = log_of()
    found = audited("none", log._replace(a_tm1=log.a_tm1 / 2), horizons=())
    assert "actions times 2 fit better" in found.warnings[0]
    assert "or low and high in the columns file)" in found.warnings[0]


def test_commands_that_wait_are_those_of_the_same_episode():
    """The log's own simulator has no error, though episodes last 12 steps."""
    late, log = gaps.parse("latency:2"), log_of("latency:2", steps=12)
    replayer = Replayer(CHEETAH, log, threads=1)
    assert checks.scales(replayer, late, 500)[1.0] < 1e-3
    assert checks.lags(replayer, late, 500)[0] < 1e-3


@pytest.mark.fault
def test_rows_out_of_order_are_told():
    log, order = log_of(), np.random.default_rng(0).permutation(960)
    found = audited("none", Transition(*(x[order] for x in log[:5])), time_limits=0)
    assert "the log is out of order" in found.warnings[0]
    assert found.windows == {5: 0} and len(found.best.errors.horizons) == 1
    assert found.best.verdict.kind == "same"
    some = np.arange(960) % 10 > 0
    found = audited("none", Transition(*(x[some] for x in log[:5])))
    assert "there are gaps in time" in found.warnings[0]


def test_a_log_of_another_robot_is_told():
    found = audited("none,gravity:2", log_of(name="walker2d", n=32), time_limits=0)
    assert found.best.verdict[::2] == ("foreign", "identify")
    assert "the log fits the task walker2d" in found.warnings[-1]
    assert found.better_task == "walker2d"
    route = audit_command.report(found, "log.hdf5").splitlines()[-1]
    assert route.startswith("route    --task=walker2d first: the log is not of half")


def test_few_rows_tell_another_robots_log():
    log, cheetah = log_of(name="walker2d", n=32), tasks.get("halfcheetah")
    other = belonging.foreign(Replayer(cheetah, log, threads=1))
    assert (other.task, round(other.own, 2)) == ("walker2d", 1.0) and other.error < 0.01
    right = Replayer(tasks.get("walker2d"), log, threads=1)
    # A wrong simulator of the right robot is not another robot's.
    assert belonging.foreign(right) is None
    assert belonging.foreign(right, gaps.parse("gravity:0.5")) is None
    without = dataclasses.replace(cheetah, pose=None)
    assert belonging.foreign(Replayer(without, log)) is None


@pytest.mark.fault
def test_commands_refuse_or_warn_of_another_robots_log(tmp_path):
    rows = log_of(name="walker2d", n=32)
    log = datasets.Dataset(rows, np.zeros(0), np.zeros(0), 0, "w.npz", "0" * 64)
    source = Source(task="halfcheetah", dataset="w.npz")
    with pytest.raises(DatasetError, match=r"^w.npz: --task=halfcheetah: .* walker2d"):
        data.check_task(source, log, 1)
    assert data.other_task(Source(task="walker2d", dataset="w.npz"), log, 1) is None
    # One that was collected here is not asked.
    assert data.other_task(Source(task="halfcheetah"), log, 1) is None


def test_rewards_of_another_task_are_told():
    log = log_of()
    found = audited("none", log._replace(r_t=2 * log.r_t), horizons=())
    assert found.best.verdict.kind == "same"
    assert "but not the rewards" in found.warnings[0]


def test_a_short_log_has_no_verdict():
    short = Transition(*(x[:200] for x in log_of()[:5]))
    assert audited("none,gravity:2", short).best.verdict[::2] == ("few", "none")


@pytest.mark.fault
def test_what_cannot_be_audited_is_one_line():
    log = log_of()
    with pytest.raises(ConfigError, match="gap gravity:2 is given twice"):
        audited("gravity:2,none,gravity", log)
    task = CHEETAH.__class__(**{**vars(CHEETAH), "pose": None})
    with pytest.raises(ConfigError, match="--task=halfcheetah: its simulator cannot"):
        audited("none", log, task=task)
    walker = log_of(name="walker2d", n=32)
    clipped = walker._replace(s_tm1=np.full_like(walker.s_tm1, 10.0))
    with pytest.raises(DatasetError, match="no row of the log tells its state"):
        audited("none", clipped, task=tasks.get("walker2d"))


def test_samples_are_fixed():
    rows = np.arange(100)
    assert len(structure.spread(rows, 10)) == 10
    np.testing.assert_array_equal(
        structure.spread(rows, 10), structure.spread(rows, 10)
    )
    np.testing.assert_array_equal(structure.spread(rows, 100), rows)


@pytest.mark.fault
@pytest.mark.parametrize(("rms", "said"), [(1.3, 0), (4.9, 0), (24.7, 1)])
def test_columns_in_other_units_are_warned_of(rms, said):
    found = checks.columns(rms)
    assert len(found) == said
    assert all("one step ends 24.7 times as far off" in text for text in found)
