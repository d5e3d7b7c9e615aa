"""The policies of a run folder: saved, loaded, chosen, refused."""

import contextlib
import json
import shutil

import numpy as np
import pytest

from experiments import export, policies, run, run_folder
from experiments.run_folder import checkpoints, sealed
from h2o_jax.errors import CheckpointError
from tests.commands import TINY, call, write_run

pytestmark = pytest.mark.usefixtures("fast_compile")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three runs of four epochs, evaluated after each."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    method = ("--algorithm=sac", "--gap=gravity:2", "--seed=0..2", "--policy_ema=0.5")
    schedule = ("--epochs=4", "--evaluate_every=1")
    with pytest.MonkeyPatch.context() as patch:
        call(run.main, patch, *TINY, *method, *schedule, f"--run_dir={folder}")
    return folder


def test_the_saved_policy_is_the_average_of_the_trained_one(trained):
    state = checkpoints.read(trained / "checkpoint").arrays
    policy = checkpoints.read(trained / "checkpoint", "policy").arrays
    layer = "['params']['MLP_0']['Dense_0']['kernel']"
    # Three runs: the one that only fills the second device is not stored.
    saved = policy[f".policy{layer}"]
    assert len(saved) == 3
    np.testing.assert_array_equal(saved, state[f"['learner'].average_policy{layer}"])
    assert (saved != state[f"['learner'].params['policy']{layer}"]).any()


def test_the_last_policy_is_chosen_where_no_mended_simulator_could(trained, tmp_path):
    assert policies.meant(trained, 0, "chosen") == "last"
    assert policies.meant(trained, 0, "best") == "best"
    with pytest.raises(ValueError, match="which='policy'; give 'last', 'best' or"):
        policies.load(trained, which="policy")
    write_run(tmp_path, runs=[{"label": "of an earlier version", "seed": 0}])
    assert policies.meant(tmp_path, 0, "chosen") == "last"


def test_each_run_has_its_own_chosen_policy(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    obs = np.random.default_rng(0).normal(size=(2, 3, 11))
    last, best = (policies.load_many(folder, [0, 1], x)(obs) for x in ("last", "best"))
    assert (last != best).any(axis=(1, 2)).all()
    facts = run_folder.versions(folder)
    facts["runs"][1]["chosen"] = "best"
    content = {k: v for k, v in facts.items() if k != "sha256"}
    (folder / "versions.json").write_text(json.dumps(sealed.seal(content)))
    chosen = policies.load_many(folder, [0, 1])(obs)
    np.testing.assert_array_equal(chosen, [last[0], best[1]])
    np.testing.assert_array_equal(policies.load(folder, 1)(obs[1]), best[1])
    assert policies.epoch(folder, 0, "chosen") == 4
    returns = {
        x["return"]: x["epoch"]
        for x in run_folder.metrics(folder)
        if "return" in x and (x["label"], x["seed"]) == (facts["runs"][1]["label"], 1)
    }
    assert policies.epoch(folder, 1, "chosen") == returns[max(returns)]


def scored(trained, folder, chosen, returns):
    """A copy whose runs had these best returns in right, or in other, simulators."""
    shutil.copytree(trained, folder)
    facts = run_folder.versions(folder)
    for about, which in zip(facts["runs"], chosen, strict=True):
        about["chosen"] = which
    content = {k: v for k, v in facts.items() if k != "sha256"}
    (folder / run_folder.VERSIONS).write_text(json.dumps(sealed.seal(content)))
    with contextlib.closing(run_folder.RunFolder(folder)) as record:
        for about, value in zip(facts["runs"], returns, strict=True):
            line = {"epoch": 1, "label": about["label"], "seed": about["seed"]}
            record.write([line | {"simulated_return": x} for x in (value, value - 9)])
    return folder


@pytest.mark.parametrize(
    ("chosen", "returns", "wanted"),
    [
        (("best", "best", "best"), (1.0, 2.0, 1.5), 1),
        (("best", "best", "best"), (2.0, 1.0, 1.5), 0),
        (("last", "last", "best"), (2.0, 1.0, 0.5), 2),
        (("last", "last", "last"), (1.0, 2.0, 3.0), 0),
    ],
)
def test_of_several_runs_the_best_in_a_right_simulator_is_taken(
    trained, monkeypatch, tmp_path, capsys, chosen, returns, wanted
):
    folder = scored(trained, tmp_path / "run", chosen, returns)
    assert policies.recommended(folder) == wanted
    where = f"--folder={folder}", f"--to={tmp_path / 'policy.npz'}"
    call(export.main, monkeypatch, *where)
    printed = capsys.readouterr().out
    right = "best" in chosen
    assert ("did best in its simulator, of 3 runs" in printed) == right
    assert ("the first that was not lost, as no" in printed) != right
    assert f", seed {wanted}, of epoch " in printed
    call(export.main, monkeypatch, *where, "--run=0")
    printed = capsys.readouterr().out
    assert "of 3 runs" not in printed and ", seed 0, of epoch " in printed


def test_a_lost_run_is_not_taken(trained, tmp_path):
    folder = scored(
        trained, tmp_path / "run", ("best", "best", "last"), (1.0, 2.0, 3.0)
    )
    about = run_folder.versions(folder)["runs"][1]
    line = {"label": about["label"], "seed": about["seed"], "length": 1.0}
    with contextlib.closing(run_folder.RunFolder(folder)) as record:
        record.write([line | {"epoch": 2, "lost": "its loss was not finite"}])
    assert policies.chosen_returns(folder) == {0: 1.0}


def test_where_none_can_tell_the_first_that_was_not_lost_is_taken(trained, tmp_path):
    folder = scored(
        trained, tmp_path / "run", ("last", "last", "last"), (1.0, 2.0, 3.0)
    )
    about = run_folder.versions(folder)["runs"][0]
    line = {"label": about["label"], "seed": about["seed"], "length": 1.0}
    with contextlib.closing(run_folder.RunFolder(folder)) as record:
        record.write([line | {"epoch": 2, "lost": "its loss was not finite"}])
    assert policies.recommended(folder) == 1


def test_a_saved_policy_loads_and_acts(trained):
    act = policies.load(trained, run=2)
    actions = act(np.zeros((4, 11)))
    assert actions.shape == (4, 3)
    assert np.all(np.abs(actions) <= 1)
    assert not np.array_equal(actions, policies.load(trained)(np.zeros((4, 11))))
    with pytest.raises(CheckpointError, match="run 3 of 3"):
        policies.load(trained, run=3)


@pytest.mark.fault
def test_a_policy_of_another_run_shape_or_no_number_is_refused(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    arrays, info = checkpoints.read(folder / "checkpoint", "policy")

    def refused(wrong, about, match):
        checkpoints.save(folder / "checkpoint", {"policy": wrong}, about)
        with pytest.raises(CheckpointError, match=match):
            policies.load(folder)

    refused(arrays, {**info, "run": "0"}, "another run's; remove it")
    name, array = next(iter(arrays.items()))
    refused({**arrays, name: array[:, :1]}, info, "no policy of this run")
    refused({**arrays, name: array[:1]}, info, "of other runs")
    wider = {k: np.repeat(v, 2, -1) if "Dense_2" in k else v for k, v in arrays.items()}
    refused(wider, info, "no policy of this run")
    refused({**arrays, name: np.full_like(array, np.nan)}, info, "not finite")
    checkpoints.save(folder / "checkpoint", {"policy": arrays}, info)
    with pytest.raises(CheckpointError, match=r"no 'best'; give one of \['policy'\]"):
        policies.load(folder, which="best")
