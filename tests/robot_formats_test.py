"""Robots' logs: every format gives the same transitions, whoever wrote it."""

import dataclasses

import numpy as np
import pytest

from h2o_jax.data import columns_file, datasets, frames
from h2o_jax.data.signals import Signal
from h2o_jax.errors import ConfigError, DatasetError
from tests import robot_logs
from tests.robot_logs import N, write_csv

DIMS = {"obs_dim": 2, "action_dim": 1}


def load(path, file, **options):
    return datasets.load(str(path), columns=file, **DIMS, **options)


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


def test_a_missing_library_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mcap", None)
    monkeypatch.setitem(__import__("sys").modules, "mcap.reader", None)
    (tmp_path / "log.mcap").write_bytes(b"\x89MCAP")
    with pytest.raises(DatasetError, match=r"pip install 'h2o_jax\[logs\]'"):
        frames.read(tmp_path / "log.mcap")


# --- CSV as robots write it -------------------------------------------------------


def parse(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    return frames.read(tmp_path / "log.csv")


@pytest.mark.parametrize(
    "text",
    [
        "pitch,torque\n0.5,-1\n1.5,2\n",
        "pitch [rad], torque (N m)\n0.5, -1\n1.5, 2\n",
        "pitch;torque\nrad;N m\n0,5;-1\n1,5;2\n",
        "pitch\ttorque\n0.5\t-1\n1.5\t2\n",
        "# a robot\n# pitch torque\n0.5 -1\n1.5 2\n",
        "\ufeff%made by a logger\npitch,torque\n\n0.5,-1\n1.5,2\n1.",
    ],
)
def test_header_styles(tmp_path, text):
    frame = parse(tmp_path, text)
    np.testing.assert_array_equal(frame.columns["pitch"], [0.5, 1.5])
    np.testing.assert_array_equal(frame.columns["torque"], [-1, 2])
    wanted = {"pitch": "rad", "torque": "N m"} if "rad" in text else {}
    assert frame.units == wanted
    assert bool(frame.notes) == text.endswith("1.")  # a line that was cut short


def test_text_missing_values_and_flags(tmp_path):
    frame = parse(tmp_path, "mode,q[0],ok\nidle,1,True\nwalk,,False\n")
    assert frame.columns["mode"].tolist() == ["idle", "walk"]
    np.testing.assert_array_equal(frame.columns["q[0]"], [1, np.nan])
    np.testing.assert_array_equal(frame.columns["ok"], [1, 0])


def test_no_header_numbers_the_columns(tmp_path):
    assert list(parse(tmp_path, "1,2\n3,4\n").columns) == ["column_0", "column_1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n4,5\n", "row 1 has 1 cells, the header 2"),
        ("a,a\n1,2\n", "two columns are called a"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    with pytest.raises(DatasetError, match=message):
        parse(tmp_path, text)


ISO = [
    *("2026-01-01T00:00:00Z", "2026-01-01 00:00:00.5+00:00"),
    "2026-01-01T01:00:01+01:00",
]


@pytest.mark.parametrize(
    ("name", "values", "rate"),
    [
        ("t", [5.0, 5.5, 6.0], None),
        ("stamp_ns", [0, 500_000_000, 1_000_000_000], None),
        ("t", [1_700_000_000_000, 1_700_000_000_500, 1_700_000_001_000], None),
        ("t", [0.0, 500.0, 1000.0], 2.0),  # milliseconds, by the rate
        ("t", ISO, None),
        (
            "t",
            np.array(
                ["2026-01-01", "2026-01-01T00:00:00.5", "2026-01-01T00:00:01"],
                "datetime64[ms]",
            ),
            None,
        ),
    ],
)
def test_times(name, values, rate):
    frame = frames.Frame({name: np.array(values)})
    np.testing.assert_allclose(frames.seconds(frame, name, rate), [0, 0.5, 1])


# --- what the columns file decides -------------------------------------------------


def test_jumps_in_time_end_sequences(tmp_path):
    log = robot_logs.rows()
    log["stamp"] = log["stamp"] + 0.5 * (np.arange(N) > 9)  # a pause after row 9
    log["stamp"][30:] -= 0.1  # clocks are set back after row 29
    path = write_csv(tmp_path / "log.csv", log)
    dataset = load(path, robot_logs.columns_file())
    assert len(dataset.transition.r_t) == N - 4  # rows 9, 19, 29 and 59
    assert any(x.startswith("3.33% of the rows are not fo") for x in dataset.notes)
    whole = load(path, robot_logs.columns_file(gap=1.0))
    assert len(whole.transition.r_t) == N - 3  # the pause is no gap then


def test_the_task_rewards_a_log_that_has_none(tmp_path):
    log = robot_logs.rows()
    path = write_csv(tmp_path / "log.csv", log)
    file = robot_logs.columns_file(reward="task", terminal="task")

    def judge(s_tm1, a_tm1, s_t):
        return s_t[:, 0] - a_tm1[:, 0], s_t[:, 0] > 1

    step = load(path, file, judge=judge).transition
    np.testing.assert_allclose(step.r_t, step.s_t[:, 0] - step.a_tm1[:, 0], atol=1e-5)
    fell = step.s_t[:, 0] > 1
    np.testing.assert_array_equal(step.discount_t, ~fell)
    assert fell.any()


def test_without_a_task_there_is_no_reward(tmp_path):
    path = write_csv(tmp_path / "log.csv", robot_logs.rows())
    with pytest.raises(ConfigError, match="leaves rewards or terminals to the task"):
        load(path, robot_logs.columns_file(reward="task"))


def test_a_column_that_is_not_there(tmp_path):
    path = write_csv(tmp_path / "log.csv", robot_logs.rows())
    with pytest.raises(DatasetError, match=r"no column yaw \(found stamp, pitch"):
        load(path, robot_logs.columns_file(episode="yaw"))
    with pytest.raises(DatasetError, match="column reward is not of 0 and 1"):
        load(path, robot_logs.columns_file(timeout="reward"))


TOML = """
rate = 50.0
episode = "episode"
reward = "reward"
terminal = "none"
[[observations]]
column = "pitch, q_0..q_1"
unit = "rad"
[[actions]]
column = "torque"
low = -3
high = 3.0
"""


def read_toml(tmp_path, text):
    (tmp_path / "columns.toml").write_text(text)
    return columns_file.read(str(tmp_path / "columns.toml"))


def test_a_columns_file(tmp_path):
    file = read_toml(tmp_path, TOML)
    assert [x.name for x in file.observations] == ["pitch", "q_0", "q_1"]
    assert {x.unit for x in file.observations} == {"rad"}
    assert file.bounds == ((-3,), (3.0,))
    assert file.columns == ["episode", "reward", "pitch", "q_0", "q_1", "torque"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate", "speed", "'speed' is unknown; use time"),
        ("50.0", "-1", "rate = -1; give a positive number"),
        ('"none"', "0", "terminal = 0 is no text"),
        ("high = 3.0", "", "action torque has limits -3 and None"),
        ("high = 3.0", "high = -4", "limits -3 and -4"),
        ("unit =", "units =", "observations: 'units' is unknown"),
        ("[[actions]]", "[[others]]", "'others' is unknown"),
        ('column = "torque"', "", "a ..actions.. without column"),
        ("rate = 50.0", "rate = ", "cannot be read"),
    ],
)
def test_columns_files_that_are_refused(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message):
        read_toml(tmp_path, TOML.replace(old, new))
