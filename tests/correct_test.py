"""The command, and runs whose simulators are corrected."""

import dataclasses
import json

import numpy as np
import pytest

from experiments import build, correct, run, run_folder
from experiments.cli import parsing
from experiments.experiment import defaults
from experiments.mending_settings import MendingSettings
from experiments.run_folder import checkpoints
from experiments.training import Simulator
from h2o_jax.errors import CheckpointError, ConfigError, DatasetError
from h2o_jax.sim import residual
from tests import corrections
from tests.commands import TINY, call, experiment_of, parsed, write_log

pytestmark = pytest.mark.usefixtures("fast_compile")
SMALL = ("--residual_updates=60", "--residual_hidden=8", "--residual_members=2")
# The replay grows for two epochs alone: one program for longer runs, too.
MENDED = (
    *TINY,
    "--discriminate_rows=0:16",
    "--gap=gravity:2,friction:0.3",
    "--replay_rows=120",
    "--simulator=residual",
    *SMALL,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("correct")
    write_log(folder / "log.hdf5", rows=900)
    return folder


@pytest.fixture(scope="module")
def given(place):
    return f"--dataset={place / 'log.hdf5'}", f"--cache_dir={place / 'cache'}"


@pytest.fixture(scope="module")
def whole(place, given):
    with pytest.MonkeyPatch.context() as patch:
        arguments = (*MENDED, *given, "--epochs=4", f"--run_dir={place / 'whole'}")
        call(run.main, patch, *arguments, f"--results_dir={place / 'cells'}")
    return place / "whole"


def test_the_command_says_what_it_learned(place, given, monkeypatch, capsys):
    out = place / "residual.npz"
    arguments = ("--task=hopper", "--gap=gravity:2", *given, *SMALL, f"--out={out}")
    call(correct.main, monkeypatch, *arguments)
    printed = capsys.readouterr().out
    assert "gravity:2: learned from" in printed and "reward" in printed
    assert residual.load(out, {"gap": "gravity:2"}).about["task"] == "hopper"
    for bad in ("--out=a.hdf5", "--gap=gravity:2,friction:0.3"):
        with pytest.raises(
            ConfigError, match=r"give a path ending in \.npz, and one gap"
        ):
            call(correct.main, monkeypatch, *arguments, bad)


def test_a_run_learns_in_corrected_simulators(place, whole):
    names = [path.name for path in (place / "cache").iterdir()]
    assert len([x for x in names if x.startswith("hopper-residual-")]) >= 2
    lines = [x for x in run_folder.metrics(whole) if x["epoch"] > 0]
    assert all(0 <= x["sim/strayed"] <= 1 for x in lines)
    assert all(0 <= x["sim/trust"] <= 1 for x in lines)
    cells = list((place / "cells").rglob("*.json"))
    assert len(cells) == 2
    for path in cells:
        cell = json.loads(path.read_text())
        assert cell["setting"]["simulator"] == "residual"
        assert cell["mended"]["identified"] == "not used"
        files = (place / "cache").glob("hopper-residual-*.npz")
        assert cell["mended"]["residual"] in {residual.load(x).digest for x in files}


@pytest.mark.parametrize(
    "overlap",
    [(), pytest.param(("--overlap",), marks=pytest.mark.slow)],
    ids=["in turn", "ahead"],
)
def test_resume_continues_bit_for_bit(overlap, whole, given, tmp_path, monkeypatch):
    if overlap:
        whole = tmp_path / "whole"
        arguments = (*MENDED, *given, *overlap, "--epochs=4", f"--run_dir={whole}")
        call(run.main, monkeypatch, *arguments)
    half = tmp_path / "half"
    arguments = (*MENDED, *given, *overlap, "--epochs=2", f"--run_dir={half}")
    call(run.main, monkeypatch, *arguments)
    call(run.main, monkeypatch, f"--resume={half}", "--epochs=4", *given)
    wanted = checkpoints.read(whole / "checkpoint").arrays
    found = checkpoints.read(half / "checkpoint").arrays
    assert wanted.keys() == found.keys()
    assert any("residual" in name for name in wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(array, found[name], err_msg=name)


@pytest.mark.fault
def test_another_residual_is_refused_at_resume(place, whole, given, monkeypatch):
    [path, *_] = sorted((place / "cache").iterdir())
    learned, content = residual.load(path), path.read_bytes()
    cells = f"--results_dir={place / 'cells'}"
    again = (f"--resume={whole}", "--epochs=5", *given, cells)
    try:
        residual.save(path, dataclasses.replace(learned, limit=2 * learned.limit))
        with pytest.raises(CheckpointError, match=r"simulator now \(residual: "):
            call(run.main, monkeypatch, *again)
        path.write_bytes(content[:-100])
        with pytest.raises(CheckpointError, match="no residual, or damaged; remove it"):
            call(run.main, monkeypatch, *again)
    finally:
        path.write_bytes(content)


def test_a_simulator_only_method_reads_the_log_too(
    place, given, tmp_path, monkeypatch, capsys
):
    arguments = (*MENDED, *given, "--algorithm=sac", "--learn_rows=0:16", "--epochs=1")
    own = ("--pessimism=0.5", f"--run_dir={tmp_path / 'run'}")
    call(run.main, monkeypatch, *arguments, *own)
    printed = capsys.readouterr().out
    assert printed.count("is penalised while learning (--pessimism=0.5)") == 2
    lines = run_folder.metrics(tmp_path / "run")
    assert "sim/trust" in lines[-1]


@pytest.mark.fault
def test_what_cannot_be_is_one_line_and_leaves_nothing(given, tmp_path, monkeypatch):
    folder = tmp_path / "run"

    def refused(error, match, *arguments):
        with pytest.raises(error, match=match):
            call(run.main, monkeypatch, *arguments, f"--run_dir={folder}")
        assert not folder.exists()

    refused(
        ConfigError,
        "--simulator=residual: iql steps no simulator",
        *MENDED,
        *given,
        "--algorithm=iql",
    )
    small = write_log(tmp_path / "small.hdf5", rows=200)
    refused(
        DatasetError,
        "a residual needs 500 at least",
        *MENDED,
        given[1],
        f"--dataset={small}",
    )
    refused(DatasetError, "observations", *MENDED, *given, "--task=halfcheetah")


def test_a_mended_experiment_needs_its_simulators():
    experiment = experiment_of(*MENDED)
    with pytest.raises(ConfigError, match=r"give what routes\.prepare makes"):
        build.worlds(experiment, build.algorithm(experiment), 1)


def test_doubt_costs_where_a_run_learns_and_not_where_it_is_judged():
    """One step of the same actions, with and without pessimism."""

    def rewards(pessimism):
        arguments = (*MENDED, "--algorithm=sac", f"--pessimism={pessimism}")
        experiment = experiment_of(*arguments)
        unsure = corrections.random(experiment.model, limit=1e-6)
        simulators = [Simulator(x.gap, unsure, right=True) for x in experiment.runs]
        method = build.algorithm(experiment)
        worlds = build.worlds(experiment, method, 1, simulators=simulators)
        steps = [x.step(np.zeros((x.n, 3))) for x in (worlds.sim, worlds.own)]
        return [x.reward for x in steps]

    (sim, own), (lower, same) = rewards(0), rewards(3)
    # Far beyond the limit doubt counts twice, and rewards have a std of 1 here.
    np.testing.assert_allclose(sim - lower, 6.0, rtol=1e-5)
    np.testing.assert_array_equal(own, same)


def test_a_runs_flagfile_with_pessimism_serves_to_correct(
    place, given, tmp_path, monkeypatch
):
    (tmp_path / "run.flags").write_text("--task=hopper\n--pessimism=1\n")
    out = tmp_path / "residual.npz"
    arguments = (*given, *SMALL, "--gap=gravity:2", f"--out={out}")
    call(correct.main, monkeypatch, f"--flagfile={tmp_path / 'run.flags'}", *arguments)
    assert residual.load(out).pessimism == 0


def test_settings_have_flags_and_defaults():
    names = parsed().names(MendingSettings)
    assert names[:2] == ["simulator", "fields"]
    assert all(x.startswith("residual_") for x in names[2:-1])
    assert names[-1] == "pessimism"
    assert defaults()["simulator"] == "as_is" and defaults()["fields"] == ()
    assert parsing.experiment(parsed()).simulator == "as_is"
