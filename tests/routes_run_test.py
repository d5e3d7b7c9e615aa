"""Runs in mended simulators, from the command to the policy that is chosen."""

import json
import re

import numpy as np
import pytest

from experiments import export, mending, policies, run, run_folder
from experiments.mending import routes
from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.sim.identify.fit_plan import Fitting
from tests.commands import TINY, call, write_log

pytestmark = pytest.mark.usefixtures("fast_compile", "quick_fit")


@pytest.fixture
def quick_fit(monkeypatch):
    """Gravity alone is fitted, to few rows."""
    how = Fitting(fields=("gravity",), windows=100, long_windows=0, starts=1)
    monkeypatch.setattr(mending, "Fitting", lambda: how)
    monkeypatch.setattr(routes, "_LADDER", ())


@pytest.mark.fault
def test_a_fit_that_was_edited_is_refused_at_resume(tmp_path, monkeypatch, capsys):
    log, folder = write_log(tmp_path / "log.hdf5", rows=900), tmp_path / "run"
    places = (f"--cache_dir={tmp_path}", f"--results_dir={tmp_path / 'cells'}")
    given = (f"--dataset={log}", f"--run_dir={folder}", *places)
    method = ("--algorithm=sac", "--gap=gravity:2", "--replay_rows=60")
    flags = (*TINY, *given, *method, "--epochs=1")
    again = (f"--resume={folder}", "--epochs=2", *places)
    call(run.main, monkeypatch, *flags, "--simulator=identified")
    (kept,) = run_folder.versions(folder)["runs"]
    assert kept["simulator"]["identified"].startswith("@hopper-identified-")
    (cell,) = (tmp_path / "cells").rglob("*.json")
    stored = json.loads(cell.read_text())
    assert stored["mended"] == kept["simulator"]
    assert len(stored["simulated"]) == len(stored["curve"]) == 2
    printed = capsys.readouterr().out
    assert "last 1 evaluation    best in simulator" in printed
    assert "\ngravity:2, mended  " in printed
    assert f"; for a robot: python -m experiments.export {folder}" in printed
    assert policies.meant(folder, 0, "chosen") == "best"
    policy = tmp_path / "policy.npz"
    call(export.main, monkeypatch, f"--folder={folder}", f"--to={policy}")
    assert (
        "policy   the best of run 0: gravity:2, seed 0, of epoch "
        in capsys.readouterr().out
    )
    contract = json.loads(policy.with_name("policy.npz.json").read_text())
    assert contract["run"]["policy"] == "best"
    assert contract["simulator"].items() > kept["simulator"].items()
    (file,) = tmp_path.glob("hopper-identified-*.toml")
    text = file.read_text()
    for edited in (text.replace("value = 0.", "value = 1."), None):
        value = re.search(r"gravity = .*", text)[0]
        file.write_text(edited or text.replace(value, "gravity = 0.6"))
        with pytest.raises((CheckpointError, ConfigError)) as error:
            call(run.main, monkeypatch, *again)
        assert "\n" not in str(error.value)
    assert "another simulator now (identified: was @hopper-" in str(error.value)
    file.write_text(text)
    call(run.main, monkeypatch, *again)


@pytest.mark.parametrize("algorithm", ["bc", "rebrac"])
def test_what_the_log_alone_taught_may_be_chosen_by_a_right_simulator(
    algorithm, tmp_path, monkeypatch
):
    log = write_log(tmp_path / "log.hdf5", rows=900)
    given = (f"--dataset={log}", f"--cache_dir={tmp_path}", f"--algorithm={algorithm}")
    for route in ("as_is", "identified"):
        folder = f"--run_dir={tmp_path / route}"
        chosen = ("--gap=gravity:2", f"--simulator={route}")
        call(run.main, monkeypatch, *TINY, *given, *chosen, folder, "--epochs=2")
    alone, judged = (run_folder.metrics(tmp_path / x) for x in ("as_is", "identified"))
    # The simulator only scores: what is learned is the same.
    for one, other in zip(alone, judged, strict=True):
        assert one["return"] == other["return"]
        assert one.get("policy/loss") == other.get("policy/loss")
    assert np.isfinite(judged[-1]["policy/loss"])
    assert all(np.isfinite(x["simulated_return"]) for x in judged)
    assert not any("sim/return" in x for x in judged)
    assert policies.meant(tmp_path / "identified", 0, "chosen") == "best"
    assert policies.meant(tmp_path / "as_is", 0, "chosen") == "last"
