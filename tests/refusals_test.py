"""What the system refuses: one line, the right code, before anything is trained."""

import contextlib
import importlib
import os
import sys

import pytest

from experiments import ledger, places, run_folder
from experiments.cli import console
from experiments.cli.flags import Flags
from h2o_jax import settings
from h2o_jax.data import datasets
from h2o_jax.errors import ConfigError, DiskError
from h2o_jax.settings import FILE, FOLDER
from tests.cli_test import COMMANDS
from tests.commands import limited_files
from tests.logs import as_transition, columns

pytestmark = pytest.mark.fault

WRITTEN = {
    (name, field.name)
    for name, place in COMMANDS.items()
    for group in importlib.import_module(place).SETTINGS
    for field, about in settings.of(group)
    if about.tags & {FOLDER, FILE} and field.name != "resume"  # read first
}
"""Every flag of every command that names what is written."""


def never(flags):
    raise AssertionError("the command began")


def ended(monkeypatch, name, main, *arguments):
    """Exit code of a command with another `main`."""
    module = importlib.import_module(COMMANDS[name])
    monkeypatch.setattr(sys, "argv", ["prog", *arguments])
    with pytest.raises(SystemExit) as end:
        console.command(
            main, "What it does.", module.SETTINGS, getattr(module, "HIDDEN", ())
        )
    return end.value.code


def test_no_place_to_write_is_forgotten():
    names = ("out", "to", "run_dir", "cache_dir", "compile_cache", "keep_dir")
    for command, place in COMMANDS.items():
        for group in importlib.import_module(place).SETTINGS:
            for field, _ in settings.of(group):
                if field.name in names:
                    assert (command, field.name) in WRITTEN


@pytest.mark.parametrize(("command", "flag"), sorted(WRITTEN))
def test_a_place_below_a_file_is_refused_before_the_command_begins(
    tmp_path, monkeypatch, capsys, command, flag
):
    (tmp_path / "file").touch()
    place = f"--{flag}={tmp_path}/file/below/it.npz"
    assert ended(monkeypatch, command, never, place) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"h2o_jax: error: {place.rpartition('/it')[0]}")
    assert line.endswith(": Not a directory; check the path")


@pytest.mark.parametrize("name", ["file", "x" * 300, "link"])
def test_a_folder_that_cannot_be_made(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"--run_dir=.*; check the path"):
        places.try_folder("run_dir", tmp_path / name)


def test_trying_leaves_nothing_behind(tmp_path):
    places.try_folder("run_dir", tmp_path / "a" / "b")
    places.try_file("out", tmp_path / "a" / "b.npz")
    assert not list(tmp_path.iterdir())
    (tmp_path / "b.npz").mkdir()
    with pytest.raises(ConfigError, match=r"--out=.*Is a directory"):
        places.try_file("out", tmp_path / "b.npz")


def test_a_file_of_somebody_else_is_never_replaced(tmp_path):
    path = tmp_path / "model.xml"
    path.touch()
    places.try_file("out", path)  # as mktemp leaves it
    path.write_text("<mujoco/>")
    with pytest.raises(
        ConfigError, match=r"--out=.*: exists, and may be somebody.s own"
    ):
        places.try_file("out", path)
    path.write_bytes(b"\0" * 10_000 + places.MARK.encode())
    places.try_file("out", path)


# --- a full disk ------------------------------------------------------------------


def begun(folder):
    with contextlib.closing(run_folder.RunFolder(folder)) as record:
        record.begin("--seed=3\n" * 100, {})


def logged(folder):
    with contextlib.closing(run_folder.RunFolder(folder)) as record:
        record.write([{"epoch": 0, "text": "x" * 1000}])


def stored(folder):
    cell = {"task": "hopper", "setting": {"x": "x" * 1000}, "preset": "", "seed": 0}
    place = folder / "results" / "seed0-1-a.json"
    with places.writing("results_dir", folder / "results"):
        ledger._store(place, cell, {})


def recorded(folder):
    log = columns()
    datasets.write_d4rl(folder / "log.hdf5", as_transition(log), log["timeouts"])


@pytest.mark.parametrize("write", [begun, logged, stored, recorded])
def test_a_full_disk_has_a_code_of_its_own_and_leaves_no_half_file(tmp_path, write):
    with limited_files(300), pytest.raises(DiskError, match=f"{tmp_path}.*; ") as found:
        write(tmp_path)
    assert "free space" in str(found.value) and found.value.exit_code == 6
    left = {x.name for x in tmp_path.rglob("*") if x.is_file()}
    assert left <= {"run.lock", "metrics.jsonl"}  # whose last line is cut


# --- standard output --------------------------------------------------------------


def printing(flags):
    print("a line\n" * 10_000)


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_a_reader_that_goes_away(monkeypatch, capsys, arguments):
    """As `| head` does; nothing is printed later, when Python ends."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert ended(monkeypatch, "experiments.compare", printing, *arguments) == 141
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "standard output was closed" in said


def test_standard_output_on_a_full_disk(monkeypatch, capsys):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert ended(monkeypatch, "experiments.compare", printing) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert "standard output: No space left on device; free space" in line


def test_the_display_tells_of_a_closed_output(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    closed = open(writer, "w")  # noqa: SIM115 its flush fails again at the end
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.raises(BrokenPipeError), console.Display("x", 2) as display:
        display.line("text")
    console._leave_stdout()
    closed.close()


def test_what_is_not_utf8_is_said_in_ascii():
    with pytest.raises(ConfigError, match=r"--log=a\\udcff\.csv: is not UTF-8; rename"):
        Flags().parse(["prog", "--log=a\udcff.csv"])
