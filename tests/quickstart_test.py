"""The quickstart: its log, its plan, and what it says of finished runs."""

import json

import numpy as np
import pytest

from experiments import ledger, plans, quickstart
from h2o_jax.data import datasets
from h2o_jax.errors import DatasetError
from tests.commands import call

SHA256 = "548c53e65e3d967b06d73e3536577dc50fa31115d1e1ffaad5e6c85e9a6b907c"
FINALS = {"h2o_plus": 300.0, "rebrac": 200.0, "sac": 100.0}


def test_the_log_is_the_one_that_the_documentation_is_about():
    log = datasets.load("package:halfcheetah", obs_dim=17, action_dim=6, sha256=SHA256)
    assert log.transition.s_tm1.shape == (20_000, 17)
    assert datasets.locate("package:halfcheetah").stat().st_size < 4e6
    np.testing.assert_allclose(log.episode_returns.max(), 2665.7, atol=0.1)


@pytest.mark.fault
@pytest.mark.parametrize("name", ["walker", "../halfcheetah", ""])
def test_an_unknown_packaged_log_lists_the_known(name):
    with pytest.raises(DatasetError, match="no such log; there is package:halfcheetah"):
        datasets.locate(f"package:{name}")


def test_the_three_ways_differ_in_their_sources_alone():
    ways = {x.experiment.algorithm: x.experiment for x in plans.read(PLAN)}
    assert ways.keys() == FINALS.keys()
    apart = {"algorithm", "runs", "weighting", "simulator", "pessimism", "dataset"}
    ours, *others = (
        {k: v for k, v in vars(x).items() if k not in apart} for x in ways.values()
    )
    assert all(x == ours for x in others)
    seeds = [tuple(run.seed for run in x.runs) for x in ways.values()]
    assert seeds == [(0, 1, 2, 3)] * 3


PLAN = plans.find("quickstart")


def test_finished_runs_are_shown(tmp_path, monkeypatch, capsys):
    """Cells of every run of the plan are there, so that nothing is trained."""
    for group in plans.read(PLAN):
        one, final = group.experiment, FINALS[group.experiment.algorithm]
        facts = {"name": "halfcheetah.hdf5", "mean": 1.0, "best": 2.0}
        facts |= {"sha256": SHA256} if group.log else {}
        steps = one.epochs * one.steps
        for run in one.runs:
            lines = [
                {"steps": n, "return": x + run.seed, "length": 1.0, "seconds": {}}
                for n, x in ((0, 0.0), (steps, final))
            ]
            labels = ledger.Labels("", {}, [])
            cell = ledger.content(one, run, lines, facts, labels)
            path = tmp_path / ledger.place(cell)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(cell))
    other = cell | {"algorithm": "iql", "steps": 10**9}
    other["setting"] = cell["setting"] | {"algorithm": "iql", "discount": 0.5}
    path.with_name("seed0-1000000000-other.json").write_text(json.dumps(other))
    call(quickstart.main, monkeypatch, f"--out={tmp_path}")
    rows = capsys.readouterr().out.splitlines()
    # Seeds 0 to 3: the mean is 1.5 above; t(.975, 3) = 3.182, standard error 0.645.
    assert "  both (H2O+)                    302 [299, 304], 4 seeds" in rows
    assert "  the simulator alone (SAC)      102 [99, 104], 4 seeds" in rows
    assert "  the log itself                   1, best episode 2" in rows
    assert (tmp_path / "quickstart.png").stat().st_size > 10_000
