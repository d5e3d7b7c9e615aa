"""Tables of stored cells: what shares a row and what must not."""

import json

import matplotlib.image
import pytest

from experiments import compare, ledger
from experiments.data import Reading
from experiments.experiment import defaults
from h2o_jax.errors import ConfigError
from tests.commands import call, experiment_of


def cell(algorithm="h2o", seed=0, final=1.0, preset="", **setting):
    return {
        "algorithm": algorithm,
        "preset": preset,
        "seed": seed,
        "task": "halfcheetah",
        "gap": "gravity:2",
        "steps": 1000,
        "final": final,
        "last_ten": final,
        "curve": [[0, 0.0], [1000, final]],
        "data": None,
        "setting": {"epochs": 1, "real": "gravity:2"} | setting,
    }


def rows(*cells):
    """Method, seeds and final return of each row."""
    lines = compare.table(compare.label(cells)).splitlines()[2:]
    columns = [[x.strip() for x in line.split("|")[1:-1]] for line in lines]
    return [(c[0], c[2], c[3]) for c in columns]


def test_seeds_of_one_setting_share_a_row():
    assert rows(cell(seed=0, final=1.0), cell(seed=1, final=3.0)) == [
        ("h2o", "2", "2.00 ± 1.00")
    ]


def test_small_returns_keep_their_digits():
    assert rows(cell(seed=0, final=-0.5), cell(seed=1, final=-0.7)) == [
        ("h2o", "2", "-0.60 ± 0.10")
    ]
    assert rows(cell(final=1234.5)) == [("h2o", "1", "1234")]


def test_fewer_than_ten_evaluations_are_counted():
    few = compare.table(compare.label([cell()])).splitlines()[-1]
    assert few.endswith("| 1.00 (of 1) |")
    many = {**cell(), "curve": [[i, 1.0] for i in range(11)]}
    assert "(of" not in compare.table(compare.label([many]))


def test_a_figure_is_a_png(monkeypatch):
    with pytest.raises(ConfigError, match=r"--out=fig.pdf: .* ending in .png"):
        call(compare.main, monkeypatch, "--out=fig.pdf")


def test_several_gaps_have_a_table_and_a_panel_each(tmp_path, monkeypatch, capsys):
    for gap, final in (("gravity:2", 10.0), ("friction:0.3", 20.0)):
        one = cell(final=final, gap=gap) | {"gap": gap}
        path = tmp_path / ledger.place(one)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(one))
    where = (f"--results_dir={tmp_path}", "--real=gravity:2", "--task=halfcheetah")
    figure = tmp_path / "figure.png"
    call(
        compare.main, monkeypatch, *where, "--gap=gravity:2,friction", f"--out={figure}"
    )
    first, second = capsys.readouterr().out.split("simulator with ")[1:]
    assert first.startswith("gravity:2\n\n|") and "| h2o | 1,000 | 1 | 10 |" in first
    assert second.startswith("friction:0.3\n\n|") and "| 1 | 20 |" in second
    wide, _ = matplotlib.image.imread(figure).shape[1::-1]
    assert wide > 600


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ({"batch": 16}, {"batch": 64}, ["batch=16", "batch=64"]),
        # Only what is not at its default is stored of hyperparameters.
        ({}, {"gap_noise": 0.3}, ["gap_noise=0.3", "gap_noise=1"]),
        ({"data": "a"}, {"data": "b"}, ["data=a", "data=b"]),
    ],
)
def test_settings_that_differ_are_told_apart_by_name(one, other, names):
    found = rows(cell(**one), cell(final=2.0, **other), cell("sac", batch=256))
    assert [name for name, _, _ in found] == [*(f"h2o {x}" for x in names), "sac"]


def test_a_setting_newer_than_a_cell_was_at_its_default():
    old, new = cell(seed=0), cell(seed=1, return_range=None, expectile=0.7)
    assert rows(old, new) == [("h2o", "2", "1.00 ± 0.00")]
    assert len(rows(old, cell(seed=1, return_range=1000.0))) == 2


def test_a_seed_counts_once():
    with pytest.raises(ConfigError, match="h2o has seed 0 twice at 1000 steps"):
        compare.label([cell(), cell()])


def test_ways_to_evaluate_are_told_apart():
    found = rows(cell(evaluate_every=5), cell(evaluate_every=10))
    assert [x for x, _, _ in found] == ["h2o evaluate_every=10", "h2o evaluate_every=5"]


def test_what_run_stores_is_all_that_sets_cells_apart():
    """Every setting of a run is there, and only what is not at its default names it."""
    experiment = experiment_of("--gap=gravity", "--expectile=0.5,0.7", "--seed=0..1")
    settings = [
        ledger.setting(experiment, run, {}, Reading().deciding())
        for run in experiment.runs
    ]
    digests = [ledger.digest(x) for x in settings]
    newer = [ledger.digest({**x, "return_range": None}) for x in settings]
    assert set(defaults()) - {"dataset"} <= set(settings[0])
    assert digests == newer and len(set(digests)) == 2
    one, other = (cell(**settings[i]) for i in (0, 2))
    assert [x for x, _, _ in rows(one, other)] == [
        "h2o_plus expectile=0.5",
        "h2o_plus expectile=0.7",
    ]


def test_returns_are_scored_against_the_real_systems_own_references():
    def score(real):
        table = compare.table(compare.label([cell(final=9509.15, real=real)]))
        return table.splitlines()[2].split("|")[5].strip()

    assert score("gravity:0.5") == "100.0"
    assert score("none") == "78.8"
    assert score("gravity:2") == "-"


def test_presets_name_rows():
    found = rows(cell(preset="small", batch=64), cell(preset="paper", batch=16))
    assert [name for name, _, _ in found] == ["h2o (paper)", "h2o (small)"]


@pytest.mark.fault
def test_a_cell_of_another_layout_is_named(tmp_path):
    path = tmp_path / "hopper" / "gravity:2" / "h2o" / "seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"algorithm": "h2o"}))
    with pytest.raises(ConfigError, match=r"seed0.json: stored by another version"):
        compare.load(tmp_path, "hopper", "gravity:2", "none")


def test_a_cell_that_is_being_written_is_none_yet(tmp_path):
    one = cell() | {"gap": "none"}
    path = tmp_path / ledger.place(one)
    part = path.parent / ".part-1" / path.name
    part.parent.mkdir(parents=True)
    path.write_text(json.dumps(one))
    part.write_text("{")
    assert len(compare.load(tmp_path, "halfcheetah", "none", "gravity:2")) == 1


def test_what_there_is_instead_is_said(tmp_path):
    for gap, real in (("gravity:2", "other-1a2b"), ("none", "none")):
        one = cell(real=real) | {"gap": gap}
        path = tmp_path / ledger.place(one)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(one))
    wanted = "halfcheetah with gap gravity:2 and real system other-1a2b"
    with pytest.raises(ConfigError, match=f"--real=none.*; there is {wanted}, half"):
        compare.load(tmp_path, "halfcheetah", "gravity:2", "none")
    with pytest.raises(ConfigError, match=r"nothing for .*; store cells with"):
        compare.load(tmp_path / "empty", "halfcheetah", "gravity:2", "none")


def test_an_older_cell_is_compared_by_what_its_settings_were():
    new = {**json.loads(json.dumps(defaults())), "real": "gravity:2"}
    shorter = {k: v for k, v in new.items() if k != "residual_hidden"}
    assert rows(cell(seed=0, **new), cell(seed=1, **shorter))[0][:2] == ("h2o", "2")
    named = rows(cell(seed=0, **new), cell(seed=1, **{**new, "hidden": [64, 64]}))
    assert [row[0] for row in named] == ["h2o hidden=256-256", "h2o hidden=64-64"]
