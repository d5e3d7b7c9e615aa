"""Robots' logs: every format gives the same transitions, whoever wrote it."""

import dataclasses
import decimal

import numpy as np
import pytest

from h2o_jax.data import bags, datasets, files, frames
from h2o_jax.data.signals import Signal
from h2o_jax.errors import DatasetError
from tests import robot_logs
from tests.robot_logs import N, load


def check(dataset, log, falls=(39,)):
    """Rows 0-18, 20-39 and 40-58, of which only row 39 is terminal."""
    ends = [i for i in (19, 39, 59) if i not in falls]
    kept = np.setdiff1d(np.arange(N), ends)
    step = dataset.transition
    states = np.stack([log["pitch"], log["rate"]], axis=1).astype(np.float32)
    after = np.where(np.isin(kept, falls), kept, kept + 1)
    np.testing.assert_array_equal(step.s_tm1, states[kept])
    np.testing.assert_array_equal(step.s_t, states[after])
    np.testing.assert_allclose(step.a_tm1[:, 0], log["torque"][kept] / 3, atol=1e-6)
    np.testing.assert_array_equal(step.discount_t, ~np.isin(kept, falls))
    np.testing.assert_allclose(step.r_t, log["reward"][kept], rtol=1e-6)
    # The first and the last episode lose the row whose successor is not known.
    np.testing.assert_array_equal(dataset.episode_lengths, [19, 20, 19])


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz", "hdf5"])
def test_tables(tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    log = robot_logs.rows()
    path = getattr(robot_logs, f"write_{kind}")(tmp_path / f"log.{kind}", log)
    dataset = load(path, robot_logs.columns_file())
    check(dataset, log)
    assert "2 rows without a successor left out" in dataset.notes


@pytest.mark.fault
def test_lists_of_several_lengths_are_no_columns(tmp_path):
    """One reading that was lost and one that came twice would shift those between."""
    pytest.importorskip("pyarrow")
    joints = [[1, 1], [2, 2], [], [3, 3, 4, 4], [5, 5]]
    log = {"t": range(5), "joints": joints, "force": [[x, x] for x in range(5)]}
    path = robot_logs.write_parquet(tmp_path / "log.parquet", log)
    assert list(frames.read(path).columns) == ["t", "force_0", "force_1"]


def test_types_that_arrow_has_of_its_own(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    half = decimal.Decimal("0.5")
    table = arrow.table(
        {
            "mode": arrow.array(["a", "b"]).dictionary_encode(),
            "day": arrow.array([0, 1], arrow.date32()),
            "gain": arrow.array([half, 2 * half], arrow.decimal128(5, 2)),
            "late": arrow.array([5, 7], arrow.duration("ms")),
            "fell": arrow.array([True, None]),
            "raw": arrow.array([b"0", b"1"]),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    frame = frames.read(tmp_path / "log.parquet")
    assert list(frame.columns) == ["mode", "day", "gain", "late", "fell"]
    assert frame.columns["mode"].tolist() == ["a", "b"]
    assert frames.seconds(frame, "day").tolist() == [0, 86_400]
    assert frame.columns["gain"].tolist() == [0.5, 1.0]
    np.testing.assert_allclose(frame.columns["late"], [0.005, 0.007])
    np.testing.assert_equal(frame.columns["fell"], [1, np.nan])
    assert frame.notes == ("raw holds binary: left out",)


def test_arrays_of_other_lengths_are_said(tmp_path):
    """A state more than actions, as of a single episode."""
    np.savez(tmp_path / "log.npz", states=np.zeros((101, 2)), actions=np.zeros(100))
    frame = frames.read(tmp_path / "log.npz")
    assert list(frame.columns) == ["states_0", "states_1"]
    assert frame.notes == ("actions has 100 rows, not 101: left out",)


def test_lerobot(tmp_path):
    pytest.importorskip("pyarrow")
    log = robot_logs.rows()
    folder = robot_logs.write_lerobot(tmp_path / "data", log)
    file = robot_logs.columns_file(
        observations=tuple(Signal(f"observation.state.{x}") for x in ("pitch", "rate")),
        actions=(Signal("action_0", "N m", -3.0, 3.0),),
        time="timestamp",
        episode="episode_index",
        reward="next.reward",
        terminal="next.done",
    )
    dataset = load(folder, file)
    check(dataset, log)
    assert dataset.sha256 == datasets.sha256(str(folder))
    old = robot_logs.write_lerobot(tmp_path / "old", log, "v2.1")
    with pytest.raises(DatasetError, match=r"LeRobot layout v2\.1, not v3"):
        load(old, file)
    (folder / "data" / "chunk-000" / "file-001.parquet").unlink()
    with pytest.raises(DatasetError, match=r"40 frames, meta/info.json says 60"):
        load(folder, file)


@pytest.mark.fault
def test_memory_is_asked_for_all_parts_of_a_dataset(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = robot_logs.write_lerobot(tmp_path / "data", robot_logs.rows())
    parts = [parquet.read_metadata(x) for x in (folder / "data").glob("*/*.parquet")]
    sizes = [x.row_group(0).total_byte_size for x in parts]
    assert len(sizes) == 2
    free = files.COPIES * max(sizes)  # enough for either, not for both
    monkeypatch.setattr(files, "available_memory", lambda: free)
    with pytest.raises(DatasetError, match=r"/data: needs .* of memory"):
        frames.read(folder)


def bag_file(**changes):
    """A bag has neither episodes nor rewards."""
    known = {"time": "time", "episode": "", "reward": "task", "terminal": "none"}
    return robot_logs.columns_file(**known | changes)


def zero_reward(s_tm1, a_tm1, s_t):
    return np.zeros(len(s_tm1)), np.zeros(len(s_tm1), bool)


def check_bag(dataset, log):
    step = dataset.transition
    states = np.stack([log["pitch"], log["rate"]], axis=1).astype(np.float32)
    np.testing.assert_array_equal(step.s_tm1, states[:-1])
    np.testing.assert_array_equal(step.s_t, states[1:])
    np.testing.assert_allclose(step.a_tm1[:, 0], log["torque"][:-1] / 3, atol=1e-6)


def test_mcap_of_two_topics(tmp_path):
    pytest.importorskip("mcap_ros2")
    log = robot_logs.rows()
    path = robot_logs.write_mcap(tmp_path / "log.mcap", log)
    file = bag_file(
        observations=(Signal("imu.pitch"), Signal("imu.rate")),
        actions=(Signal("command.effort.wheel", "N m", -3.0, 3.0),),
        rate=None,
    )
    assert list(frames.read(path).columns)[1:] == [
        *("command.effort.wheel", "imu.pitch", "imu.rate")
    ]
    # A command goes with the IMU's message before it, 18 ms old; the first has none.
    for rate in (None, 50.0):
        columns = dataclasses.replace(file, rate=rate)
        step = load(path, columns, judge=zero_reward).transition
        torque = log["torque"][1:59]
        np.testing.assert_allclose(step.a_tm1[:, 0], torque / 3, atol=1e-6)
        np.testing.assert_array_equal(step.s_tm1[:, 0], log["pitch"][:58].astype("f4"))
        np.testing.assert_array_equal(step.s_t[:, 1], log["rate"][1:59].astype("f4"))


def test_a_row_never_holds_a_later_message(tmp_path):
    pytest.importorskip("mcap_ros2")
    log = robot_logs.rows()
    path = robot_logs.write_mcap(tmp_path / "log.mcap", log)
    columns = frames.read(path, frames.Ask(rate=100.0)).columns
    # Rows at 18, 28, 38 ms ...; the IMU is logged at 0, 20, 40 ms, commands at 18, 38.
    pitch, torque = columns["imu.pitch"], columns["command.effort.wheel"]
    np.testing.assert_array_equal(pitch[:5], log["pitch"][[0, 1, 1, 2, 2]])
    np.testing.assert_array_equal(torque[:5], log["torque"][[1, 1, 2, 2, 3]])


def test_a_pause_of_a_recording_is_a_jump_in_time(tmp_path):
    """200 ms of silence after row 29: rows would repeat the messages before."""
    pytest.importorskip("mcap_ros2")
    log = robot_logs.rows()
    log["stamp"] = log["stamp"] + 0.2 * (np.arange(robot_logs.N) > 29)
    path = robot_logs.write_mcap(tmp_path / "log.mcap", log)
    frame = frames.read(path, frames.Ask(rate=50.0))
    # Rows lie 18 ms after a message; those 78 to 198 ms after the last are left out.
    (note,) = frame.notes[1:]
    assert note.startswith("7 rows in pauses of all topics, or after the end of one")
    times = frame.columns["time"]
    assert np.sum(np.diff(times) > 0.021) == 1
    file = bag_file(
        observations=(Signal("imu.pitch"), Signal("imu.rate")),
        actions=(Signal("command.effort.wheel", "N m", -3.0, 3.0),),
        rate=50.0,
        time="time",
    )
    dataset = load(path, file, judge=zero_reward)
    assert len(dataset.transition.r_t) == len(times) - 2


def test_a_topic_that_ends_ends_the_rows(tmp_path):
    """The IMU is silent after row 29; commands go on."""
    pytest.importorskip("mcap_ros2")
    log = robot_logs.rows()
    path = robot_logs.write_mcap(tmp_path / "log.mcap", log, imu=30)
    for rate in (None, 50.0):
        frame = frames.read(path, frames.Ask(rate=rate))
        assert len(frame.columns["time"]) == 30  # commands 1 to 30
        assert frame.notes[1].startswith("29 rows in pauses of all topics, or after")


def test_a_topic_that_is_sent_when_something_happens_ends_nothing(tmp_path):
    """A switch at 0 and 1 s; the rest is logged for 10 s."""
    pytest.importorskip("mcap")
    pytest.importorskip("mcap_ros2")
    seconds = np.arange(0, 10, 0.02)
    switch = np.array([0, 1_000_000_000])
    every = [np.round(1e9 * seconds).astype(int), switch]
    assert bags._end(every[0], every) > every[0][-1]


@pytest.mark.fault
def test_a_column_that_no_topic_has_is_named(tmp_path):
    pytest.importorskip("mcap_ros2")
    path = robot_logs.write_mcap(tmp_path / "log.mcap", robot_logs.rows())
    said = (
        r"no column imu\.roll \(found command\.effort\.wheel, imu\.pitch, imu\.rate\)"
    )
    with pytest.raises(DatasetError, match=said):
        frames.read(path, frames.Ask(["imu.roll"]))


def test_mcap_of_json(tmp_path):
    pytest.importorskip("mcap")
    pytest.importorskip("mcap_ros2")
    log = robot_logs.rows()
    path = robot_logs.write_json_mcap(tmp_path / "log.mcap", log)
    file = bag_file(
        observations=(Signal("imu.pitch"), Signal("imu.rate")),
        actions=(Signal("imu.torque", "N m", -3.0, 3.0),),
    )
    check_bag(load(path, file, judge=zero_reward), log)


def test_parts_of_a_message_that_are_named_may_be_records(tmp_path):
    """As in Gazebo's ModelStates; the first message knows no model yet."""
    pytest.importorskip("mcap")
    pytest.importorskip("mcap_ros2")
    poses = [{"position": {"x": x, "y": 0}} for x in (1.0, 2.0)]
    some = [{"name": ["a"], "pose": [pose], "n": 1} for pose in poses]
    some.insert(0, {"name": [], "pose": [], "n": 0})
    path = robot_logs.write_messages(tmp_path / "log.mcap", "/models", range(3), some)
    columns = frames.read(path).columns
    np.testing.assert_equal(columns["models.pose.a.position.x"], [np.nan, 1, 2])


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
def test_ros_bags(tmp_path, storage):
    pytest.importorskip("rosbags")
    pytest.importorskip("mcap_ros2")
    log = robot_logs.rows()
    folder = robot_logs.write_bag(tmp_path / "bag", log, storage)
    file = bag_file(
        observations=(Signal("joints.position.body"), Signal("joints.velocity.body")),
        actions=(Signal("joints.effort.body", "N m", -3.0, 3.0),),
    )
    check_bag(load(folder, file, judge=zero_reward), log)


@pytest.mark.fault
def test_a_missing_library_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mcap", None)
    monkeypatch.setitem(__import__("sys").modules, "mcap.reader", None)
    (tmp_path / "log.mcap").write_bytes(b"\x89MCAP")
    with pytest.raises(DatasetError, match=r"pip install 'h2o_jax\[logs\]'"):
        frames.read(tmp_path / "log.mcap")
