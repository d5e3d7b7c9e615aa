"""Training from Python: an experiment made by hand, no flags anywhere."""

import dataclasses
import textwrap

import chex
import jax
import numpy as np
import pytest

from experiments import build, health, loop, reports
from experiments.experiment import Experiment
from experiments.phases import Clock, Scores, phases_of
from experiments.runs import grid
from experiments.training import Simulator, unpadded
from h2o_jax.data import datasets
from h2o_jax.errors import StoppedError
from h2o_jax.sim import gaps, rollout, systems
from tests.commands import write_log
from tests.robots import arm

pytestmark = pytest.mark.usefixtures("fast_compile")
TINY = {
    "task": "hopper",
    "hidden": (8, 8),
    "discriminator_hidden": (8, 8),
    "batch": 8,
    "epochs": 2,
    "steps": 20,
    "updates": 3,
    "evaluate_every": 2,
    "episodes": 2,
}


def experiment(algorithm):
    runs = grid([0, 1], [gaps.parse("gravity:2")], {"discount": [0.9]})
    return Experiment(algorithm=algorithm, runs=runs, **TINY)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = write_log(tmp_path_factory.mktemp("log") / "log.hdf5")
    return datasets.load(str(path), obs_dim=11, action_dim=3)


def test_the_example_of_the_module_runs(capsys):
    example = loop.__doc__.partition("::\n")[2]
    exec(textwrap.dedent(example), {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "0",
        "1",
        "2",
    ]


@pytest.mark.parametrize("algorithm", ["h2o_plus", "sac", "bc"])
def test_every_kind_of_method_trains_from_python(algorithm, log):
    training = build.training(experiment(algorithm), log)
    reports = list(loop.train(training))
    assert [report.epoch for report in reports] == [0, 1, 2]
    assert [report.scores is not None for report in reports] == [True, False, True]
    assert reports[2].scores.returns.shape == (2, 2)
    # Only simulators report returns; bc learns from the log alone.
    assert ("sim/return" in reports[1].metrics) == (algorithm != "bc")
    assert int(training.state.learner.step[0]) == 6


def test_a_clock_over_the_steps_tells_their_seconds_and_changes_nothing(log):
    plain, timed = (build.training(experiment("sac")) for _ in range(2))
    clock = Clock()
    laps = []
    for _ in loop.train(timed, clock.over(phases_of(timed))):
        laps.append(clock.lap())
    list(loop.train(plain))
    assert [set(lap) for lap in laps] == [
        {"evaluate"},
        {"simulate", "learn"},
        {"simulate", "learn", "evaluate"},
    ]
    np.testing.assert_array_equal(
        np.asarray(plain.state.replay.rows), np.asarray(timed.state.replay.rows)
    )


def test_a_phase_that_stops_leaves_the_state_of_the_last_report():
    """Whichever phase it is, going on from there changes no bit."""
    setup = dataclasses.replace(experiment("sac"), evaluate_every=1)
    whole = build.training(setup)
    calls = [0]

    def count():
        calls[0] += 1

    list(loop.train(whole, phases_of(whole, count)))
    # Of 20 steps, blocks of updates, and an evaluation of some steps.
    training, stops = build.training(setup), iter((3, 35, 70, calls[0] - 1))
    left = [next(stops)]

    def check():
        left[0] -= 1
        if left[0] < 0:
            raise StoppedError("stopped", 75)

    epochs = []
    while training.state.epoch < setup.epochs:
        try:
            for report in loop.train(training, phases_of(training, check)):
                epochs.append(report.epoch)
        except StoppedError:
            training.worlds.sim.restore(training.state.sim)
            left[0] = next(stops, 10**6)
    assert sorted(set(epochs)) == [0, 1, 2]
    for name in ("learner", "replay", "best", "sim"):
        chex.assert_trees_all_equal(
            getattr(training.state, name), getattr(whole.state, name)
        )


@pytest.mark.fault
@pytest.mark.parametrize("name", ["critic_lr", "policy_lr"])
def test_a_run_that_diverges_is_lost_and_takes_no_other_along(name):
    def trained(first):
        runs = grid([3], [gaps.parse("gravity:2")], {name: [first, 1e-3]})
        setup = Experiment(algorithm="sac", runs=runs, **{**TINY, "updates": 120})
        training = build.training(setup)
        *_, report = loop.train(training)
        return setup, training.state, report

    setup, state, report = trained(1e30)
    runs, lost = setup.runs, health.lost(setup, report)
    assert list(lost) == [runs[0]] and "finite in 100 updates in a row" in lost[runs[0]]
    error = health.error(setup, lost)
    assert str(error).startswith(f"1 of 2 runs lost; {runs[0].label}, seed 3: its ")
    assert error.exit_code == 5
    assert np.isnan(report.metrics["policy/loss"]).tolist() == [True, False]
    # The other run is that of a grid in which all is well, bit for bit.
    _, healthy, told = trained(1e-4)
    others = ((x.learner.params, x.replay.rows, x.sim) for x in (state, healthy))
    chex.assert_trees_all_equal(*(jax.tree.map(lambda y: y[1], x) for x in others))
    assert {k: x[1] for k, x in told.metrics.items() if x[1] == x[1]} == {
        k: x[1] for k, x in report.metrics.items() if x[1] == x[1]
    }


def half_right(**changes):
    """A training whose first run has a right simulator, and the second a wrong one."""
    runs = grid([0], gaps.parse_list("gravity:0.5,gravity:2"), {})
    chosen = {"runs": runs, "evaluate_every": 1, **changes}
    simulators = [Simulator(runs[0].gap, right=True), Simulator(runs[1].gap)]
    return build.training(
        dataclasses.replace(experiment("sac"), **chosen), simulators=simulators
    )


def test_what_did_best_in_a_right_simulator_is_kept(monkeypatch):
    training = half_right()
    worlds, actors, lines = training.worlds, [], []
    # Of two runs, after each of the epochs 0, 1 and 2.
    means = {
        id(worlds.real): iter([[1.0, 1.0], [2.0, 9.0], [3.0, 0.0]]),
        id(worlds.own): iter([[5.0, 1.0], [7.0, 2.0], [6.0, 3.0]]),
    }

    def evaluate(world, act, episodes, seed):
        returns = np.repeat(np.array(next(means[id(world)]))[:, None], episodes, 1)
        return rollout.Evaluation(*4 * [returns])

    monkeypatch.setattr(rollout, "evaluate", evaluate)
    for report in loop.train(training):
        actors.append(unpadded(training.state.learner.actor, 2))
        lines.append(reports.lines(training.experiment, report, {}, {}))
    first, second = zip(*lines, strict=True)
    assert reports.curve(first, "simulated_return") == [5.0, 7.0, 6.0]
    assert reports.best_so_far(first) == [1.0, 2.0, 2.0]
    # The second run is as if it were alone: the real system finds its best.
    assert reports.curve(second) == [1.0, 9.0, 0.0]
    assert reports.curve(second, "simulated_return") == []
    assert reports.best_so_far(second) == []
    # A policy whose actions were not finite there, at one evaluation, is passed over.
    gone = [first[0], {k: x for k, x in first[1].items() if k != "simulated_return"}]
    assert reports.best_so_far([*gone, first[2]]) == [1.0, 1.0, 3.0]
    chex.assert_trees_all_equal(training.state.best, actors[1])
    assert training.state.best_return.tolist() == [7.0, 9.0]


def test_a_right_simulator_scores_beside_the_real_system():
    training = half_right()
    report = next(loop.train(training))
    real, simulated = report.scores.returns, report.scores.simulated
    assert np.isfinite(simulated[0]).all() and (simulated[0] != real[0]).all()
    assert np.isnan(simulated[1]).all()
    # Without a real system at hand, the simulator's are all the scores that there are.
    unknown = half_right(real=systems.UNKNOWN)
    assert unknown.worlds.own is None
    scores = next(loop.train(unknown)).scores
    np.testing.assert_array_equal(scores.returns[0], simulated[0])
    simulators = [Simulator((), right=True), Simulator(())]
    about = reports.run_facts(training.experiment, simulators)
    assert [x["chosen"] for x in about["runs"]] == ["best", "last"]


def test_simulators_that_are_not_right_score_nothing():
    assert build.training(experiment("sac")).worlds.own is None


@pytest.mark.fault
def test_a_policy_without_finite_actions_is_worth_nothing():
    runs = grid([0, 1], [gaps.parse("gravity:2")], {})
    training = build.training(Experiment(algorithm="sac", runs=runs, **TINY))
    state = training.state
    spoiled = np.array([1e30, 1.0], np.float32)  # finite, but not what comes of it
    policy = jax.tree.map(
        lambda x: x * spoiled.reshape(-1, *[1] * (x.ndim - 1)),
        state.learner.params["policy"],
    )
    params = {**state.learner.params, "policy": policy}
    state.learner = state.learner.replace(params=params, average_policy=policy)
    report = next(loop.train(training))
    assert np.isnan(report.scores.returns[0]).all()
    assert np.isfinite(report.scores.returns[1]).all()
    assert np.isfinite(state.best_return).tolist() == [False, True]
    (lost,) = health.lost(training.experiment, report).items()
    assert lost[0] == runs[0] and "actions are not finite" in lost[1]


@pytest.mark.fault
def test_runs_whose_simulators_blow_up_are_lost():
    texts = "friction:1e300", "gravity:1e30", "gravity:2"
    runs = grid([0], [gaps.parse(text) for text in texts], {})
    setup = Experiment(algorithm="sac", runs=runs, **{**TINY, "steps": 200})
    training = build.training(setup)
    *_, report = loop.train(training)
    share = report.metrics["sim/diverged"]
    assert min(share[:2]) > 0.9 and share[2] == 0
    world = training.worlds.sim
    np.testing.assert_array_equal(share, world.unstable_episodes / world.begun)
    why = "more than 50% of its simulated episodes blew up; weaken --gap"
    assert health.lost(setup, report) == dict.fromkeys(runs[:2], why)


@pytest.mark.fault
@pytest.mark.parametrize(("share", "told"), [(0.01, 0), (0.011, 1), (0.5, 1)])
def test_a_few_episodes_that_blow_up_are_warned_of(share, told):
    setup = experiment("sac")
    metrics = {"sim/diverged": np.array([0.0, share])}
    report = loop.Report(7, metrics, {"critic": np.zeros(2, int)})
    notes = health.notes(setup, report)
    assert len(notes) == told and not health.lost(setup, report)
    assert all(x.startswith(f"warning   {setup.runs[1].label}, seed 1") for x in notes)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("task", "gap", "fix"),
    [
        ("hopper", "gravity:2", "weaken --gap"),
        ("hopper", "none", "check the columns' units (see experiments.audit), or the"),
        (f"{arm.__file__}:TASK", "gravity:2", "check the columns' units"),
    ],
)
def test_only_a_gap_that_was_given_is_to_be_weakened(task, gap, fix):
    runs = grid([0], [gaps.parse(gap)], {})
    setup = Experiment(algorithm="sac", runs=runs, **{**TINY, "task": task})
    metrics = {"sim/diverged": np.array([0.6])}
    report = loop.Report(7, metrics, {"critic": np.zeros(1, int)})
    (why,) = health.lost(setup, report).values()
    assert f"episodes blew up; {fix}" in why


def test_progress_names_settings_where_there_are_several():
    def progress(gap_list, returns):
        runs = grid([0, 1], gaps.parse_list(gap_list), {})
        setup = Experiment(algorithm="sac", runs=runs, **TINY)
        scores = Scores(np.array(returns), np.full((len(runs), 1), 20.0))
        return reports.progress(setup, loop.Report(7, {}, {}, scores)).splitlines()

    (line,) = progress("gravity:2", [[1.0], [3.0]])
    assert line.startswith("epoch    7  episodes of 20 steps, real return      2.0 +- ")
    head, *rows = progress("gravity:2,none", [[1.0], [3.0], [5.0], [5.0]])
    assert head == "epoch    7  episodes of 20 steps, real return"
    assert [x.split()[:2] for x in rows] == [["gravity:2:", "2.0"], ["none:", "5.0"]]
