"""Commands from outside: exit codes, what they print, and the documented lines."""

import dataclasses
import errno
import importlib
import pathlib
import re
import runpy
import subprocess
import sys

import jax
import pytest

from experiments import __main__ as listing
from experiments import data, run
from experiments.cli import console
from experiments.cli.flags import Flags
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.settings import FREE, MACHINE, PLACE, setting
from tests.commands import COMMANDS, call, parsed

ROOT = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """Settings of all kinds."""

    size: int = setting(3, "How large.")
    log: str = setting("", "Which log.", tags=[PLACE])
    out: str = setting("", "Where to.", tags=[MACHINE])
    often: int = setting(1, "How often.", tags=[FREE])


def example(*arguments):
    return parsed(*arguments, settings=(Example,))


# --- exit codes and what is printed ---------------------------------------------


def command(monkeypatch, main, *arguments):
    """Exit code of a command with these arguments."""
    monkeypatch.setattr(sys, "argv", ["prog", *arguments])
    try:
        console.command(main, "What it does.", (Example,))
    except SystemExit as end:
        return end.code
    return 0


def raising(error):
    def main(flags):
        raise error

    return main


@pytest.mark.fault
@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("--size=3:\n too small"), 2, "--size=3: too small"),
        (DatasetError("log.csv: empty"), 3, "log.csv: empty"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, "standard output was"),
        (OSError(errno.ENOSPC, "No space", "a.png"), 6, "a.png: No space; free"),
        (PermissionError(errno.EACCES, "Denied", "a.png"), 2, "a.png: Denied; check"),
        (MemoryError("10 GB"), 6, "out of memory (10 GB); give fewer"),
        (OverflowError("int too large"), 2, "a number is too large (int too large)"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: x"), 6, "out of memory (RES"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(monkeypatch, capsys, error, code, text):
    assert command(monkeypatch, raising(error)) == code
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith(f"h2o_jax: error: {text}")


@pytest.mark.fault
@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--sice=4", "--sice: no such flag; did you mean --size?"),
        ("--size=four", "--size=four: not a whole number"),
        ("--flagfile=absent.flags", "--flagfile=absent.flags: no such file"),
        ("stray", "'stray'"),
    ],
)
def test_what_does_not_parse_ends_before_main(monkeypatch, capsys, argument, named):
    main = raising(AssertionError("main was called"))
    assert command(monkeypatch, main, argument) == ConfigError.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("h2o_jax: error: ") and named in line


@pytest.mark.fault
def test_an_error_of_the_program_is_a_line_that_says_where(monkeypatch, capsys):
    assert command(monkeypatch, raising(ZeroDivisionError("1 /\n0"))) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"h2o_jax: error: ZeroDivisionError: 1 / 0 \(cli_test\.py:\d+\); the program "
        r"is at fault: --debug shows the traceback, please report it",
        line,
    )


@pytest.mark.parametrize("error", [ZeroDivisionError("1 / 0"), ConfigError("--size=0")])
def test_debug_shows_the_traceback_before_the_line(monkeypatch, capsys, error):
    code = command(monkeypatch, raising(error), "--debug", "--size=4")
    assert code == getattr(error, "exit_code", 1)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last.startswith("h2o_jax: error: ") and str(error) in last


def test_every_command_knows_debug(capsys, monkeypatch):
    assert command(monkeypatch, raising(AssertionError()), "--help", "--debug") == 0
    assert "--debug" in capsys.readouterr().out


def test_help_is_for_the_method_that_is_given(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["prog", "--algorithm=sac", "--help"])
    console.command(raising(AssertionError()), "What it does.", run.SETTINGS)
    shown = capsys.readouterr().out
    assert "recommended: 10000" in shown
    assert "--weighting=  (ratio, normalised, unit)\n" in shown


@pytest.mark.parametrize("wrong", ["--nonsense", "--size=four"])
def test_help_is_shown_beside_a_wrong_flag(monkeypatch, capsys, wrong):
    assert command(monkeypatch, raising(AssertionError()), wrong, "--help") == 0
    assert "--size" in capsys.readouterr().out


def test_a_command_that_succeeds_gets_its_flags(monkeypatch, capsys):
    sizes = []
    main = lambda flags: sizes.append(flags.of(Example).size)  # noqa: E731
    assert command(monkeypatch, main, "--size=4") == 0
    assert sizes == [4] and capsys.readouterr().err == ""


def test_a_command_in_a_process_of_its_own():
    child = subprocess.run(
        [sys.executable, "-m", "experiments.compare", "--gap=gravity:2,frction"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.returncode, child.stdout) == (2, "")
    (line,) = child.stderr.splitlines()
    assert line.startswith("h2o_jax: error: --gap=gravity:2,frction: ")


# `run_module` warns that the module was imported before.
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(monkeypatch, capsys, name):
    monkeypatch.setattr(sys, "argv", ["prog", "--help"])
    runpy.run_module(name, run_name="__main__")  # a failure exits, or raises
    printed = capsys.readouterr()
    module = importlib.import_module(COMMANDS[name])
    assert printed.out.startswith(module.__doc__.strip()) and not printed.err
    hidden = getattr(module, "HIDDEN", ())
    for flag in Flags(*module.SETTINGS).names(next(reversed(module.SETTINGS), None)):
        if flag in hidden:
            continue
        assert re.search(rf"^  --(\[no\])?{flag}\b", printed.out, re.MULTILINE)


def test_the_list_of_commands_is_whole(monkeypatch, capsys):
    assert {name for name, _ in listing.commands()} == set(COMMANDS) - {"experiments"}
    call(listing.main, monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert "experiments.run               Trains a policy for a real system" in (
        "\n".join(lines)
    )
    assert all(len(line.split()) > 4 for line in lines if line)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["train"], "did you mean python -m experiments.run? "),  # trains a policy
        (["run", "--task=hopper"], "did you mean python -m experiments.run? "),
        (["reprot"], "did you mean python -m experiments.report? "),
        (["calibrate"], "did you mean python -m experiments.robot.calibrate? "),
        (["xyz"], ""),
    ],
)
def test_an_unknown_command_names_the_nearest(monkeypatch, words, meant):
    flags = Flags(*listing.SETTINGS, hidden=listing.HIDDEN, argument="command")
    flags.parse(["prog", *words])
    with pytest.raises(ConfigError) as caught:
        listing.main(flags)
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        f"{words[0]}: no command of this name; {meant}python -m experiments lists all"
    )


@pytest.mark.parametrize("arguments", [[], ["chekc"], ["docs-all"]])
def test_ci_steps_without_a_known_step_says_its_usage(arguments):
    child = subprocess.run(
        [ROOT / ".ci" / "steps", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.returncode, child.stdout) == (2, "")
    assert "check | docs | test | slow | audit | sbom" in child.stderr


# --- flags and their texts ------------------------------------------------------


def test_given_leaves_out_names_and_tags():
    flags = example("--size=3", "--log=a", "--out=b")
    assert flags.given() == ["--log=a", "--out=b", "--size=3"]
    assert flags.given(apart=["size"]) == ["--log=a", "--out=b"]
    assert flags.given(tags=frozenset([PLACE, MACHINE])) == ["--size=3"]
    assert flags.given(["log"], frozenset([MACHINE])) == ["--size=3"]
    assert example().given() == []


def test_choices_are_what_may_change_a_result():
    flags = example("--size=4", "--log=a", "--out=b", "--often=2")
    assert flags.choices() == ["--often=2", "--size=4"]
    assert example("--size=3").choices() == []


def test_is_default_is_about_the_value_not_about_who_gave_it():
    flags = example("--size=3", "--often=2")
    assert flags.is_default("size") and flags.is_default("log")
    assert not flags.is_default("often")


def reading(*arguments):
    return parsed(*arguments, settings=run.SETTINGS).of(data.Reading)


def test_columns_name_what_the_log_calls_them():
    text = "observations=x, y,q_0..q_5; rewards = reward"
    assert reading(f"--columns={text}").columns == {
        "observations": "x, y,q_0..q_5",
        "rewards": "reward",
    }
    assert reading().columns is None


@pytest.mark.fault
@pytest.mark.parametrize("text", ["observations", "=x", "observations=", "a=x;b"])
def test_malformed_columns(text):
    with pytest.raises(ConfigError, match=r"--columns=.*NAME=COLUMNS"):
        reading(f"--columns={text}")


@pytest.mark.parametrize(
    ("text", "bounds"), [("-3:3", (-3.0, 3.0)), ("0:1e2", (0.0, 100.0)), ("", None)]
)
def test_action_bounds(text, bounds):
    assert reading(f"--action_bounds={text}").action_bounds == bounds


@pytest.mark.fault
@pytest.mark.parametrize("text", ["3", "a:b", "1:2:3", ":"])
def test_malformed_action_bounds(text):
    with pytest.raises(ConfigError, match=r"--action_bounds=.*LOW:HIGH"):
        reading(f"--action_bounds={text}")
