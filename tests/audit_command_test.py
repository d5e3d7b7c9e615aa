"""The command: a table, a figure and numbers; or one line and no file."""

import json

import pytest

from experiments import audit, places
from experiments.data import Reading
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import tasks
from tests.commands import call, write_log

HOPPER = ("--task=hopper", "--horizons=5", "--windows=50", "--threads=1")


def test_table_figure_and_numbers(tmp_path, monkeypatch, capsys):
    log, out = write_log(tmp_path / "log.hdf5", rows=700), tmp_path / "deep" / "audit"
    call(audit.main, monkeypatch, *HOPPER, f"--dataset={log}",
         "--gap=gravity:2+friction:0.5,none", f"--out={out}.json")  # fmt: skip
    printed = capsys.readouterr().out
    assert "route    as it is, with --gap=none" in printed
    lines = [line for line in printed.splitlines() if line.startswith(("none", "grav"))]
    assert lines[0].split()[-4:] == ["same", "as", "it", "is"]
    assert "uniform" in lines[1]
    numbers = json.loads((tmp_path / "deep" / "audit.json").read_text())
    assert (numbers["gap"], numbers["route"]) == ("none", "as it is")
    assert [x["name"] for x in numbers["candidates"]][1] == "gravity:2+friction:0.5"
    assert numbers["candidates"][0]["verdict"]["kind"] == "same"
    figure = tmp_path / "deep" / "audit.png"
    assert (
        figure.stat().st_size > 10_000 and places.MARK.encode() in figure.read_bytes()
    )


def test_a_short_log_says_so(tmp_path, monkeypatch, capsys):
    log = write_log(tmp_path / "log.hdf5", rows=200)
    monkeypatch.chdir(tmp_path)
    call(audit.main, monkeypatch, *HOPPER, f"--dataset={log}", "--out=")
    assert "route    none: too few rows for a verdict" in capsys.readouterr().out
    assert [x.name for x in tmp_path.iterdir()] == ["log.hdf5"]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        (["--dataset="], ConfigError, "--dataset: empty"),
        (
            ["--gap=gravty"],
            ConfigError,
            "--gap=gravty: gap 'gravty' is unknown for hopper; did",
        ),
        (["--gap=none,"], ConfigError, "one of them is empty"),
        (["--real=gravity:2"], ConfigError, "--real=gravity:2: an audit asks"),
        (["--horizons=1"], ConfigError, "--horizons=1: must be 2 or more"),
        (["--task=walker2d"], DatasetError, "log.hdf5"),
        (["--out=log.hdf5/audit"], ConfigError, "--out=log.hdf5: Not a directory"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, flags, error, message):
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path / "log.hdf5", rows=50)
    with pytest.raises(error) as caught:
        call(audit.main, monkeypatch, *HOPPER, "--dataset=log.hdf5", *flags)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert [x.name for x in tmp_path.iterdir()] == ["log.hdf5"]


def test_published_logs_find_their_system(shared_file, monkeypatch, capsys):
    log = shared_file("odrl_style/halfcheetah_gravity_0.5_medium.hdf5")
    call(audit.main, monkeypatch, f"--dataset={log}", "--inertia=d4rl", "--out=",
         "--gap=none,gravity:0.5", "--rows=1000", "--windows=50")  # fmt: skip
    assert "route    as it is, with --gap=gravity:0.5" in capsys.readouterr().out


def test_what_is_worst_has_the_names_of_the_task():
    robot = tasks.get("wheel_legged_stand")
    observations, actions = audit.signal_names(robot, Reading())
    assert (observations[3], actions) == ("v", ["torque_per_wheel"])
    names = {"s[3]": observations[3], "a[0]": actions[0]}
    said = audit._named("worst dimension s[3]; most where a[0] > 1, s[10] < 2", names)
    assert said == "worst dimension v; most where torque_per_wheel > 1, s[10] < 2"
