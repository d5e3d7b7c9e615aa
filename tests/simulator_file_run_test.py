"""A simulator file in a run: its episodes are drawn, resumed and told apart."""

import json

import numpy as np
import pytest

from experiments import build, reopening, run, run_folder
from experiments.run_folder import checkpoints
from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.sim import gaps
from tests.commands import TINY, call, experiment_of

pytestmark = pytest.mark.usefixtures("fast_compile")
FILE = """
gap = "gravity:2"

[fields]
gravity = { value = 0.5, low = 0.4, high = 0.6 }
"""
# The replay does not grow: one program for runs of any length.
SAC = (*TINY, "--algorithm=sac", "--replay_rows=60")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    return path


def test_a_randomised_run_resumes_bit_for_bit(file, tmp_path, monkeypatch):
    flags = (*SAC, f"--gap=@{file}", "--randomise")
    whole, half = tmp_path / "whole", tmp_path / "half"
    results = tmp_path / "results"
    call(
        run.main,
        monkeypatch,
        *flags,
        "--epochs=2",
        f"--run_dir={whole}",
        f"--results_dir={results}",
    )
    call(run.main, monkeypatch, *flags, "--epochs=1", f"--run_dir={half}")
    call(run.main, monkeypatch, f"--resume={half}", "--epochs=2")
    wanted, found = (checkpoints.read(x / "checkpoint").arrays for x in (whole, half))
    for name, array in wanted.items():
        np.testing.assert_array_equal(array, found[name], err_msg=name)

    label = gaps.to_text(gaps.parse(f"@{file}"))
    (about,) = run_folder.versions(whole)["runs"]
    assert about == {"label": label, "seed": 0, "chosen": "last"}
    (cell,) = results.rglob("*.json")
    assert cell.relative_to(results).parts[:2] == ("hopper", label)
    assert json.loads(cell.read_text())["setting"]["randomise"] is True

    file.write_text(FILE.replace("0.6", "0.7"))
    with pytest.raises(CheckpointError, match="restore the simulator file"):
        call(run.main, monkeypatch, f"--resume={half}", "--epochs=3")
    with pytest.raises(ConfigError, match=r"a run was @mine.*restore the simulator f"):
        reopening.described(half)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--gap=gravity:2"], "--randomise: gravity:2 has no intervals"),
        (["--gap=gravity:2", "--algorithm=bc"], "--randomise: bc steps no simulator"),
    ],
)
def test_nothing_to_randomise_is_an_error(flags, message):
    with pytest.raises(ConfigError, match=message):
        build.training(experiment_of(*SAC, "--randomise", *flags))
