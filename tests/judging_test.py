"""Estimates of policies without a real system, against what can be worked out."""

import matplotlib.image
import numpy as np
import pytest

import h2o_jax
from benchmarks import judged_policies, judging_figure
from benchmarks import judging as benchmark
from experiments import judge, judging, mending, reopening, report, run, run_folder
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.judging import Judging
from experiments.reporting import evaluated
from experiments.run_folder import sealed
from h2o_jax.errors import CheckpointError, ConfigError, DatasetError
from h2o_jax.sim import tasks, worlds
from h2o_jax.sim.identify.fit_plan import Fitting
from tests.commands import TINY, call, experiment_of, write_log
from tests.robots import arm

pytestmark = pytest.mark.usefixtures("fast_compile")
HOW = Judging(discount=0.9, fqe_updates=500, fqe_hidden=(32,), fqe_members=2)


def chain(episodes=60, length=5, seed=0):
    """An action in [-1, 1] is paid at once, whatever the state; the fifth step ends."""
    rng = np.random.default_rng(seed)
    n = episodes * length
    age = np.tile(np.arange(length), episodes)
    mark = np.repeat(rng.uniform(-1, 1, episodes), length)  # tells episodes apart
    a = rng.uniform(-1, 1, n)
    rows = (age, mark), a, a, (age < length - 1), (age + 1, mark)
    s, a, r, d, s_t = (
        np.stack(x, axis=-1) if isinstance(x, tuple) else x for x in rows
    )
    cast = (np.asarray(x, np.float32) for x in (s, a[:, None], r, d, s_t))
    return h2o_jax.Transition(*cast)


def always(value):
    return lambda s: np.full((*np.shape(s)[:-1], 1), value, np.float32)


def test_fitted_q_evaluation_finds_the_value_of_another_policy():
    log = judging.part(chain(), 0.2, 0)
    # 0.5 (1 + .9 + .81 + .729 + .6561) = 2.04755
    found = judging.fitted_q_evaluation(log, always(0.5), HOW)
    assert found.value == pytest.approx(2.04755, rel=0.1)
    assert 0 < found.error < 0.5
    assert judging.fitted_q_evaluation(log, always(-0.5), HOW).value < 0


@pytest.mark.fault
def test_a_log_in_no_order_is_refused():
    rows = chain(length=20)
    order = np.random.default_rng(1).permutation(len(rows.r_t))
    shuffled = rows._replace(**{x: getattr(rows, x)[order] for x in rows._fields[:5]})
    with pytest.raises(DatasetError, match=r"\d+% of the rows of the log are not foll"):
        judging.part(shuffled, 0.2, 0)


def test_of_two_episodes_the_short_one_is_held_out():
    """Ten rows and 990."""
    rows = chain(episodes=1, length=1000)
    for states in (rows.s_tm1, rows.s_t):
        states[:10] += 5000  # another episode
    rows = rows._replace(discount_t=np.ones_like(rows.r_t))
    for seed in range(6):
        assert judging.part(rows, 0.2, seed).held_out.mean() == 0.01


def test_of_two_equal_episodes_either_is_held_out():
    rows = chain(episodes=2, length=50)
    parts = [judging.part(rows, 0.2, seed).held_out for seed in range(6)]
    assert {x.sum() for x in parts} == {50} and {bool(x[0]) for x in parts} == {0, 1}


def test_an_evaluation_may_last_longer_than_an_episode():
    """30 s of 5 ms, where episodes are cut after 1000 steps."""
    assert judging.evaluated_steps(tasks.get("wheel_legged_stand")) == 6000
    assert judging.evaluated_steps(tasks.get("hopper")) == 1000


def test_values_without_an_end_are_reached():
    """One at every step: 1 / (1 - .9) = 10, of which e^-5 is missing."""
    rows, still = chain(), np.float32([0, 1])
    rows = rows._replace(
        r_t=np.ones_like(rows.r_t),
        discount_t=np.ones_like(rows.r_t),
        s_tm1=still * rows.s_tm1,
        s_t=still * rows.s_tm1,
    )
    log = judging.part(rows, 0.2, 0)
    assert judging.fitted_q_evaluation(log, always(0.5), HOW).value == pytest.approx(
        10, rel=0.03
    )


def test_the_step_of_the_targets():
    # 5 / (.01 10,000) = .05; what is missing then is .0067.
    assert judging.target_step(0.99, 10_000) == pytest.approx(0.05)
    assert pytest.approx(np.exp(-5), rel=0.01) == (1 - 0.05 * 0.01) ** 10_000
    assert judging.target_step(0.99, 100) == 1


def test_whole_episodes_are_held_out():
    rows = chain()
    log = judging.part(rows, 0.2, 0)
    marks = {bool(x): set(rows.s_tm1[log.held_out == x, 1]) for x in (True, False)}
    assert not marks[True] & marks[False]
    assert 0.1 < log.held_out.mean() < 0.3
    assert (log.starts[:, 0] == 0).all() and len(log.starts) == len(marks[True])


def test_the_logs_own_value():
    rows = chain(episodes=2)._replace(r_t=np.ones(10, np.float32))
    log = judging.part(rows, 0.5, 0)
    assert judging.logged_value(log, 0.9) == pytest.approx(4.0951)


def test_a_log_of_one_episode():
    with pytest.raises(DatasetError, match="one episode"):
        judging.part(chain(episodes=1), 0.2, 0)


def test_how_far_a_policy_leaves_the_log():
    log = judging.part(chain(episodes=200), 0.2, 0)
    inside, outside = (judging.leaving(log, always(x), 0) for x in (0.0, 5.0))
    assert 0.5 < inside < 2 and outside > 5 * inside


def test_discounted_returns_of_whole_episodes():
    world = worlds.make(arm.TASK, [(), ()], [0, 0])
    act = always(0.0)
    two = lambda s: np.repeat(act(s), 2, axis=-1)  # noqa: E731
    plain = judging.discounted(world, two, 2, 5, 1.0)
    np.testing.assert_allclose(plain[0], world.returns)
    one = judging.discounted(world, two, 2, 5, 0.5)
    assert abs(one[0, 0]) < abs(plain[0, 0])


def test_a_time_limit_that_cuts_values_is_said():
    """Without an end fqe finds 10 as above; five steps of them are 4.0951."""
    lines = [{"policy": "the log itself", "fqe": 4.1, "leaves": 1.0}]
    said = judge.table(lines, 0.9, 5).splitlines()[-1]
    assert said.startswith("episodes of 5 steps hold 41% of an endless discounted")
    assert "hold 63% of" in judge.table(lines, 0.99, 100)
    assert "endless" not in judge.table(lines, 0.99, 1000)


# --- the commands ----------------------------------------------------------------


@pytest.fixture(scope="module")
def unknown(tmp_path_factory):
    """A tiny run whose real system nobody has."""
    folder = tmp_path_factory.mktemp("judged")
    log = write_log(folder / "log.hdf5")
    with pytest.MonkeyPatch.context() as patch:
        call(
            run.main,
            patch,
            *TINY,
            "--algorithm=bc",
            f"--dataset={log}",
            "--gap=gravity:2",
            "--real=unknown",
            "--epochs=1",
            f"--run_dir={folder / 'run'}",
        )
    return folder / "run"


SMALL = ("--fqe_updates=20", "--fqe_hidden=8", "--simulated_episodes=2")


def test_a_run_without_a_real_system_names_no_real_return(unknown, capsys):
    lines = run_folder.metrics(unknown)
    assert all("simulated_return" in x and "return" not in x for x in lines)
    assert run_folder.versions(unknown)["system"]["real"] == "unknown"


def test_judge_says_what_log_and_simulator_do(unknown, monkeypatch, capsys):
    call(judge.main, monkeypatch, f"--run={unknown}", "--which=both", *SMALL)
    printed = capsys.readouterr().out
    assert "the log itself" in printed and "gravity:2, seed 0, best" in printed
    assert "real" not in printed.splitlines()[0]
    path = unknown / run_folder.JUDGED
    found = sealed.read_json(path)["policies"]
    assert len(found) == 3 and {"fqe", "simulated", "leaves"} <= found[1].keys()
    path.write_text(path.read_text().replace(str(found[1]["fqe"]), "1e9"))
    again = rf"judged\.json: was altered .*python -m experiments\.judge {unknown}"
    with pytest.raises(CheckpointError, match=again):
        evaluated.estimates(report.opened(unknown, 1))


def test_the_discount_is_the_runs_own():
    assert judge.discount(experiment_of("--discount=0.995"), None) == 0.995
    assert judge.discount(experiment_of("--discount=0.995"), 0.9) == 0.9
    several = experiment_of("--discount=0.9,0.99")
    with pytest.raises(ConfigError, match=r"--discount: the runs have 0\.9, 0\.99"):
        judge.discount(several, None)
    with pytest.raises(ConfigError, match="--discount: the run has 1, by which"):
        judge.discount(experiment_of("--discount=1"), None)


def test_judge_of_nothing(monkeypatch):
    with pytest.raises(ConfigError, match="--run: empty"):
        call(judge.main, monkeypatch)


@pytest.mark.parametrize(
    ("flags", "finding"),
    [
        (("--results_dir=results",), "--results_dir=results: a cell says real returns"),
        ((), "--dataset: empty, and --real=unknown"),
    ],
)
def test_what_needs_a_real_system(tmp_path, monkeypatch, flags, finding):
    given = (*TINY, "--real=unknown", f"--run_dir={tmp_path / 'run'}", *flags)
    with pytest.raises(ConfigError, match=finding):
        call(run.main, monkeypatch, *given)


def test_the_benchmark_correlates():
    lines = [
        {
            **{"fqe": i + 1.0, "fqe_error": 0.4 + 0.2 * (i > 0)},
            **{"simulated": -float(i), "leaves": 1.0 + (i == 2), "real": i},
        }
        for i in range(4)
    ]
    head, _, fqe, simulated, leaves, within = benchmark.report(lines).splitlines()
    assert head.startswith("4 policies, real returns 0.00 to 3.00")
    assert fqe.split() == ["fqe", *6 * ["1.00"]]
    # Bias: (0 - 2 - 4 - 6) / 4; ranked first is the worst.
    assert simulated.split()[1:] == [*3 * ["-1.00"], "-3.00", "3.00", "0.00"]
    assert leaves.split()[4:] == ["-", "-", "0.00"]
    assert "of 75% of the policies" in within
    assert "too few" in benchmark.report(lines[:2])


def test_the_benchmark_judges_in_mended_simulators(unknown, monkeypatch):
    quick = Fitting(fields=("gravity",), windows=100, long_windows=0, starts=1)
    monkeypatch.setattr(mending, "Fitting", lambda: quick)
    how = Judging(fqe_updates=20, fqe_hidden=(8,), simulated_episodes=2)
    (line,) = benchmark.judged(unknown, how, ["identified"], 1)
    # The simulator has twice the log's gravity; the identified one has the log's.
    assert line["identified"] != line["simulated"] and line["leaves"] > 0


def test_policies_are_kept_at_several_lengths(tmp_path, monkeypatch):
    given = []

    def trains(command, check):
        given.append([x for x in command if x.startswith("--")])
        (tmp_path / "working").mkdir(exist_ok=True)

    monkeypatch.setattr(judged_policies.subprocess, "run", trains)
    judged_policies.train(tmp_path, "iql", [1, 5], ["--task=hopper"])
    assert {x.name for x in tmp_path.iterdir()} == {"iql_1", "iql_5"}
    first, second = given
    assert {"--task=hopper", "--algorithm=iql", "--epochs=1"} < set(first)
    assert second == [f"--resume={tmp_path / 'working'}", "--epochs=5"]


def test_the_stored_estimates_are_drawn(tmp_path):
    line = {"run": "iql_1", "fqe": 1.0, "simulated": 2.0, "leaves": 1.0, "real": 1.0}
    lines = [line, line | {"run": "sac_1", "real": 3.0}]
    judging_figure.draw({"task": lines}, tmp_path / "figure.png")
    assert matplotlib.image.imread(tmp_path / "figure.png").std() > 0.05


@pytest.mark.fault
def test_a_collected_log_that_is_gone_is_not_made_again(tmp_path):
    how = Collecting(cache_dir=str(tmp_path))
    with pytest.raises(DatasetError, match="no log there; make it with"):
        reopening._collected(experiment_of(), how, Reading())
