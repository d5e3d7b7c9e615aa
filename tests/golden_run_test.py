"""A run folder of every release loads in all later ones.

After a change of what is stored, and before the release that has it:

    H2O_JAX_REGENERATE=1 python -m pytest tests/golden_run_test.py

Folders of earlier releases stay as they are.
"""

import json
import os
import pathlib
import shutil
import zipfile

import numpy as np
import pytest

import h2o_jax
from experiments import build, export, learned, policies, reopening, run, run_folder
from experiments.exporting.policy import Policy
from experiments.run_folder import saving
from tests.commands import call

GOLDEN = pathlib.Path(__file__).parent / "golden"
LARGEST = 100_000
"""Bytes of a folder, packed."""
OBS = np.linspace(-1, 1, 17, dtype=np.float32)
TINY = (
    "--dataset=package:halfcheetah",
    "--gap=gravity:2",
    "--seed=0..1",
    "--hidden=3,3",
    "--discriminator_hidden=3,3",
    "--batch=4",
    "--steps=4",
    "--updates=2",
    "--epochs=1",
    "--episodes=1",
    "--threads=1",
)
pytestmark = [pytest.mark.usefixtures("fast_compile"), pytest.mark.fault]


def acts(folder):
    """What the policies of a folder do, the exported one last."""
    found = [
        policies.load(folder, run=i, which=name)(OBS).tolist()
        for name in ("last", "best")
        for i in (0, 1)
    ]
    return [*found, Policy(folder / "policy.npz")(OBS).tolist()]


@pytest.fixture(scope="module", autouse=True)
def regenerated(tmp_path_factory):
    if "H2O_JAX_REGENERATE" not in os.environ:
        return
    folder = tmp_path_factory.mktemp("golden") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        call(run.main, patch, *TINY, "--run_dir=run")
        call(export.main, patch, "--folder=run", "--to=run/policy.npz")
    (folder / "acts.json").write_text(json.dumps(acts(folder)))
    shutil.rmtree(folder / "checkpoint" / "0")
    for path in folder.rglob("commit_success.txt"):
        path.write_text("")  # it names a path of this machine
    for name in ("run.lock", "curve.png", "policy.py"):
        (folder / name).unlink(missing_ok=True)
    target = GOLDEN / f"run-{h2o_jax.__version__}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))


@pytest.fixture(params=sorted(GOLDEN.glob("run-*.zip")), ids=lambda path: path.stem)
def folder(request, tmp_path):
    assert request.param.stat().st_size < LARGEST
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path / "run")
    return tmp_path / "run"


def test_this_release_has_one():
    assert (GOLDEN / f"run-{h2o_jax.__version__}.zip").is_file()


def test_policies_act_as_when_they_were_saved(folder):
    wanted = json.loads((folder / "acts.json").read_text())
    np.testing.assert_allclose(acts(folder), wanted, rtol=1e-5, atol=1e-8)
    value = learned.critic(folder, run=1)(OBS[None], np.zeros((1, 6)))
    assert np.isfinite(value).all() and len(learned.simulated_rows(folder)) == 4


def test_a_run_goes_on_from_its_checkpoint(folder):
    experiment, dataset, simulators = reopening.reopen(folder, threads=1)
    training = build.training(experiment, dataset, 1, simulators, simulators)
    saving.restore(folder, training)
    assert training.state.epoch == 1
    assert run_folder.metrics(folder)[-1]["epoch"] == 1
