"""The published text format: pairs, limits, stalls, the fall, and what is refused."""

import numpy as np
import pytest

from experiments import data
from experiments.data import Reading
from experiments.experiment import Source
from h2o_jax.data import datasets
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import tasks
from h2o_jax.sim.robot import log as robot_log

STAND = tasks.get("wheel_legged_stand")
FORWARD = tasks.get("wheel_legged_forward")
SHA256 = "088ab5c7278944096bd2684629c8d849ff4716bd4a1de094ce7684fa1a249cb1"

# x, v, theta, theta_dot, torque, done. Row 2's torque exceeds the limit below, row 5's
# above; between rows 3 and 4 the pitch advances by 0.05 rad, which at 0.5 rad/s takes
# 100 ms; row 7 lies, under -9 N m, and what follows was recorded on the ground.
ROWS = np.array(
    [
        [0.000, 0.1, 0.000, 0.5, 0.3, 0],
        [0.001, 0.2, 0.003, 0.5, 0.6, 0],
        [0.002, 0.3, 0.006, 0.5, -3.5, 0],
        [0.003, 0.4, 0.009, 0.5, 0.9, 0],
        [0.004, 0.5, 0.059, 0.5, 1.2, 0],
        [0.005, 0.6, 0.062, 0.5, 3.1, 0],
        [0.006, 0.7, 0.065, 75.0, -8.0, 0],
        [0.007, 0.8, 0.530, 76.0, -9.0, 1],
        [0.008, 0.9, 0.535, 0.5, -9.0, 1],
        [0.009, 1.0, 0.100, 0.5, 0.0, 0],
    ]
)


@pytest.fixture
def path(tmp_path):
    np.savetxt(tmp_path / "log.txt", ROWS)
    return tmp_path / "log.txt"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("columns", {"observations": "x"}),
        ("action_bounds", (-50.0, 50.0)),
        ("max_episode_steps", 3),
    ],
)
def test_flags_for_other_logs_are_refused(path, flag, value):
    """Read, they would do nothing, and yet be promised to who uses the policy."""
    task = Source(task="wheel_legged_stand")
    with pytest.raises(ConfigError, match=f"--{flag}: .*log.txt is in the robot's own"):
        data.read(str(path), task, Reading(**{flag: value}))


def test_reads_up_to_the_fall(path):
    log, digest = robot_log.read(path)
    np.testing.assert_allclose(log.states, ROWS[:8, :4])
    assert np.flatnonzero(log.done).tolist() == [7]
    assert len(digest) == 64
    assert np.flatnonzero(robot_log.stalls(log)).tolist() == [3]


def test_official_pairing_by_hand(path):
    data = robot_log.load(path, STAND)
    rows = data.transition
    # Pairs 0 to 6; dropped: 2 (torque), 3 (stall), 5 (torque); 6 is the fall.
    kept = [0, 1, 4, 6]
    order = [2, 3, 0, 1]
    np.testing.assert_allclose(rows.s_tm1, ROWS[kept][:, order], rtol=1e-6)
    np.testing.assert_allclose(rows.s_t, ROWS[[1, 2, 5, 7]][:, order], rtol=1e-6)
    np.testing.assert_allclose(rows.a_tm1[:, 0], [0.1, 0.2, 0.4, -1], rtol=1e-6)
    assert rows.discount_t.tolist() == [1, 1, 1, 0]
    # 30 - (0.003^2 + 0.5^2 + 0.001^2 + 0.2^2) - 0.3^2
    assert rows.r_t[0] == pytest.approx(30 - 0.29001 - 0.09)
    assert data.episode_lengths.tolist() == [4]
    np.testing.assert_allclose(data.episode_returns, [rows.r_t.sum()], rtol=1e-6)
    assert "1 pairs dropped at stalls, 2 beyond 3 N m" in data.notes[1]


def test_realigned_pairing_by_hand(path):
    rows = robot_log.load(path, FORWARD, "realigned").transition
    # The command of the row after; dropped: 1 (-3.5), 3 (stall), 4 (3.1), 5 (-8).
    np.testing.assert_allclose(rows.s_tm1[:, 0], [0.1, 0.3, 0.7], rtol=1e-6)
    np.testing.assert_allclose(rows.a_tm1[:, 0], [0.2, 0.3, -1], rtol=1e-6)
    np.testing.assert_allclose(rows.s_t, ROWS[[1, 3, 7]][:, [1, 2, 3]], rtol=1e-6)
    # 15 - (0.1 - 0.2)^2 - 0.6^2; the fall costs the clipped torque, 0.5^2 + 3^2.
    assert rows.r_t[0] == pytest.approx(15 - 0.01 - 0.36)
    assert rows.r_t[2] == pytest.approx(15 - 0.25 - 9)
    assert rows.discount_t.tolist() == [1, 1, 0]


def test_a_log_without_a_fall_has_no_terminal(tmp_path):
    np.savetxt(tmp_path / "log.txt", ROWS[:3])
    data = robot_log.load(tmp_path / "log.txt", STAND)
    assert data.transition.discount_t.tolist() == [1, 1]
    assert len(data.episode_returns) == 0


def test_one_odd_reading_is_no_stall():
    states = np.zeros((4, 4))
    states[:, 3] = -0.5
    states[2, 2] = 0.1
    log = robot_log.Log(states, np.zeros(4), np.zeros(4, bool))
    # Up against the direction of turning, then down along with it.
    assert robot_log.stalls(log).tolist() == [False, False, True]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:, :5], "10 rows of 5 numbers; a wheel-legged log has x v"),
        (lambda rows: rows[:1], "1 rows of 6 numbers"),
        (lambda rows: np.where(rows == 0.3, np.nan, rows), "row 0 is not finite"),
        (
            lambda rows: rows + np.array([0, 0, 0, 0, 0, 0.5]),
            r"done \(column 5\) is 0.5 in row 0",
        ),
        (lambda rows: rows * [1, 1, 57, 1, 1, 1], r"theta \(column 2\) .*radians"),
    ],
)
def test_what_is_no_log(tmp_path, change, message):
    np.savetxt(tmp_path / "log.txt", change(ROWS))
    with pytest.raises(DatasetError, match=message) as caught:
        robot_log.load(tmp_path / "log.txt", STAND)
    assert str(caught.value).startswith(str(tmp_path / "log.txt"))
    assert "\n" not in str(caught.value)


@pytest.mark.fault
def test_files_that_cannot_be_read(tmp_path, path):
    (tmp_path / "words.txt").write_text("x v theta theta_dot torque done\n")
    (tmp_path / "empty.txt").write_text("")
    for name in ("words.txt", "empty.txt", "absent.txt"):
        with pytest.raises(DatasetError, match=name):
            robot_log.load(tmp_path / name, STAND)
    with pytest.raises(DatasetError, match="SHA-256"):
        robot_log.load(path, STAND, sha256="0" * 64)
    with pytest.raises(DatasetError, match="4 transitions, 99 are needed"):
        robot_log.load(path, STAND, min_rows=99)
    with pytest.raises(ConfigError, match="choose from official, realigned"):
        robot_log.load(path, STAND, "shifted")


def test_summary_of_a_log(path):
    text = robot_log.summary(robot_log.read(path)[0])
    assert "rows        8 " in text
    assert "stalls      1 " in text


# --- the published log ----------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    from tests.conftest import SHARED

    path = SHARED / "robot" / "log.txt"
    if not path.exists():
        pytest.skip("needs robot/log.txt in shared/data")
    return robot_log.read(path, SHA256)[0], path


def test_counts_of_the_published_log(published):
    log, _ = published
    # 16,588 rows in the file, 16,552 to the fall.
    assert len(log.torque) == 16_552
    assert robot_log.stalls(log).sum() == 60
    _, pairs = robot_log.transitions(log, STAND, "official")
    assert pairs.kept.sum() == 16_443
    _, pairs = robot_log.transitions(log, STAND, "realigned")
    assert pairs.kept.sum() == 16_442
    # As the analysis says: 30 - 29.01 per step before any row is dropped.
    raw = log.states[1:], log.torque[:-1]
    reward = 30 - np.square(raw[0]).sum(axis=1) - np.square(raw[1])
    assert reward[:16_540].mean() == pytest.approx(29.3, abs=0.15)


def test_the_published_log_as_a_dataset(published):
    _, path = published
    for task, mean in ((STAND, 29.3), (FORWARD, 14.65)):
        data = robot_log.load(path, task, min_rows=256)
        rows = data.transition
        assert rows.r_t.mean() == pytest.approx(mean, abs=0.05)
        assert np.sum(rows.discount_t == 0) == 1 == len(data.episode_lengths)
        assert rows.discount_t[-1] == 0
        # A successor is the next row's state but where pairs were dropped.
        chained = (rows.s_t[:-1] == rows.s_tm1[1:]).all(axis=1)
        assert np.sum(~chained) <= 60 + 48
        assert "60 pairs" in datasets.summary(data)


def test_commands_answer_to_the_row_before(published):
    log, _ = published
    jumps = np.flatnonzero(robot_log.stalls(log)[:16_000]) + 1
    moved = np.diff(log.states[:, [2, 3]], axis=0)[jumps - 1]
    for lag, least, most in ((0, 0.0, 0.2), (1, 0.9, 1.0), (2, 0.0, 0.2)):
        change = log.torque[jumps + lag] - log.torque[jumps + lag - 1]
        # Gains of its own for each lag, or a lag at which the command keeps still
        # would be charged with the jump that gains of another predict.
        gains, [left], *_ = np.linalg.lstsq(moved, change)
        assert least < 1 - left / np.square(change).sum() < most
        if lag == 1:
            np.testing.assert_allclose(gains, [16.8, 0.70], rtol=0.1)
