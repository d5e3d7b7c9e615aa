"""What --simulator leads to: identified, corrected, or left as it is."""

import pytest

from experiments import cached, routes
from experiments.experiment import Experiment
from experiments.runs import grid
from experiments.training import Simulator
from h2o_jax.data import datasets
from h2o_jax.sim import gaps
from h2o_jax.sim.identify import Fitting
from tests.commands import write_log

QUICK = Fitting(fields=("gravity",), windows=100, long_windows=0, starts=1)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Random actions in the unmodified Hopper."""
    path = write_log(tmp_path_factory.mktemp("log") / "log.hdf5", rows=900)
    return datasets.load(str(path), obs_dim=11, action_dim=3)


@pytest.fixture
def prepare(log, tmp_path, monkeypatch):
    monkeypatch.setattr(cached, "Fitting", lambda: QUICK)

    def call(simulator, *given):
        runs = grid([0, 1], [gaps.parse(gap) for gap in given], {})
        settings = {"task": "hopper", "algorithm": "sac", "simulator": simulator}
        experiment = Experiment(
            runs=runs,
            residual_updates=100,
            residual_hidden=(8,),
            residual_members=2,
            **settings,
        )
        return routes.prepare(experiment, log, tmp_path / "cache", 1)

    return call


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
    assert first == second and first.residual is None
    # Twice the gravity, scaled by a half, is that of the log's system.
    assert gravity(first) == pytest.approx(0.5, rel=0.02)
    (file,) = (tmp_path / "cache").glob("hopper-identified-*.toml")
    before = file.stat().st_mtime_ns
    assert prepare("identified", "gravity:2")[0] == first
    assert file.stat().st_mtime_ns == before
    assert str(file) in capsys.readouterr().out


def test_the_audit_leaves_a_right_simulator_alone_and_mends_a_wrong_one(
    prepare, capsys
):
    right, *_, wrong = prepare("auto", "none", "gravity:2")
    printed = capsys.readouterr().out
    assert "audit     none: as it is" in printed
    assert right == Simulator(gaps.parse("none"))
    assert "audit     gravity:2: identify" in printed
    assert gravity(wrong) == pytest.approx(0.5, rel=0.02)


def test_both_learns_what_identification_left(prepare, monkeypatch):
    seen = []
    learn = cached.corrected

    def corrected(needs, gap):
        seen.append(gap)
        return learn(needs, gap)

    monkeypatch.setattr(cached, "corrected", corrected)
    prepare("both", "gravity:2")
    assert len(seen) == 1 and gaps.from_file(seen[0])
