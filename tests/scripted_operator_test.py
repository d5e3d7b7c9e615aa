"""The scripted operator: its law, its log, both pairings, a file that reloads."""

import jax
import numpy as np
import pytest

from experiments.robot import operate
from h2o_jax.data import datasets
from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, tasks
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot import scripted_operator
from tests.commands import call

STAND = tasks.get("wheel_legged_stand")
FORWARD = tasks.get("wheel_legged_forward")


@pytest.fixture(scope="module")
def logs():
    return scripted_operator.drive(1200, [0, 1])


def test_a_row_holds_the_command_of_the_row_before(logs):
    for seed, log in enumerate(logs):
        joystick = scripted_operator._joystick(1200, seed)
        x, v, theta, theta_dot = log.states.T
        wanted = 15.4 * theta + 0.82 * theta_dot + 2 * v + 0.6 * x + joystick
        follows = ~log.done[:-1]
        np.testing.assert_allclose(
            log.torque[1:][follows], np.clip(wanted, -3, 3)[:-1][follows], atol=1e-12
        )
        assert log.torque[0] == 0


def test_logs_do_not_depend_on_their_company(logs):
    [alone] = scripted_operator.drive(300, [1])
    np.testing.assert_array_equal(alone.states, logs[1].states[:300])
    assert (logs[0].states[0] != logs[1].states[0]).any()


def test_it_drives_at_a_speed(tmp_path, monkeypatch, capsys):
    path = tmp_path / "driving.txt"
    call(operate.main, monkeypatch, "--speed=0.2", "--rows=3000", f"--out={path}")
    assert "3,000" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="exists, and may be somebody's own work"):
        call(operate.main, monkeypatch, "--rows=300", f"--out={path}")
    log, _ = robot_log.read(path)
    [again] = scripted_operator.drive(3000, [1], speed=0.2)
    np.testing.assert_allclose(log.states, again.states, rtol=1e-8, atol=1e-12)
    # Against standing with the same joystick; the odometry takes 5 ms a row.
    [standing] = scripted_operator.drive(3000, [1])
    ahead = (log.states - standing.states)[1000:, :2]
    assert ahead[:, 1].mean() == pytest.approx(0.2, abs=0.02)
    assert (ahead[-1, 0] - ahead[0, 0]) / len(ahead) == pytest.approx(0.001, abs=1e-4)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--out=", r"--out=: give a path ending in \.txt"),
        ("--real=x", "--real=x: gap 'x'"),
    ],
)
def test_what_no_log_can_be_made_with_names_its_flag(
    tmp_path, monkeypatch, given, message
):
    with pytest.raises(ConfigError, match=f"^{message}"):
        call(operate.main, monkeypatch, f"--out={tmp_path / 'log.txt'}", given)


def test_a_fall_ends_an_episode():
    # 20 N s on 12 kg: 1.7 m/s at once, which 3 N m at each wheel cannot catch.
    [log] = scripted_operator.drive(600, [0], gaps.parse("push:20"))
    lying = np.abs(log.states[:, 2]) > np.pi / 6
    falls = np.flatnonzero(log.done)
    assert len(falls) > 1
    np.testing.assert_array_equal(lying, log.done)
    # The next row is a new episode's first: upright, no command yet, odometry zero.
    begins = falls[falls < 599] + 1
    assert not log.torque[begins].any()
    assert not log.states[begins, 0].any()
    data = robot_log.dataset(log, STAND, "realigned", "here")
    assert np.sum(data.transition.discount_t == 0) == len(falls)
    assert len(data.episode_lengths) == len(falls)
    chained = (data.transition.s_t[:-1] == data.transition.s_tm1[1:]).all(axis=1)
    assert not chained[data.transition.discount_t[:-1] == 0].any()


@pytest.mark.parametrize("task", [STAND, FORWARD], ids=lambda task: task.name)
@pytest.mark.parametrize("pairing", robot_log.PAIRINGS)
def test_records_as_many_transitions_as_asked(task, pairing, logs):
    data = scripted_operator.record(task, 500, seed=1, pairing=pairing)
    rows = data.transition
    assert [len(x) for x in jax.tree.leaves(rows)] == [500] * 5
    assert all(x.dtype == np.float32 for x in jax.tree.leaves(rows))
    again = scripted_operator.record(task, 500, seed=1, pairing=pairing)
    np.testing.assert_array_equal(rows.r_t, again.transition.r_t)
    # The first pair of the log, whose command is the one before or the one after.
    torque = logs[1].torque[1 if pairing == "realigned" else 0]
    np.testing.assert_allclose(rows.a_tm1[0], torque / 3, rtol=1e-6)
    assert pairing in data.notes[0]


@pytest.mark.parametrize("seed", range(3))
def test_the_realigned_action_depends_on_its_state(seed):
    gain = scripted_operator.GAINS[[2, 3, 0, 1]]
    steps = {}
    for pairing in robot_log.PAIRINGS:
        rows = scripted_operator.record(STAND, 1500, seed, pairing).transition
        # What the law leaves unexplained; the one limited to 3 N m is left out.
        rest = 3 * rows.a_tm1[:, 0] - rows.s_tm1 @ gain
        free = np.abs(rows.a_tm1[:, 0]) < 1
        next_row = (rows.s_t[:-1] == rows.s_tm1[1:]).all(axis=1) & free[:-1] & free[1:]
        steps[pairing] = np.diff(rest)[next_row].std()
    # Levels cannot tell the pairings apart, as states resemble the ones before. From
    # row to row, the right state leaves the joystick alone, 0.44 N m with 45 rows of
    # memory: 0.44 sqrt(2 (1 - exp(-1 / 45))) = 0.0923 N m.
    assert steps["realigned"] == pytest.approx(0.0923, rel=0.06)
    assert steps["official"] > 1.1 * steps["realigned"]


def test_falls_do_not_cost_transitions():
    # Resets of std 3 rad, mostly beyond 30 degrees: falls after a single step,
    # and no pair leads from any to the next episode.
    real = gaps.parse("reset_spread:100")
    rows = scripted_operator.record(STAND, 400, real=real).transition
    assert len(rows.r_t) == 400
    assert np.sum(rows.discount_t == 0) > 40


def test_the_log_reloads_from_a_file(tmp_path):
    data = scripted_operator.record(STAND, 400)
    path = tmp_path / "log.hdf5"
    datasets.write_d4rl(
        path, data.transition, np.zeros(400, bool), {"task": STAND.name}
    )
    loaded = datasets.load(str(path), obs_dim=4, action_dim=1)
    for a, b in zip(loaded.transition, data.transition, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_joystick_is_slow():
    joystick = scripted_operator._joystick(200_000, 0)
    assert joystick.std() == pytest.approx(0.44, rel=0.05)
    later = np.mean(joystick[:-45] * joystick[45:]) / joystick.var()
    assert later == pytest.approx(np.exp(-1), abs=0.04)


def test_unknown_pairing():
    with pytest.raises(ConfigError, match="'shifted' is unknown; choose from off"):
        scripted_operator.record(STAND, 20, pairing="shifted")
