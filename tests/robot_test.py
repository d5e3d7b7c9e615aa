import json
import pathlib

import jax
import numpy as np
import pytest
from PIL import Image

import h2o_jax
from experiments import build, collect, data, policies, run, run_folder
from experiments.cli import parsing
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.robot import __main__ as robot
from experiments.robot import report, scores
from experiments.run_folder import checkpoints
from h2o_jax import numpy_policy
from h2o_jax.data import hdf5
from h2o_jax.errors import CheckpointError, ConfigError, DatasetError
from h2o_jax.sim import tasks
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot import scripted_operator
from h2o_jax.sim.rollout import Evaluation, Trace
from h2o_jax.types import Hyper, ObsScales, Transition, unit_scales
from tests.commands import TINY, call, experiment_of, parsed, write_log, write_run

pytestmark = pytest.mark.usefixtures("fast_compile")
STAND = (
    *TINY,
    "--task=wheel_legged_stand",
    "--gap=idealised",
    "--collect_rows=400",
    "--steps=20",
    "--updates=2",
    "--epochs=1",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One run of each method, on the operator's log and on its text."""
    root = tmp_path_factory.mktemp("robot")
    [log] = scripted_operator.drive(450)
    task = tasks.get("wheel_legged_stand")
    kept = np.flatnonzero(robot_log.transitions(log, task, "official")[1].kept)
    table = np.column_stack([log.states, log.torque, log.done])
    # As many transitions as are collected: one program learns from both.
    np.savetxt(root / "log.txt", table[: kept[399] + 2])
    h2o = ("--discriminate_rows=0:16", "--seed=0..1")
    with pytest.MonkeyPatch.context() as patch:
        for name, flags in {
            "h2o": (*h2o, "--pairing=realigned"),
            "text": (*h2o, f"--dataset={root / 'log.txt'}"),
            "sac": ("--algorithm=sac", "--normalise"),
        }.items():
            places = (f"--run_dir={root / name}", f"--cache_dir={root / 'cache'}")
            call(run.main, patch, *STAND, *flags, *places)
    return root


def test_a_run_shows_the_robot(runs):
    files = {path.name for path in (runs / "h2o").iterdir()}
    wanted = {"scores.json", "scores.md", "motion.png", "visited.png", "robot.gif"}
    assert wanted <= files
    assert "survival.png" not in files  # one robot only
    with Image.open(runs / "h2o" / "robot.gif") as gif:
        assert gif.n_frames > 1


def test_the_published_text_is_a_dataset(runs):
    facts = json.loads((runs / "text" / "versions.json").read_text())["data"]
    assert facts["name"] == "log.txt"


def test_pairings_make_different_logs(runs, monkeypatch):
    places = (f"--cache_dir={runs / 'cache'}", f"--out={runs / 'official.hdf5'}")
    call(collect.main, monkeypatch, *STAND, *places)
    logs = {
        hdf5.attribute(path, "pairing"): path
        for path in (runs / "cache").glob("*-operator-*.hdf5")
    }
    official = hdf5.read(runs / "official.hdf5", None)
    other = hdf5.read(logs["realigned"], None)
    assert len(official["actions"]) == len(other["actions"]) == 400
    # Realigned, a state has the command that the official pairing gives the next one.
    np.testing.assert_array_equal(official["actions"][1:51], other["actions"][:50])


def test_a_log_keeps_its_pairing(runs, tmp_path, monkeypatch):
    log = tmp_path / "log.hdf5"
    places = (f"--cache_dir={runs / 'cache'}", f"--out={log}")
    call(collect.main, monkeypatch, *STAND, "--pairing=realigned", *places)
    assert hdf5.attribute(log, "pairing") == "realigned"
    assert load_data(*STAND, "--pairing=realigned", f"--dataset={log}") is not None
    with pytest.raises(ConfigError, match=r"--pairing=official: .* paired realigned;"):
        load_data(*STAND, "--pairing=official", f"--dataset={log}")


def test_a_log_that_states_no_pairing_is_taken_as_it_is(tmp_path):
    """So that a preset with a pairing serves anybody's log."""
    log = write_log(tmp_path / "log.hdf5")
    arguments = (*TINY, f"--dataset={log}", "--pairing=realigned")
    assert load_data(*arguments) is not None


def load_data(*arguments):
    flags = parsed(*arguments)
    reading, how = flags.of(Reading), flags.of(Collecting)
    experiment = parsing.experiment(flags)
    return data.load(experiment, build.algorithm(experiment), reading, how)


def test_sac_sees_observations_normalised_by_the_log(runs):
    folder = runs / "sac"
    log = runs / "cache" / run_folder.versions(folder)["data"]["name"]
    observed = hdf5.read(log, None)["observations"]
    mean, std = observed.mean(axis=0), observed.std(axis=0)
    # Learning, collecting and the stored policy have the same scales: the log's.
    learner = checkpoints.read(folder / "checkpoint").arrays
    for name, wanted in (("mean", mean), ("std", std)):
        found = learner[f"['learner'].scales.obs_{name}"]
        np.testing.assert_allclose(found, [wanted], rtol=1e-4, atol=1e-6)
    actors = policies._actors(folder, "last")
    unit = ObsScales(np.zeros((1, len(mean)), "f4"), np.ones((1, len(std)), "f4"))
    unscaled = numpy_policy.make(actors._replace(scales=unit))
    some = observed[None, :50]
    acted = policies.load(folder)(some[0])
    np.testing.assert_allclose(acted, unscaled((some - mean) / std)[0], atol=1e-6)
    assert np.abs(acted - unscaled(some)[0]).max() > 5e-4


def test_sac_learns_in_units_of_its_scales():
    """Raw rows with scales are rows in those units without."""
    sac, key = h2o_jax.sac(4, 1, hidden=(8, 8)), jax.random.key(0)
    rng = np.random.default_rng(0)
    s_tm1, s_t = rng.normal(size=(2, 256, 4)).astype("f4")
    a_tm1, r_t = s_tm1[:, :1] / 9, s_t[:, 0]
    hyper, unit = Hyper(critic_lr=1e-2, policy_lr=1e-2), unit_scales(4, 1)
    mean, std = np.array([[1, 0, -1, 2], [2, 0.5, 1, 0.1]], "f4")
    given = unit._replace(obs_mean=mean, obs_std=std)

    def learned(scales, scale):
        rows = Transition(scale(s_tm1), a_tm1, r_t, np.ones(256, "f4"), scale(s_t))
        state = sac.init(key, hyper, scales)
        for _ in range(20):
            state, _ = sac.update(state, None, rows)
        return np.concatenate([x.ravel() for x in jax.tree.leaves(state.params)])

    wanted = learned(unit, lambda s: s)
    found = learned(given, lambda s: s * std + mean)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert np.abs(learned(given, lambda s: s) - wanted).max() > 0.1


def test_methods_are_compared_in_several_robots(runs, monkeypatch, capsys):
    out = runs / "figures"
    call(
        robot.main,
        monkeypatch,
        f"--runs={runs / 'h2o'},plain={runs / 'sac'}",
        "--real=none,latency:4",
        "--episodes=2",
        f"--out={out}",
    )
    stored = json.loads((out / "scores.json").read_text())
    known, found = stored["provenance"], stored["scores"]
    assert known["episodes"] == 2
    assert known["date"].startswith("20")
    assert known["commit"] == run_folder.versions(runs / "sac")["commit"]
    assert known["runs"]["plain"]["flags"]["algorithm"] == "sac"
    assert known["runs"]["h2o_plus"]["data"]["sha256"]
    assert str(runs) not in json.dumps(known)
    assert list(found) == ["none", "latency:4"]
    assert list(found["none"]) == ["h2o_plus", "plain"]
    assert len(found["none"]["h2o_plus"]["seconds"]) == 2
    assert (out / "survival.png").is_file()
    printed = capsys.readouterr().out
    assert "| fitted | h2o_plus | 2 |" in printed
    assert "| latency:4 | plain | 1 |" in printed


def test_folders_may_have_an_equals_sign_in_their_names():
    for text, name, folder in (
        ("runs/h2o", "", "runs/h2o"),
        ("H2O+=runs/h2o", "H2O+", "runs/h2o"),
        ("runs/lr=3", "", "runs/lr=3"),
        ("H2O+=runs/lr=3", "H2O+", "runs/lr=3"),
        ("./lr=3", "", "lr=3"),
    ):
        assert robot._name_and_folder(text) == (name, pathlib.Path(folder))


def test_the_command_runs_as_many_episodes_as_the_published_tables(runs, monkeypatch):
    reports = []
    monkeypatch.setattr(report, "report", lambda *given: reports.append(given))
    call(robot.main, monkeypatch, f"--runs={runs / 'h2o'}")
    call(robot.main, monkeypatch, f"--runs={runs / 'h2o'}", "--episodes=7")
    assert [given[4] for given in reports] == [5, 7]
    call(robot.main, monkeypatch, f"--runs={runs / 'h2o'}", "--which=best")
    assert [x.which for x in reports[-1][1].values()] == ["best"]
    assert experiment_of("--task=wheel_legged_stand").episodes == 10


@pytest.mark.fault
@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ("", ConfigError, "--runs"),
        ("{0}/nowhere", CheckpointError, "no run folder"),
        ("{0}/h2o,{0}/text", ConfigError, "NAME=FOLDER"),
    ],
)
def test_useless_folders_are_refused(runs, monkeypatch, given, error, match):
    with pytest.raises(error, match=match):
        call(robot.main, monkeypatch, f"--runs={given.format(runs)}")


def test_a_text_log_is_for_this_robot_only(runs, monkeypatch):
    with pytest.raises(DatasetError, match=r"unknown kind of file"):
        call(run.main, monkeypatch, *TINY, f"--dataset={runs / 'log.txt'}")


def test_a_run_knows_its_flags(runs):
    assert run_folder.flags(runs / "h2o")["pairing"] == "realigned"


def trace(x, speed, seconds, fell, returns):
    """A trace of one policy and one episode from its rows."""
    steps = len(x)
    qpos, qvel = np.zeros((2, 1, 1, steps, 4))
    qpos[..., 0], qvel[..., 0] = x, speed
    evaluation = Evaluation(
        *(np.array([[v]]) for v in (returns, steps - 1, seconds, fell))
    )
    time = np.linspace(0, seconds, steps)[None, None]
    nothing = np.zeros((1, 1, steps, 1))
    return Trace(time, qpos, qvel, nothing, nothing, evaluation)


def test_scores_of_standing_by_hand():
    # 4 steps; 30 - 110/4 = 2.5 is the cost per step.
    found = scores.of_trace(
        tasks.get("wheel_legged_stand"),
        trace([0, -0.1, -0.3, 0.2, 0.1], np.zeros(5), 0.02, True, 110.0),
    )
    assert found == {
        "seconds": [0.02],
        "fallen": [1.0],
        "displacement": [0.3],
        "cost": [2.5],
    }


def test_scores_of_driving_by_hand():
    # Errors -0.2, 0.1, 0.1, 0.2 and 0: the root of 0.1 / 5.
    found = scores.of_trace(
        tasks.get("wheel_legged_forward"),
        trace(np.zeros(5), [0, 0.3, 0.3, 0.4, 0.2], 30.0, False, 58.0),
    )
    assert found["speed_error"] == pytest.approx([np.sqrt(0.02)])
    assert found["cost"] == [0.5]
    assert found["fallen"] == [0.0]


def test_runs_that_differ_in_more_than_the_seed_are_not_one_method(tmp_path):
    labels = ["idealised:1", "idealised:1", "idealised:1 expectile=0.5"]
    runs = [{"label": label, "seed": 0} for label in labels]
    write_run(tmp_path, runs=runs)
    assert report.by_setting("iql", tmp_path) == {
        "iql idealised:1": (tmp_path, (0, 1), "chosen"),
        "iql idealised:1 expectile=0.5": (tmp_path, (2,), "chosen"),
    }
    write_run(tmp_path, runs=runs[:2])
    assert report.by_setting("iql", tmp_path, "best") == {
        "iql": (tmp_path, (0, 1), "best")
    }
