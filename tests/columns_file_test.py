"""What the columns file decides about a robot's log."""

import numpy as np
import pytest

from h2o_jax.data import columns_file
from h2o_jax.errors import ConfigError, DatasetError
from tests import robot_logs
from tests.robot_logs import N, load, write_csv


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


@pytest.mark.fault
def test_a_rate_that_the_stamps_contradict(tmp_path):
    path = write_csv(tmp_path / "log.csv", robot_logs.rows())
    message = r"columns\.toml says rate = 25, its stamps are 50 rows per second; mend"
    with pytest.raises(DatasetError, match=message):
        load(path, robot_logs.columns_file(rate=25.0))
    load(path, robot_logs.columns_file(rate=48.0))  # as well as anybody knows it
    message = "no row is followed by its successor; check episode, time, rate and gap"
    with pytest.raises(DatasetError, match=message):
        load(path, robot_logs.columns_file(gap=0.01, terminal="none"))


@pytest.mark.fault
@pytest.mark.parametrize("spec", ["q_1..q_0", "q_0..q_1,", "pitch,,rate"])
def test_columns_that_name_none(tmp_path, spec):
    text = f"[[observations]]\ncolumn = {spec!r}\n[[actions]]\ncolumn = 'u'\n"
    path = tmp_path / "columns.toml"
    path.write_text(text + "low = -1\nhigh = 1\n")
    with pytest.raises(ConfigError, match="which names none; give names, or q_0"):
        columns_file.read(str(path))


def test_rows_that_are_not_sorted(tmp_path):
    order = np.random.default_rng(0).permutation(N)
    log = {
        name: np.asarray(column)[order] for name, column in robot_logs.rows().items()
    }
    path = write_csv(tmp_path / "log.csv", log)
    message = r"stamp goes back after \d+% of the rows; sort by \w+ and stamp"
    with pytest.raises(DatasetError, match=message):
        load(path, robot_logs.columns_file())


@pytest.mark.parametrize("missing", [0, 9, 10])
def test_a_row_without_a_stamp_hides_no_jump(tmp_path, missing):
    log = robot_logs.rows()
    log["stamp"] = log["stamp"] + 0.5 * (np.arange(N) > 9)
    log["stamp"][missing] = np.nan
    dataset = load(write_csv(tmp_path / "log.csv", log), robot_logs.columns_file())
    # Besides 19 and 59, what ends by the episodes: the jump, and around the gap.
    left = {9, 19, 59, missing, missing - 1} - {-1}
    assert len(dataset.transition.r_t) == N - len(left)


def test_a_robot_that_lies_is_no_episode_a_row(tmp_path):
    """Its flag stays for rows 33 to 37; row 38 is up again, and row 39 falls."""
    log = robot_logs.rows()
    log["fell"][33:38] = 1
    log["fell"][52:] = 1
    dataset = load(write_csv(tmp_path / "log.csv", log), robot_logs.columns_file())
    falls = np.flatnonzero(dataset.transition.discount_t == 0)
    np.testing.assert_array_equal(
        dataset.transition.s_tm1[falls, 0], log["pitch"][[33, 39, 52]].astype("f4")
    )
    assert dataset.episode_lengths.tolist() == [19, 14, 2, 13]
    note = "11 rows after a terminal one, as the robot lay, left out"
    assert note in dataset.notes


def test_a_task_that_finds_the_robot_lying_ends_its_episode_once(tmp_path):
    """Row 4 falls; rows 5 to 8 begin on the ground, the last of which is picked up."""
    log = robot_logs.rows()
    path = write_csv(tmp_path / "log.csv", log)
    file = robot_logs.columns_file(reward="task", terminal="task")

    def judge(s_tm1, a_tm1, s_t):
        return s_t[:, 0], np.isin(s_t[:, 0], log["pitch"][5:9])

    dataset = load(path, file, judge=judge)
    assert np.sum(dataset.transition.discount_t == 0) == 1
    assert dataset.episode_lengths.tolist() == [5, 10, 19, 19]
    states = dataset.transition.s_tm1[:, 0]
    assert not np.isin(states, log["pitch"][5:9].astype("f4")).any()
    note = "4 rows after a terminal one, as the robot lay, left out"
    assert note in dataset.notes


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


@pytest.mark.fault
@pytest.mark.parametrize("name", ["rate", "torque", "reward"])
def test_text_between_the_numbers_of_a_column(tmp_path, name):
    log = {k: v.tolist() for k, v in robot_logs.rows().items()}
    log[name][7], log[name][5] = "oops", ""  # a number that is missing is no text
    path = tmp_path / "log.csv"
    lines = [",".join(map(str, row)) for row in zip(*log.values(), strict=True)]
    path.write_text("\n".join([",".join(log), *lines]) + "\n")
    message = f"log.csv: column {name}, row 7: 'oops' is no number; mend it or"
    with pytest.raises(DatasetError, match=message):
        load(path, robot_logs.columns_file())


@pytest.mark.fault
@pytest.mark.parametrize("name", ["rate", "torque", "reward"])
def test_a_cell_without_a_number_is_told_by_column_and_row_of_the_file(tmp_path, name):
    """Row 19, the last of its episode, is left out: nobody asks what it has."""
    log = robot_logs.rows()
    log[name][[30, 45]] = np.nan
    log["torque"][19] = log["reward"][19] = np.nan
    path = write_csv(tmp_path / "log.csv", log)
    message = rf"csv: column {name} has 2 values that are not finite, the first in row"
    with pytest.raises(DatasetError, match=f"{message} 30; mend the log or remove"):
        load(path, robot_logs.columns_file())
    log[name][[30, 45]] = 0.0
    dataset = load(write_csv(path, log), robot_logs.columns_file())
    assert len(dataset.transition.r_t) == 58


@pytest.mark.fault
def test_a_decimal_comma_in_a_table_of_commas(tmp_path):
    log = {k: v.tolist() for k, v in robot_logs.rows().items()}
    log["rate"][3] = '"0,5"'
    path = tmp_path / "log.csv"
    lines = [",".join(map(str, row)) for row in zip(*log.values(), strict=True)]
    path.write_text("\n".join([",".join(log), *lines]) + "\n")
    with pytest.raises(DatasetError, match="column rate, row 3: '0,5' is no number"):
        load(path, robot_logs.columns_file())


@pytest.mark.fault
def test_dates_are_no_observations(tmp_path):
    pytest.importorskip("pyarrow")
    log = robot_logs.rows() | {"rate": np.arange(N).astype("datetime64[s]")}
    path = robot_logs.write_parquet(tmp_path / "log.parquet", log)
    with pytest.raises(DatasetError, match=r"column rate holds datetime64.*, not num"):
        load(path, robot_logs.columns_file())


@pytest.mark.fault
def test_a_column_that_is_not_there(tmp_path):
    path = write_csv(tmp_path / "log.csv", robot_logs.rows())
    with pytest.raises(DatasetError, match=r"no column yaw \(found stamp, pitch"):
        load(path, robot_logs.columns_file(episode="yaw"))
    with pytest.raises(DatasetError, match="column reward is not of 0 and 1"):
        load(path, robot_logs.columns_file(timeout="reward"))


@pytest.mark.fault
def test_limits_of_actions_are_given_once(tmp_path):
    """What was learned in one pair of limits was exported in the other."""
    path = write_csv(tmp_path / "log.csv", robot_logs.rows())
    message = r"^--action_bounds: columns\.toml has low and high of its actions; change"
    with pytest.raises(ConfigError, match=message):
        load(path, robot_logs.columns_file(), action_bounds=(-1.0, 1.0))


@pytest.mark.fault
def test_an_action_beyond_its_limits_is_told_in_the_files_units(tmp_path):
    log = robot_logs.rows()
    log["torque"] = np.linspace(-4.0, 20.0, N)
    path = write_csv(tmp_path / "log.csv", log)
    # The last of 58 rows that are kept is row 58: -4 + 58 24 / 59.
    message = (
        r"log\.csv: column torque goes from -4 to 19\.59 N m, beyond its limits -3 and "
        r"3 in 74\.14% of the rows; mend low and high in columns\.toml$"
    )
    with pytest.raises(DatasetError, match=message):
        load(path, robot_logs.columns_file())


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


@pytest.mark.fault
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate", "speed", "'speed' is unknown; use time"),
        ("50.0", "-1", "rate = -1; give a number > 0"),
        ('"none"', "0", "terminal = 0 is no text"),
        ('"reward"', '"none"', "reward = 'none'; name a column, or leave it out"),
        ('"episode"', '"none"', "episode = 'none'; name a column, or leave it out"),
        ("high = 3.0", "", "action torque has limits -3 and None"),
        ("high = 3.0", "high = -4", "limits -3 and -4"),
        ("low = -3", "low = -inf", "actions: low = -inf; give a finite number"),
        ("high = 3.0", "high = inf", "actions: high = inf; give a finite number"),
        ('"rad"', '"rad"\nlow = nan', "observations: low = nan; give a finite"),
        ("high = 3.0", f"high = 1{'0' * 400}", "high = 1000.*give a finite number"),
        ("high = 3.0", 'high = "3"', "high = '3'; give a finite number"),
        ('"rad"', "3", "observations: unit = 3; give text"),
        ("50.0", "inf", "rate = inf; give a number > 0"),
        ("50.0", f"1{'0' * 400}", "rate = 1000.*; give a number > 0"),
        ("unit =", "units =", "observations: 'units' is unknown"),
        ("[[actions]]", "[[others]]", "'others' is unknown"),
        ('column = "torque"', "", "a ..actions.. without column"),
        ("rate = 50.0", "rate = ", r"no TOML \(.*\); mend it"),
        ("q_0..q_1", "q_0..q_1, q_1", "column q_1 is named twice; name it once"),
        ('column = "torque"', 'column = "q_0"', "column q_0 is named twice"),
        ("pitch", "episode", "column episode is named twice"),
        ("rate = 50.0", "latency = -1", "latency = -1; give a number >= 0"),
        ("rate = 50.0", 'time = "torque"', "column torque is named twice"),
    ],
)
def test_columns_files_that_are_refused(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message):
        read_toml(tmp_path, TOML.replace(old, new))


@pytest.mark.fault
@pytest.mark.parametrize("entry", ["5", "true", '"pitch"', "{ column = 'pitch' }"])
def test_observations_that_are_no_list_of_tables(tmp_path, entry):
    text = TOML.split("[[observations]]")[0] + f"observations = {entry}\n"
    with pytest.raises(ConfigError, match=r"no \[\[observations\]\]; list them"):
        read_toml(tmp_path, text)
