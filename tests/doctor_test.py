"""The log's doctor: each illness is found, and a sound log has none."""

import types

import numpy as np
import pytest

from experiments import audit, data, drafting, inspect
from h2o_jax.data import doctor, frames, toml
from h2o_jax.data.signals import Signal
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.types import Transition
from tests import robot_logs
from tests.commands import call, write_log

N = 1000


def log():
    """`[N]` rows of a swing with noise at 50 per second, in two episodes."""
    rng = np.random.default_rng(0)
    ends = np.isin(np.arange(N), (499, 999))
    return {
        "observations": swing(np.arange(N)) + 0.1 * rng.normal(size=(N, 2)),
        "actions": rng.uniform(-1, 1, (N, 1)),
        "observation_names": ["pitch", "rate"],
        "action_names": ["torque"],
        "seconds": np.arange(N) / 50,
        "ends": ends,
    }


def swing(t):
    """`[N, 2]` an angle and its rate, 100 rows a period."""
    phase = 2 * np.pi * t / 100
    return np.stack([np.sin(phase), np.cos(phase)], axis=1)


def test_a_sound_log():
    sound = log()
    assert doctor.findings(**sound) == []
    # Between episodes time may jump, and the doctor can do without names and times.
    sound["seconds"][500:] += 100
    assert doctor.findings(**sound) == []
    assert doctor.findings(sound["observations"], sound["actions"]) == []
    assert doctor.findings(sound["observations"][:1], sound["actions"][:1]) == []


def ill(change):
    sick = log()
    change(sick)
    return doctor.findings(**sick)


def back(x):
    x["seconds"][100:500] -= 1


def still(x):
    x["seconds"][1:100:2] = x["seconds"][0:100:2]


def pause(x):
    x["seconds"] += np.cumsum(np.arange(N) % 100 == 50)


def twice(x):
    for name in ("observations", "actions"):
        x[name][1:101:2] = x[name][0:100:2]


def flat(x):
    x["observations"][:, 1] = 2.5


def stuck(x):
    x["observations"][200:300, 0] = 0.125


def shuffled(x):
    x["observations"] = np.random.default_rng(1).permutation(x["observations"])


def joined(x):
    """Four episodes that nothing tells apart."""
    t = np.arange(N)
    x["observations"] = 0.2 * swing(t % 250) + 2 * (t // 250 % 2)[:, None]
    x["ends"] = None


def clipped(x):
    x["actions"] = np.clip(2 * x["actions"], -1, 1)


def broken(x):
    x["observations"][7, 0] = np.nan


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (back, "time goes backwards after 0.10% of the rows"),
        (still, "5.01% of the rows have the time of the row before"),  # 50 of 998
        # 10 of 998 steps; the rows are 0.02 s apart.
        (
            pause,
            "1.00% of the rows are not followed by their successor: there are gaps",
        ),
        (twice, "5.01% of the rows repeat the row before"),  # 50 of 999
        (
            shuffled,
            "no row is like the row before it (rate, the steadiest, changes 101%",
        ),
        # 3 of 999.
        (joined, "0.30% of the rows jump, in pitch, rate: episodes joined without"),
        (flat, "rate is always 2.5: the sensor is stuck"),
        (stuck, "pitch does not change over 100 rows"),
        (clipped, "torque is clipped in 49% of the rows, at -1 or 1"),
        (
            broken,
            "pitch is not finite in 0.10% of the rows, the first of which is row 7",
        ),
    ],
)
def test_illnesses(change, words):
    found = ill(change)
    assert any(line.startswith(words) for line in found), found


def test_joins_of_short_episodes_are_jumps():
    """One row in thirty is a join: more than the largest hundredth of the changes."""
    t = np.arange(N) % 30
    sick = log() | {"observations": 0.1 * swing(t) + t[:, None] / 30, "ends": None}
    (line,) = doctor.findings(**sick)
    assert line.startswith("3.30% of the rows jump, in ")  # 33 of 999


def test_a_gripper_of_truth_values_is_judged(tmp_path):
    rows = robot_logs.rows()
    rows["torque"] = rows["torque"] > 0
    path = robot_logs.write_npz(tmp_path / "log.npz", rows)
    text = "rate = 50\ntime = 'stamp'\n[[observations]]\ncolumn = 'pitch'\n"
    columns = tmp_path / "columns.toml"
    columns.write_text(f"{text}[[actions]]\ncolumn = 'torque'\nlow = 0\nhigh = 1\n")
    assert "torque" not in inspect.judged(path, str(columns))


def test_a_run_is_warned_of_rows_in_no_order():
    sick = log()
    shuffled(sick)
    s, a = sick["observations"], sick["actions"]
    rows = Transition(s[:-1], a[:-1], a[:-1, 0], np.ones(N - 1), s[1:])
    task = types.SimpleNamespace(observation_signals=())
    (line,) = data.disorder(rows, task)
    assert line.startswith("no row is like the row before it (s[1], the steadiest")
    task.observation_signals = Signal("pitch"), Signal("rate")
    assert "(rate, the steadiest" in data.disorder(rows, task)[0]


def test_actions_that_use_little_of_their_limits():
    """Radians, and limits in degrees."""
    signals = [Signal("wrist", "deg", -29.0, 86.0), Signal("thrust", "N", 0.0, 1.0)]
    (line,) = doctor.unused(np.array([[0.5, 0.2], [-0.5, 0.9]]), signals)
    assert (
        line == "wrist uses 0.9% of its limits -29 and 86: other units, or wrong limits"
    )
    assert doctor.unused(np.zeros((2, 2)), signals) == []  # stands still


def test_actions_beyond_their_limits():
    signals = [Signal("torque", "N m", -0.5, 0.5)]
    (line,) = doctor.beyond(np.array([[0.0], [0.6], [-0.7], [0.5]]), signals)
    assert line.startswith("torque is beyond its limits -0.5 and 0.5 in 50.00%")


# --- the commands -----------------------------------------------------------------


@pytest.fixture
def csv(tmp_path):
    rows = robot_logs.rows()
    rows["mode"] = ["walk"] * robot_logs.N
    header = [*rows]
    header[header.index("torque")] = "torque [N m]"
    return robot_logs.write_csv(tmp_path / "log.csv", rows, header=header)


def test_inspect_lists_drafts_and_judges(csv, monkeypatch, capsys):
    call(inspect.main, monkeypatch, f"--log={csv}")
    printed = capsys.readouterr().out
    assert "60 rows, 8 columns" in printed and "text, such as 'walk'" in printed
    assert 'rate = 50  # rows per second\ntime = "stamp"' in printed
    toml = csv.with_name("columns.toml")
    call(inspect.main, monkeypatch, f"--log={csv}", f"--out={toml}")
    drafted = capsys.readouterr().out
    call(inspect.main, monkeypatch, f"--log={csv}", f"--columns=@{toml}")
    assert capsys.readouterr().out in drafted
    text = toml.read_text()
    toml.write_text(text.replace("rate = 50", "rate = 25"))
    call(inspect.main, monkeypatch, f"--log={csv}", f"--columns=@{toml}")
    said = f"warning  {toml} says rate = 25, its stamps are 50 rows per second; mend"
    assert said in capsys.readouterr().out
    assert 'column = "torque"\nunit = "N m"\nlow = -' in text
    assert 'reward = "reward"  # a column or task\n' in text
    assert 'terminal = "fell"' in text and 'episode = "episode"' in text
    assert text.count("[[observations]]") == 2
    toml.write_text(text.replace('column = "rate"', 'column = "mode"'))
    with pytest.raises(DatasetError, match="column mode, row 0: 'walk' is no number"):
        call(inspect.main, monkeypatch, f"--log={csv}", f"--columns=@{toml}")


@pytest.mark.fault
def test_inspect_replaces_no_file_that_somebody_may_have_edited(csv, monkeypatch):
    toml = csv.with_name("columns.toml")
    toml.write_text("mine")
    with pytest.raises(ConfigError, match=r"columns.toml: exists; give another --out"):
        call(inspect.main, monkeypatch, f"--log={csv}", f"--out={toml}")
    assert toml.read_text() == "mine"


@pytest.mark.fault
@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_inspect_refuses_a_log_without_rows(tmp_path, monkeypatch, suffix):
    rows = {"time": np.zeros(0), "pitch": np.zeros(0)}
    path = tmp_path / f"log.{suffix}"
    getattr(robot_logs, f"write_{suffix}")(path, rows)
    with pytest.raises(DatasetError, match=r"log\.(csv|npz): 0 rows; log more"):
        call(inspect.main, monkeypatch, f"--log={path}")


def test_rows_without_a_time_are_told():
    seconds = np.arange(10.0)
    seconds[[3, 7]] = np.nan
    (found,) = doctor.times(seconds, np.ones(9, bool))
    assert found.startswith("20.00% of the rows have no time")


def test_a_robot_that_lies_is_one_episode(tmp_path, monkeypatch, capsys):
    log = robot_logs.rows()
    log["fell"][33:38] = 1
    path = robot_logs.write_csv(tmp_path / "log.csv", log)
    toml = tmp_path / "columns.toml"
    call(inspect.main, monkeypatch, f"--log={path}", f"--out={toml}")
    # To rows 19, 33 (it falls, and lies to 37), 39 and 59.
    assert "60 rows, 4 episodes" in capsys.readouterr().out


def test_a_draft_names_no_column_of_times_that_cannot_be_read():
    times = np.array(["10:00:00.5", "10:00:00.6"])
    frame = frames.Frame({"time": times, "x": np.arange(2.0), "u": np.ones(2)})
    text = drafting.draft(frame, "log.csv")
    assert "rate =" not in text and "time =" not in text


def test_a_draft_is_toml_whatever_the_names(tmp_path):
    name = 'a "b"\n\x7f\\'
    frame = frames.Frame({name: np.arange(2.0), "u": np.ones(2)})
    (tmp_path / "draft.toml").write_text(drafting.draft(frame, "log.csv"))
    entry = toml.read(str(tmp_path / "draft.toml"))["observations"][0]
    assert entry["column"] == name


def test_a_draft_leaves_out_a_column_without_numbers():
    frame = frames.Frame({"x": np.arange(2.0), "spare_cmd": np.full(2, np.nan)})
    text = drafting.draft(frame, "log.csv")
    assert '# "spare_cmd" has no number in any row: left out.' in text
    assert "nan" not in text


def test_a_draft_without_actions_says_what_is_next(tmp_path, monkeypatch, capsys):
    rows = {"t": np.arange(9) / 10, "x": np.arange(9.0)}
    path = robot_logs.write_npz(tmp_path / "log.npz", rows)
    out = tmp_path / "columns.toml"
    call(inspect.main, monkeypatch, f"--log={path}", f"--out={out}")
    assert f"next     {out}: no [[actions]]; list them" in capsys.readouterr().out


@pytest.mark.fault
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], ConfigError, "--log: empty"),
        (["--log=none.csv"], DatasetError, "none.csv: no such file"),
        (["--log=setup.cfg"], DatasetError, "no kind of log that is known; use CSV"),
        (["--log=x.csv", "--columns=c.toml"], ConfigError, "give @FILE"),
    ],
)
def test_what_inspect_refuses(monkeypatch, arguments, error, message):
    with pytest.raises(error, match=message):
        call(inspect.main, monkeypatch, *arguments)


def test_the_audit_says_the_same(tmp_path, monkeypatch, capsys):
    path = write_log(tmp_path / "log.hdf5", rows=60)
    found = ["s[0] is always 1: the sensor is stuck"]
    monkeypatch.setattr(doctor, "findings", lambda *arrays, **rest: found)
    arguments = ("--task=hopper", f"--dataset={path}", "--out=", "--horizons=2")
    call(audit.main, monkeypatch, *arguments)
    assert f"warning  {found[0]}\n" in capsys.readouterr().out
