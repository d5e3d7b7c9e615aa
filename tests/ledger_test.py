"""Stored results: their places follow from what they say."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest

from experiments import ledger
from experiments.data import Reading
from experiments.experiment import defaults
from experiments.unused import of_method
from h2o_jax import Hyper, Transition
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.data.signals import Signal

RESULTS = pathlib.Path(__file__).resolve().parents[1] / "results"
CELLS = sorted(RESULTS.rglob("seed*.json"))
OLDER = {
    "halfcheetah/gravity:2/h2o_plus": ("ed5f54d0", "5de53d5c", 4),
    "halfcheetah/gravity:2/iql": ("5d8c26ae", "9e46351c", 2),
    "halfcheetah/gravity:2/sac": ("02f57329", "2f9908d6", 3),
    "wheel_legged_stand/idealised:1/h2o_plus-paper": ("060b3b32", "2043317f", 5),
    "wheel_legged_stand/idealised:1/sac-paper": ("debdd279", "0d9bc44c", 5),
}
"""Folder -> digest in its oldest files' names, today's of the same settings, files.

They were stored before the digest had its present rule.
"""


def test_every_stored_cell_lies_where_its_setting_says():
    assert len(CELLS) >= 219
    older = dict.fromkeys(OLDER, 0)
    for path in CELLS:
        cell, place = json.loads(path.read_text()), path.relative_to(RESULTS)
        expected = str(ledger.place(cell))
        named, today, _ = OLDER.get(str(place.parent), ("", "", 0))
        if named and path.stem.endswith(named):
            older[str(place.parent)] += 1
            expected = expected.replace(today, named)
        assert str(place) == expected
    assert older == {folder: count for folder, (_, _, count) in OLDER.items()}


def test_a_digest_is_of_what_is_not_at_its_default():
    base = {"data": None, "gap": "gravity:2", **defaults(), "pairing": None}
    digest = ledger.digest(base)
    assert len(digest) == 8
    # A setting at its default, such as one that is newer than a cell, changes nothing.
    assert ledger.digest({"gap": "gravity:2", "data": None}) == digest
    for name, value in (("discount", 0.9), ("gap", "friction:0.3"), ("epochs", 7)):
        assert ledger.digest({**base, name: value}) != digest


def test_how_a_log_is_read_makes_another_cell(tmp_path):
    signal = Signal("x", "", -1.0, 1.0)
    file = ColumnsFile((signal,), (signal,), path="here.toml")
    moved = dataclasses.replace(file, path="there.toml")
    other = dataclasses.replace(file, terminal="fell")
    base = defaults() | {"task": "hopper", "algorithm": "bc"}
    names = [
        ledger.identity(base | Reading(**given).deciding(), 0)
        for given in (
            {},
            {"action_bounds": (-2.0, 2.0)},
            {"max_episode_steps": 7},
            {"columns": {"rewards": "r"}},
            {"columns": file},
            {"columns": moved},
            {"columns": other},
        )
    ]
    assert len(set(names)) == 6 and names[4] == names[5]
    assert names[0] == ledger.identity(base, 0)  # as cells without it have it


@pytest.mark.parametrize("preset", ["", "small"])
def test_a_cell_lies_below_task_gap_and_method(preset):
    cell = {
        "task": "hopper",
        "gap": "gravity:2",
        "algorithm": "sac",
        "preset": preset,
        "seed": 4,
        "steps": 2000,
        "setting": {"discount": Hyper().discount},
    }
    # No setting is apart from its default: SHA-256 of "{}" begins with 44136fa3.
    method = "sac-small" if preset else "sac"
    expected = f"hopper/gravity:2/{method}/seed4-2000-44136fa3.json"
    assert str(ledger.place(cell)) == expected


def test_cells_that_differ_in_what_their_method_never_reads_are_one():
    def identity(algorithm, **settings):
        return ledger.identity({"algorithm": algorithm, "hidden": [8], **settings}, 0)

    unread = {
        "iql": {"discriminator_hidden": [8], "lambda_real": 0.5, "cql_weight": 9.0},
        "sac": {"discriminate_rows": [0, 8], "ratio_low": 0.1, "expectile": 0.9},
        "bc": {"discount": 0.5, "critics": 5, "return_range": 1000.0, "overlap": True},
        "h2o_plus": {"sparse_alpha": 3.0, "fields": ["gravity"]},
        "h2o": {"residual_rows": 600, "pessimism": 1.0},
    }
    for algorithm, settings in unread.items():
        assert identity(algorithm, **settings) == identity(algorithm)
        for name, value in (("hidden", [9]), ("policy_lr", 1.0)):
            assert identity(algorithm, **{name: value}) != identity(algorithm)
    auto = {"simulator": "auto"}
    assert identity("rebrac", pessimism=1.0, **auto) == identity("rebrac", **auto)
    ours = identity("h2o_plus")
    for name, value in (("discriminator_hidden", [8]), ("lambda_real", 0.5)):
        assert identity("h2o_plus", **{name: value}) != ours
    assert identity("h2o_plus", backbone="sql", sparse_alpha=3.0) != identity(
        "h2o_plus", backbone="sql"
    )
    for name, value, route in (
        ("residual_rows", 600, "residual"),
        ("pessimism", 1.0, "residual"),
        ("fields", ["gravity"], "identified"),
    ):
        mended = {"simulator": route}
        changed = identity("h2o_plus", **{name: value}, **mended)
        assert changed != identity("h2o_plus", **mended)


@pytest.mark.parametrize("algorithm", ["bc", "cql", "iql", "rebrac", "sac"])
def test_an_unread_hyperparameter_changes_no_update(algorithm):
    method = ALGORITHMS[algorithm](2, 1, hidden=(4,))
    rng = np.random.default_rng(0)
    n = method.batch_size
    s, a = (rng.normal(size=(n, k)).astype(np.float32) for k in (2, 1))
    x = np.ones(n, np.float32)
    batch = Transition(s, a, x, x, s, a if method.needs_next_action else None)
    unread = [x for x in of_method(algorithm) if hasattr(Hyper(), x)]
    other = Hyper().replace(**{name: 0.37 for name in unread})
    after = [
        method.update(method.init(jax.random.key(0), hyper), batch, batch)[0].params
        for hyper in (Hyper(), other)
    ]
    jax.tree.map(np.testing.assert_array_equal, *after)
    assert {"discriminator_lr", "lambda_real", "gap_weight"} <= set(unread)
