"""A task's own rewards for a log that has none."""

import dataclasses

import numpy as np
import pytest

from experiments import audit, data, task_reward
from experiments.experiment import Experiment, Source
from experiments.exporting import robot_record
from experiments.runs import Run
from experiments.training import Simulator
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.data.signals import Signal
from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, tasks
from tests import robot_logs
from tests.commands import call


def test_rewards_and_falls_of_the_wheel_legged_robot():
    judge = task_reward.judge(tasks.get("wheel_legged_stand"))
    # theta, theta_dot, x, v; beyond pi / 6 = 0.52 rad the robot lies.
    s_t = np.array([[0.1, 0.2, 0.3, 0.4], [0.6, 0, 0, 0]])
    rewards, fell = judge(np.zeros((2, 4)), np.array([[0.5], [-1.0]]), s_t)
    # 30 - (0.01 + 0.04 + 0.09 + 0.16) - 1.5^2 and 30 - 0.36 - 3^2
    np.testing.assert_allclose(rewards, [27.45, 20.64])
    np.testing.assert_array_equal(fell, [False, True])


@pytest.mark.fault
def test_a_reward_of_what_no_observation_tells_is_refused():
    judge = task_reward.judge(tasks.get("halfcheetah"))
    with pytest.raises(ConfigError, match="depends on position 0 of the model"):
        judge(np.zeros((2, 17)), np.zeros((2, 6)), np.zeros((2, 17)))


@pytest.mark.fault
def test_a_task_without_a_pose_is_refused():
    task = dataclasses.replace(tasks.get("hopper"), pose=None)
    with pytest.raises(ConfigError, match="gives no state for an observation"):
        task_reward.judge(task)(np.zeros((2, 11)), np.zeros((2, 3)), np.zeros((2, 11)))


# --- a robot's log as the commands read it -------------------------------------------


def write_log(path, rate=200):
    """A CSV of the standing robot, whose actions are in N m and without rewards."""
    rng = np.random.default_rng(0)
    names = ("theta", "theta_dot", "x", "v", "torque")
    rows = {"t": np.arange(50) / rate} | {x: rng.normal(size=50) / 9 for x in names}
    return robot_logs.write_csv(path, rows), rows


def read(path, rate=200.0):
    signals = tuple(Signal(x, "rad") for x in ("theta", "theta_dot", "x", "v"))
    file = ColumnsFile(signals, (Signal("torque", "N m", -3, 3),), rate, "t")
    source = Source(task="wheel_legged_stand", dataset=str(path))
    return file, data.read(str(path), source, data.Reading(columns=file))


def test_the_commands_reward_a_log_by_its_task(tmp_path):
    path, rows = write_log(tmp_path / "log.csv")
    _, log = read(path)
    states = np.stack([rows[x] for x in ("theta", "theta_dot", "x", "v")], axis=1)
    wanted = 30 - np.square(states[1:]).sum(axis=1) - rows["torque"][:-1] ** 2
    np.testing.assert_allclose(log.transition.r_t, wanted, rtol=1e-5)
    assert not any("rows per second" in note for note in log.notes)


def test_another_rate_than_the_tasks_is_noted(tmp_path):
    path, _ = write_log(tmp_path / "log.csv", rate=50)
    _, log = read(path, 50.0)
    (note,) = [x for x in log.notes if "rows per second" in x]
    assert note.startswith("the log has 50 rows per second, the task 200 control steps")


COLUMNS = """
rate = 50.0
time = "t"
[[observations]]
column = "theta, theta_dot, x, v"
[[actions]]
column = "torque"
low = -3
high = 3
"""


def test_the_audit_warns_of_another_rate_than_the_tasks(tmp_path, monkeypatch, capsys):
    path, _ = write_log(tmp_path / "log.csv", rate=50)
    (tmp_path / "columns.toml").write_text(COLUMNS)
    log = f"--dataset={path}", f"--columns=@{tmp_path}/columns.toml"
    given = ("--task=wheel_legged_stand", *log, "--out=", "--horizons=2")
    call(audit.main, monkeypatch, *given)
    said = "warning  the log has 50 rows per second, the task 200 control steps"
    assert said in capsys.readouterr().out


def test_a_task_that_knows_no_rate_has_no_other(tmp_path):
    path, _ = write_log(tmp_path / "log.csv", rate=50)
    file, _ = read(path, 50.0)
    timeless = tasks.get("gymnasium:MountainCarContinuous-v0")
    assert data.rate_note(timeless, data.Reading(columns=file)) == []


def test_what_a_run_keeps_of_its_robot(tmp_path):
    path, rows = write_log(tmp_path / "log.csv")
    file, log = read(path)
    run = Run(0, ())
    experiment = Experiment(task="wheel_legged_stand", dataset=str(path), runs=(run,))
    kept = robot_record.record(
        experiment, log, data.Reading(columns=file), [Simulator(())]
    )
    assert kept["actions"] == [{"name": "torque", "unit": "N m", "low": -3, "high": 3}]
    first = kept["observations"][0]
    assert (first["name"], first["unit"]) == ("theta", "rad")
    assert first["high"] == pytest.approx(rows["theta"][:-1].max(), rel=1e-6)
    assert kept["rate_hz"] == 200
    plain = robot_record.record(experiment, None, data.Reading(), [Simulator(())])
    assert [x["name"] for x in plain["observations"]] == [
        "theta",
        "theta_dot",
        "x",
        "v",
    ]
    assert plain["observations"][0]["low"] is None
    # The model's motors reach 3 N m, two control steps of 5 ms later.
    (torque,) = plain["actions"]
    assert torque == dict(name="torque_per_wheel", unit="N m", low=-3, high=3)
    assert plain["latency_seconds"] == pytest.approx(0.01)
    assert kept["latency_seconds"] == plain["latency_seconds"]
    for said in (0.0, 0.02):
        reading = data.Reading(columns=dataclasses.replace(file, latency=said))
        own = robot_record.record(experiment, log, reading, [Simulator(())])
        assert own["latency_seconds"] == said
    assert plain["simulators"] == kept["simulators"]
    other = [Simulator(gaps.parse("gravity:2", "wheel_legged"))]
    heavier = robot_record.record(experiment, None, data.Reading(), other)
    assert heavier["simulators"] != kept["simulators"]
    three = dataclasses.replace(file, observations=file.observations[:3])
    with pytest.raises(
        ConfigError, match="3 observations are described, the task has 4"
    ):
        robot_record.record(
            experiment, log, data.Reading(columns=three), [Simulator(())]
        )


def test_a_latency_that_was_identified_is_in_the_contract_or_told(tmp_path):
    """The task's own are two steps of 5 ms."""
    fitted = tmp_path / "fitted.toml"
    text = "[fields]\nlatency = 1\n[provenance]\nmade_by = 'identify'\n"
    fitted.write_text(text)
    simulators = [Simulator(gaps.parse(f"@{fitted}", "wheel_legged"))]
    experiment = Experiment(task="wheel_legged_stand", runs=(Run(0, ()),))
    file, _ = read(write_log(tmp_path / "log.csv")[0])

    def notes(latency, found=simulators):
        columns = dataclasses.replace(file, latency=latency, path="columns.toml")
        reading = data.Reading(columns=columns)
        return robot_record.notes(experiment, reading, found)

    assert notes(0.005) == notes(0.006) == notes(0.0, [Simulator(())]) == []
    (note,) = notes(0.0)
    assert "identified with a latency of 0.005 s, columns.toml says 0 s, and" in note
    assert notes(None) == []

    def kept(latency):
        reading = data.Reading(columns=dataclasses.replace(file, latency=latency))
        return robot_record.record(experiment, None, reading, simulators)

    assert kept(None)["identified_latency_seconds"] == {"none": pytest.approx(0.005)}
    assert kept(None)["latency_seconds"] == pytest.approx(0.01)  # the task's
    assert kept(0.0)["identified_latency_seconds"] == {}  # its owner knows
