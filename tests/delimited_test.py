"""CSV and its relatives as robots write them, and columns of times."""

import time

import numpy as np
import pytest

from h2o_jax.data import frames
from h2o_jax.errors import DatasetError


def parse(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    return frames.read(tmp_path / "log.csv")


@pytest.mark.parametrize(
    "text",
    [
        "pitch,torque\n0.5,-1\n1.5,2\n",
        "pitch [rad], torque (N m)\n0.5, -1\n1.5, 2\n",
        "pitch;torque\nrad;N m\n0,5;-1\n1,5;2\n",
        "pitch;torque\n0,5;-1,0\n1,5;2,0\n",
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


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b,\tc\n1,2,\t3\n4,5,\t6\n", ["a", "b", "c"]),
        ("a,b,c;\n1,2,3;\n4,5,6;\n", ["a", "b", "c;"]),
        ("a\tb\n0,5\t1,5\n1,5\t2,5\n", ["a", "b"]),
        ("0,5;1,5\n1,5;2,5\n", ["column_0", "column_1"]),
    ],
)
def test_separators_that_other_signs_stand_beside(tmp_path, text, names):
    frame = parse(tmp_path, text)
    assert list(frame.columns) == names
    assert frame.columns[names[0]].dtype.kind == "f"


def test_a_short_row_between_semicolons_is_told(tmp_path):
    with pytest.raises(DatasetError, match="row 1 has 1 cells, the header 2"):
        parse(tmp_path, "a;b\n0,5;1\n1,5\n2,5;3\n")


def test_what_tells_two_columns_apart_is_no_unit(tmp_path):
    frame = parse(tmp_path, "acc[x],acc[y],t[s]\n1,2,0\n3,4,1\n")
    assert list(frame.columns) == ["acc[x]", "acc[y]", "t"]
    assert frame.units == {"t": "s"}


def test_no_header_numbers_the_columns(tmp_path):
    assert list(parse(tmp_path, "1,2\n3,4\n").columns) == ["column_0", "column_1"]


@pytest.mark.parametrize(
    ("text", "names", "first"),
    [
        ("0,1\n0.5,2\n1.5,3\n", ["0", "1"], [0.5, 1.5]),
        (",0,1\n0,0.5,2\n1,1.5,3\n", ["column_0", "0", "1"], [0, 1]),
        # What looks so below a header is data, and so is what does not count from 0.
        ("a,b\n0,1\n1.5,3\n", ["a", "b"], [0, 1.5]),
        ("# a b\n0 1\n1.5 3\n", ["a", "b"], [0, 1.5]),
        ("0,2\n1.5,3\n", ["column_0", "column_1"], [0, 1.5]),
        ("0\n1.5\n", ["column_0"], [0, 1.5]),
    ],
)
def test_a_header_that_counts_the_columns_as_pandas_does(tmp_path, text, names, first):
    columns = parse(tmp_path, text).columns
    assert list(columns) == names
    assert columns[names[0]].tolist() == first


def test_a_header_in_which_a_name_is_a_number(tmp_path):
    columns = parse(tmp_path, "time,1,2\n0.0,3,4\n0.1,5,6\n").columns
    assert list(columns) == ["time", "1", "2"] and columns["1"].tolist() == [3, 5]


def test_a_first_row_of_missing_values_is_no_line_of_units(tmp_path):
    for stamp in ("2024-01-01T00:00:00", "nan"):
        frame = parse(tmp_path, f"time,a,b\n{stamp},nan,nan\n{stamp},1,2\n")
        assert len(frame.columns["a"]) == 2 and not frame.units
    frame = parse(tmp_path, "time,a,b\nISO,,rad\n2024-01-01T00:00:00,1,2\n")
    assert len(frame.columns["a"]) == 1 and frame.units["b"] == "rad"


@pytest.mark.fault
def test_blanks_in_units_separate_no_columns(tmp_path):
    with pytest.raises(DatasetError, match=r"log\.csv: 0 rows; log more"):
        parse(tmp_path, "tau_1 [N m], tau_2 [N m], mode of the robot\n")
    frame = parse(tmp_path, "f [N m],g [N m]\n1,in the air\n2,on the ground\n")
    assert list(frame.columns) == ["f", "g"]
    assert frame.columns["g"].tolist() == ["in the air", "on the ground"]


@pytest.mark.fault
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


STAMPS = ["2026-01-01", "2026-01-01T00:00:00.5", "2026-01-01T00:00:01"]


@pytest.mark.parametrize(
    ("name", "values", "rate"),
    [
        ("t", [5.0, 5.5, 6.0], None),
        ("stamp_ns", [0, 500_000_000, 1_000_000_000], None),
        ("t", [1_700_000_000_000, 1_700_000_000_500, 1_700_000_001_000], None),
        ("t", [0.0, 500.0, 1000.0], 2.0),  # milliseconds, by the rate
        ("t", ISO, None),
        ("t", [np.nan, 5.0, 5.5, 6.0], None),
        ("t", ["", *ISO], None),
        ("time_msec", [5.0, 505.0, 1005.0], None),
        ("t", np.array(["NaT", *STAMPS], "datetime64[ms]"), None),
        ("t", np.array(STAMPS, "datetime64[ms]"), None),
    ],
)
def test_times(name, values, rate):
    frame = frames.Frame({name: np.array(values)})
    seconds = frames.seconds(frame, name, rate)
    np.testing.assert_allclose(seconds[-3:], [0, 0.5, 1])
    assert np.isnan(seconds[:-3]).all()


def test_dates_without_a_zone_know_no_change_of_clocks(monkeypatch):
    """Berlin's clocks go back at three on this night."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    night = ["2026-10-25T01:59:59", "2026-10-25T02:30:00", "2026-10-25T03:00:01"]
    seconds = frames.seconds(frames.Frame({"t": np.array(night)}), "t")
    monkeypatch.undo()
    time.tzset()
    np.testing.assert_array_equal(seconds, [0, 1801, 3602])
