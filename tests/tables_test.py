"""Tables of handmade cells: what shares a column, what stands beside it."""

import csv
import json

import numpy as np
import pytest

from experiments import ledger, tables
from experiments.ledger import columns, drawing
from h2o_jax.errors import ConfigError
from tests.commands import call, experiment_of

SMALL = ("--hidden=64,64", "--episodes=5")
REPLAY = "halfcheetah-medium-replay"


def cells(algorithm, returns, *flags, gap="gravity:2", epochs=2, log=REPLAY, task=None):
    """One cell per seed; returns are those after each 1000 steps."""
    given = [f"--task={task or 'halfcheetah'}", f"--gap={gap}", f"--epochs={epochs}"]
    seeds = f"--seed=0..{len(returns) - 1}"
    one = experiment_of(*given, seeds, f"--algorithm={algorithm}", *SMALL, *flags)
    reads = "real" in columns.domains(algorithm)
    facts = {"name": f"{log}.hdf5", "sha256": log} if reads else {}
    labels = ledger.Labels("", {}, [])
    return [
        json.loads(json.dumps(ledger.content(one, run, lines(own), facts, labels)))
        for run, own in zip(one.runs, returns, strict=True)
    ]


def lines(returns):
    return [
        {"steps": 1000 * i, "return": x, "length": 10.0, "seconds": {}}
        for i, x in enumerate(returns)
    ]


def found(own, steps=2000):
    (together,) = columns.by_size(own).values()
    return {(x.log, x.gap, x.method): x for x in columns.columns(together, steps)}


def write(root, own):
    for cell in own:
        path = root / ledger.place(cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(cell))


def drawn(tmp_path, monkeypatch, own, *flags):
    write(tmp_path / "results", own)
    out = tmp_path / "out"
    places = (f"--results_dir={tmp_path / 'results'}", f"--out={out}")
    call(tables.main, monkeypatch, *places, *flags)
    return (out / "tables.md").read_text(), out


def rows(text, heading):
    """Rows of the first table below a heading."""
    below = text[text.index(heading) :].splitlines()
    start = next(i for i, x in enumerate(below) if x.startswith("|"))
    table = []
    for line in below[start:]:
        if not line.startswith("|"):
            break
        table.append([x.strip() for x in line.strip("|").split("|")])
    return [table[0], *table[2:]]


def test_a_log_only_method_serves_every_gap_and_a_simulator_every_log():
    own = [
        *cells("h2o_plus", [[0, 1, 2]]),
        *cells("h2o_plus", [[0, 1, 2]], gap="friction:0.3", log="other"),
        *cells("iql", [[0, 1, 5]], gap="none"),
        *cells("sac", [[0, 1, 7]]),
    ]
    assert found(own).keys() == {
        (REPLAY, "gravity:2", "h2o_plus"),
        ("other", "friction:0.3", "h2o_plus"),
        (REPLAY, "gravity:2", "iql"),
        (REPLAY, "friction:0.3", "iql"),
        (REPLAY, "gravity:2", "sac"),
        ("other", "gravity:2", "sac"),
    }


def test_a_longer_run_has_a_value_at_the_shorter_length():
    own = [*cells("sac", [[0, 1]], epochs=1), *cells("sac", [[0, 3, 9]] * 2)[1:]]
    (column,) = found(own, steps=1000).values()
    assert column.finals.tolist() == [1.0, 3.0] and column.longer
    (column,) = found(own).values()
    assert column.seeds == [1] and not column.longer


def test_logs_of_one_name_and_different_content_are_told_apart():
    own = cells("iql", [[0, 1, 2], [0, 1, 2]])
    other = cells("iql", [[0, 1, 500]])
    for cell in other:
        cell["setting"]["data"] = cell["data"]["sha256"] = "0123456789"
    values = {k[0]: x.finals.tolist() for k, x in found([*own, *other]).items()}
    assert values == {f"{REPLAY} (halfchee)": [2, 2], f"{REPLAY} (01234567)": [500]}


def test_a_combined_gap_is_none_of_table_three(tmp_path, monkeypatch):
    own = [
        *cells("h2o_plus", [[0, 1, 2]]),
        *cells("h2o_plus", [[0, 1, 3]], gap="gravity:1.25"),
        *cells("h2o_plus", [[0, 1, 4]], gap="gravity:2+friction:0.3"),
    ]
    text, _ = drawn(tmp_path, monkeypatch, own)
    assert {x[1] for x in rows(text, "## Table III\n")[1:]} == {
        "gravity:2",
        "gravity:1.25",
    }


def test_what_differs_is_never_in_one_column():
    one = cells("h2o_plus", [[0, 1, 2]])
    for flag in (
        "--hidden=32,32",
        "--episodes=3",
        "--inertia=d4rl",
        "--real=gravity:3",
    ):
        sizes = columns.by_size([*one, *cells("h2o_plus", [[0, 1, 2]], flag)])
        assert len(sizes) == 2, flag
    for flag, name in (
        ("--expectile=0.8", "h2o_plus expectile=0.8"),
        ("--lambda=0.2", "h2o_plus lambda_real=0.2"),
        ("--lambda_sim=0.2", "h2o_plus lambda_sim=0.2"),
        ("--backbone=sql", "h2o_plus backbone=sql"),
    ):
        both = found([*one, *cells("h2o_plus", [[0, 1, 2]], flag)])
        assert {x[2] for x in both} == {"h2o_plus", name}
    often = cells("h2o_plus", [[0, 1, 2]] * 2, "--evaluate_every=1")[1:]
    assert len(found([*one, *often])) == 1  # how often one looks changes nothing


def test_a_size_that_a_method_does_not_have_keeps_it_out_of_no_table():
    ours = cells("h2o_plus", [[1, 2, 3]], "--discriminator_hidden=8")
    other = cells("h2o_plus", [[1, 2, 4]], "--discriminator_hidden=9")
    unread = ("--discriminator_hidden=7", "--lambda_real=0.9")
    sac, iql = cells("sac", [[1, 2, 5]], *unread), cells("iql", [[1, 2, 6]], *unread)
    small, large = columns.by_size([*ours, *other, *sac, *iql]).values()
    assert {columns.method(x) for x in small} == {"h2o_plus", "sac", "iql"}
    assert small[1:] == large[1:] and small[0] != large[0]
    # A batch of its own is read by every method.
    assert len(columns.by_size([*ours, *cells("sac", [[1, 2, 5]], "--batch=9")])) == 2


def test_table_one(tmp_path, monkeypatch):
    own = [
        *cells("h2o_plus", [[0, 1, 100], [0, 1, 300]]),
        *cells("iql", [[0, 1, 200], [0, 1, 200]], gap="none"),
        *cells("sac", [[0, 1, 50]]),
    ]
    text, out = drawn(tmp_path, monkeypatch, own)
    head, only = rows(text, "### 2,000 steps: hidden 64-64, batch 128, episodes 5")
    assert head == ["log", "gap", "sac", "iql", "h2o_plus"]
    # Mean 200, std 100; t(.975, 1) = 12.706 and the standard error is 100.
    assert only == [
        REPLAY,
        "gravity:2",
        "50<br>1 seed<br>*4513 ± 513*",
        "200 ± 0<br>[200, 200], 2 seeds<br>*5207 ± 149*",
        "200 ± 100<br>[-1071, 1471], 2 seeds<br>*6861 ± 268*",
    ]
    _, sac, iql, ours = rows(text, "| method | rows |")
    assert sac[4].startswith("1.00, 1 row") and iql[4].startswith("0.50 [0.00, 1.00]")
    score = 100 * (200 + 280.178953) / (12135 + 280.178953)
    assert ours[2] == iql[2] == f"{score:.1f}"
    with (out / "tables.csv").open() as file:
        entries = list(csv.DictReader(file))
    assert [x["seeds"] for x in entries] == ["0 1", "0 1", "0"]
    assert {x["steps_of_runs"] for x in entries} == {"2000 2000", "2000"}
    with (out / "curves.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 5 * 3
    for name in ("tables.csv", "curves.csv"):
        assert f"]({name})" in text


def test_lengths_and_sizes_have_tables_of_their_own(tmp_path, monkeypatch):
    own = [
        *cells("sac", [[0, 1, 2]]),
        *cells("sac", [[0, 1]], epochs=1, gap="friction:0.3"),
        *cells("sac", [[0, 1, 4]], "--hidden=32,32"),
    ]
    text, _ = drawn(tmp_path, monkeypatch, own)
    for size, steps, gaps in (
        ("64-64", "2,000", ["gravity:2"]),
        ("64-64", "1,000", ["gravity:2", "friction:0.3"]),
        ("32-32", "2,000", ["gravity:2"]),
    ):
        _, *below = rows(text, f"### {steps} steps: hidden {size}")
        assert [x[1] for x in below] == gaps
    assert "1.00†<br>" in text  # of the longer run, at 1000 steps


def test_tables_two_and_three(tmp_path, monkeypatch):
    swept = cells("h2o_plus", [[0, 1, 9]], "--lambda=0.2", "--ratio_low=1")
    own = [
        *cells("h2o_plus", [[0, 1, 11]]),
        *swept,
        *cells("h2o_plus", [[0, 1, 12]], gap="gravity:1.25"),
    ]
    text, _ = drawn(tmp_path, monkeypatch, own)
    _, first, second = rows(text, "## Table II\n")
    assert first == [REPLAY, "0.1", "11<br>1 seed<br>*6861 ± 268*", ""]
    assert second == [REPLAY, "0.2", "", "9.00<br>1 seed"]
    _, *scales = rows(text, "## Table III\n")
    assert [x[1:] for x in scales] == [
        ["gravity:2", "11<br>1 seed<br>*6861 ± 268*"],
        ["gravity:1.25", "12<br>1 seed<br>*7165 ± 134*"],
    ]


def test_routes_stand_side_by_side(tmp_path, monkeypatch):
    """A route has a column; what is no route stays in the method's name."""
    unit, residual = "--weighting=unit", "--simulator=residual"
    own = [
        *cells("h2o_plus", [[0, 1, 11]], unit),
        *cells("h2o_plus", [[0, 1, 13]], unit, residual),
        *cells("sac", [[0, 1, 17]], residual),
        *cells("sac", [[0, 1, 19]], "--simulator=identified", "--randomise"),
        *cells("iql", [[0, 1, 23]], gap="none"),
        *cells("iql", [[0, 1, 29]], "--simulator=identified"),  # which only chose
    ]
    text, _ = drawn(tmp_path, monkeypatch, own)
    head, *entries = rows(text, "## Routes")
    assert head[3:] == ["log alone", "as it is", "identified", "residual"]
    values = {x[2]: [entry.partition("<br>")[0] for entry in x[3:]] for x in entries}
    assert values == {
        "sac": ["", "", "", "17"],
        "sac randomise=True": ["", "", "19", ""],
        "iql": ["23", "", "", ""],
        "h2o_plus weighting=unit": ["", "11", "", "13"],
    }
    # The paper's table has simulators as they are, and H2O+ as published.
    assert rows(text, "## Table I\n")[0] == ["log", "gap", "iql"]


def test_figures_of_the_robot_and_of_backbones(tmp_path, monkeypatch):
    robot = {"task": "wheel_legged_stand", "gap": "idealised", "log": "operator"}
    own = [
        *cells("h2o_plus", [[0, 1, 9]], **robot),
        *cells("sac", [[0, 1, 9]], **robot),
        *cells("h2o_plus", [[0, 1, 9]]),
        *cells("h2o_plus", [[0, 1, 9]], "--backbone=sql"),
    ]
    text, out = drawn(tmp_path, monkeypatch, own)
    names = {x.name.partition("-")[0] for x in out.glob("*.png")}
    assert {"figure2", "figure4", "table1", "the_robot"} <= names
    assert all(f"({x.name})" in text for x in out.glob("*.png"))
    assert "keeps balance over 30 s" in text


def test_scores_need_references():
    (column,) = found(cells("sac", [[0, 1, 12135.0]])).values()
    np.testing.assert_allclose(drawing.scores(column), [100.0])
    robot = {"task": "wheel_legged_stand", "gap": "idealised"}
    (column,) = found(cells("sac", [[0, 1, 2]], **robot)).values()
    assert drawing.scores(column) is None


def test_an_empty_ledger_is_named(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"--results_dir=.*: no cells; make some"):
        call(tables.main, monkeypatch, f"--results_dir={tmp_path}")


def test_the_cells_of_plans_alone(tmp_path, monkeypatch):
    """Of two sizes of networks one is in a plan, and of three gaps two."""
    own = [
        *cells("sac", [[0, 1, 17]]),
        *cells("sac", [[0, 1, 19]], gap="friction:0.3"),
        *cells("sac", [[0, 1, 21]], gap="soft_feet:0"),
        *cells("sac", [[0, 1, 23]], "--hidden=8,8"),
    ]
    base = f"--defaults=published --epochs=2 {' '.join(SMALL)}"
    lines = {
        "one": "--algorithm=sac --gap=gravity:2",
        "two": "--algorithm=sac --gap=friction:0.3",
        "none": "--algorithm=sac --gap=gravity:3",
        "log": "--algorithm=iql --gap=none --dataset=absent.hdf5",
    }
    for name, line in lines.items():
        (tmp_path / f"{name}.plan").write_text(f"{base} {line}\n")

    def of(*names):
        where = ",".join(str(tmp_path / f"{x}.plan") for x in names)
        return f"--plan={where}", f"--logs={tmp_path}"

    text, _ = drawn(tmp_path, monkeypatch, own, *of("one", "two"))
    values = [x[2].partition("<br>")[0] for x in rows(text, "## Table I\n")[1:]]
    assert sorted(values) == ["17", "19"] and "23<br>" not in text
    assert "Only cells of these plans are drawn: one.plan, two.plan." in text
    with pytest.raises(ConfigError, match=r"--plan=.*none\.plan: none of its cells"):
        drawn(tmp_path, monkeypatch, own, *of("none"))
    with pytest.raises(ConfigError, match=r"log\.plan:1: no log .*absent\.hdf5; give"):
        drawn(tmp_path, monkeypatch, own, *of("one", "log"))
