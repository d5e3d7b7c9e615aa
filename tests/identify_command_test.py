"""experiments.identify: what it writes, says and refuses."""

import sys
import types

import jax
import numpy as np
import pytest

from experiments import data
from experiments import identify as command
from experiments.cli.flags import Flags
from h2o_jax.data import datasets
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import gaps, simulator_file, worlds
from h2o_jax.sim.fields import Value
from h2o_jax.sim.identify import log_noise
from h2o_jax.sim.identify.fit_plan import Fitting
from tests.commands import call
from tests.worlds import CHEETAH, recorded


@pytest.fixture(scope="module")
def log():
    return recorded("none")


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch):
    monkeypatch.setattr(log_noise, "_PAIRS", 200)


@pytest.fixture(scope="module")
def file(log, tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "log.hdf5"
    datasets.write_d4rl(path, log, np.zeros(len(log.r_t), bool))
    return path


TINY = ("--windows=200", "--long_windows=0", "--starts=1", "--threads=1")


def test_the_command_writes_what_gap_reads(file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "rate_note", lambda task, reading: ["another rate"])
    out = tmp_path / "found.toml"
    arguments = ("--gap=gravity:2", "--fields=gravity", f"--out={out}")
    call(command.main, monkeypatch, f"--dataset={file}", *arguments, *TINY)
    said = capsys.readouterr().out
    assert "note     another rate\n" in said
    assert "held-out error" in said and f"--gap=@{out}" in said
    content = simulator_file.read(str(out))
    assert content.gap == "gravity:2" and content.provenance["rows"] == 900
    assert content.provenance["converged"] is True
    world = worlds.make(CHEETAH, [gaps.parse(f"@{out}", "halfcheetah")], [0])
    assert world._physics.models[0].opt.gravity[2] == pytest.approx(-9.81, rel=1e-3)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fields=gravty"], "'gravty' is unknown; did you mean gravity"),
        (["--fields=body_mass:tail"], "no body of that name; choose from"),
        (["--fields=gravity,gravity"], "give each field once"),
        (["--bounds=2:5"], "--bounds=2:5: give 0 < LOW < 1 < HIGH"),
        (["--gap=@none.toml"], r"none\.toml: no such file"),
        (["--out=a.json"], r"--out=a\.json: give a path that ends in \.toml"),
        (["--out=a,b.toml"], "without commas"),
        (["--dataset="], "--dataset: no log"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments, message, file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    given = (f"--dataset={file}", "--out=x.toml", *TINY, *arguments)
    with pytest.raises(ConfigError, match=message) as error:
        call(command.main, monkeypatch, *given)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


@pytest.mark.fault
def test_a_short_log_is_refused(log, tmp_path, monkeypatch):
    path = tmp_path / "log.hdf5"
    short = jax.tree.map(lambda x: x[:200], log)
    datasets.write_d4rl(path, short, np.zeros(200, bool))
    with pytest.raises(DatasetError, match=r"200 rows, of which .* give a longer log"):
        call(command.main, monkeypatch, f"--dataset={path}", *TINY)


def test_the_flags_are_those_of_its_records():
    flags = Flags(*sys.modules[command.main.__module__].SETTINGS)
    flags.parse(["prog"])
    assert flags.of(Fitting) == Fitting()


def test_gravity_that_stands_in_for_something_is_said():
    found = types.SimpleNamespace(values=[Value("gravity", 0.64, 0.57, 0.72)])
    (line,) = command._stand_in(found)
    assert "stands in for what was not fitted" in line and "centre_of_mass" in line
    found.values.append(Value.exactly("centre_of_mass:base", 0.7))
    assert "centre_of_mass" not in command._stand_in(found)[0]
    found.values[0] = Value("gravity", 0.98, 0.9, 1.1)
    assert command._stand_in(found) == []
