"""A plan's cells as a table, and as figures."""

import functools
import pathlib
import sys

import numpy as np
import pytest

from benchmarks import choosing, headline, plan_table
from experiments import ledger, plans

ROOT = pathlib.Path(__file__).resolve().parents[1]
LINES = """
--defaults=published --task=hopper --algorithm=sac --seed=0..1 --steps=1000 --epochs=2
--defaults=published --task=hopper --algorithm=sac --seed=0..1 --steps=4000 --epochs=2
--defaults=published --task=hopper --algorithm=sac --seed=0..1 --critics=5 --epochs=2
"""


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "a.plan"
    path.write_text(LINES)
    return plans.read(path)


def cell(group, seed, curve, **others):
    setting = ledger.setting(group.experiment, group.experiment.runs[seed], {}, {})
    return {ledger.identity(setting, seed): {"curve": curve, **others}}


def test_a_row_has_mean_and_students_interval(groups):
    cells = {
        **cell(groups[0], 0, [[1000, 1.0], [2000, 10.0]]),
        **cell(groups[0], 1, [[1000, 3.0], [2000, 14.0]]),
        **cell(groups[1], 0, [[4000, 7.0]]),
    }
    table = plan_table.table(groups, cells, [1000, 2000]).splitlines()
    # t of one degree of freedom is 12.706, the standard errors are 1 and 2.
    assert table[2:] == [
        "| gravity:2 `--steps=1000` | 2 ± 13 | 12 ± 25 | 2 |",
        "| gravity:2 `--steps=4000` | 7 | - | 1 |",
    ]


def test_rows_of_best_policies_are_those_that_have_any(groups):
    returns = (
        [[4000, 7.0], [8000, 2.0], [12000, 5.0]],
        [[4000, 1.0], [8000, 4.0], [12000, 6.0]],
    )
    cells = {
        **cell(groups[0], 0, [[1000, 1.0]]),
        **cell(groups[1], 0, returns[0], simulated=[8.0, 3.0, 9.0]),
        **cell(groups[1], 1, returns[1], simulated=[7.0, 8.5, 8.0]),
    }
    of = functools.partial(plan_table.table, groups, cells, [1000, 2000, 3000])
    # The first seed keeps 7, 7, 5 and the second 1, 4, 4; means are 4, 5.5, 4.5.
    (row,) = of("best").splitlines()[2:]
    assert [x.split()[0] for x in row.split(" | ")[1:]] == ["4", "6", "4", "2"]
    (row,) = of("best_seed").splitlines()[2:]
    assert row == "| gravity:2 `--steps=4000` | 7 | 4 | 5 | 1 of 2 |"
    # A seed without a number is never the best, and shorter curves end earlier.
    cells |= cell(groups[1], 1, returns[1][:2], simulated=[np.nan, 8.5])
    (row,) = of("best_seed").splitlines()[2:]
    assert row == "| gravity:2 `--steps=4000` | 7 | 4 | - | 1 of 2 |"


def test_a_row_names_a_log_that_most_lines_do_not_have(tmp_path):
    logs = "a.hdf5", "a.hdf5", "a.hdf5", "folder/b.hdf5"
    line = "--task=hopper --algorithm=bc --seed=0 --epochs=2 --dataset="
    (tmp_path / "a.plan").write_text("".join(f"{line}{x}\n" for x in logs))
    groups = plans.read(tmp_path / "a.plan")
    cells = {x.identity: {"curve": [[1000, 1.0]]} for g in groups for x in g.wanted()}
    *usual, other = plan_table.table(groups, cells, [1000]).splitlines()[2:]
    assert set(usual) == {"| gravity:2 | 1 | 1 |"}
    assert other == "| gravity:2 `--dataset=folder/b.hdf5` | 1 | 1 |"


def test_lines_without_a_cell_are_left_out(groups):
    assert len(plan_table.table(groups, {}, [1000]).splitlines()) == 2


@pytest.mark.parametrize("figure", [headline, choosing])
def test_a_figure_without_a_cell_is_refused(figure, tmp_path, monkeypatch, capsys):
    out = tmp_path / "a.png"
    monkeypatch.setattr(sys, "argv", ["a figure", f"--out={out}"])
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(plans, "read", lambda *_: [])
    with pytest.raises(SystemExit):
        figure.main()
    assert "has no cell of the plan" in capsys.readouterr().err and not out.exists()


@pytest.mark.fault
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "--plan=absent: no such file or plan"),
        (["headlin"], "no such file or plan; did you mean headline? give a file or"),
        (["headline", "--logs=nowhere"], "--logs=nowhere: no such folder"),
        (["headline"], "headline.plan:7: no log halfcheetah-medium-replay.hdf5; give"),
        (["smoke", "--results=nowhere"], "smoke.plan:2: no log that it collects; give"),
        (["empty.plan"], "nowhere: has no cell of the plan; see experiments.grid"),
    ],
)
def test_what_makes_no_table_is_one_line(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.plan").write_text("--task=hopper --algorithm=sac\n")
    given = ["--results=nowhere", "--updates=1"]
    monkeypatch.setattr(sys, "argv", ["a table", *arguments, *given])
    with pytest.raises(SystemExit):
        plan_table.main()
    assert message in capsys.readouterr().err


def test_chosen_policies_are_drawn_beside_the_last(tmp_path, monkeypatch):
    (tmp_path / "log.hdf5").touch()
    log = f"--dataset={tmp_path / 'log.hdf5'}"
    lines = f"--task=walker2d {log} --seed=0..1 --epochs=2 --algorithm="
    fitted = "--simulator=identified"
    wanted = f"h2o_plus {fitted}", f"rebrac {fitted} --defaults=balancing"
    (tmp_path / "best.plan").write_text(
        "".join(f"{lines}{x}\n" for x in (*wanted, "h2o_plus --simulator=residual"))
    )
    groups = plans.read(tmp_path / "best.plan")
    curve, simulated = [[0, 1.0], [1000, 5.0], [2000, 3.0]], [1.0, 9.0, 4.0]
    cells = {
        x.identity: {"seed": seed, "curve": curve, "simulated": simulated}
        for group in groups
        for seed, x in enumerate(group.wanted())
    }
    drawn = []
    monkeypatch.setattr(plans, "read", lambda *_: groups)
    monkeypatch.setattr(ledger, "by_identity", lambda _: cells)
    monkeypatch.setattr(
        choosing.plots, "curve", lambda _, lines, *__: drawn.extend(lines)
    )
    monkeypatch.setattr(sys, "argv", ["choosing", f"--out={tmp_path / 'a.png'}"])
    choosing.main()
    last = {x["label"]: x["return"] for x in drawn}
    assert list(last.values()) == [5, 3, 5, 3]
    assert [x.partition(": ")[2] for x in last] == ["chosen", "last"] * 2


def test_the_log_alone_stands_beside_both_sources_at_every_gap(tmp_path):
    both = "--task=hopper --seed=0..1 --dataset=absent.hdf5 --algorithm="
    auto = f"{both}h2o_plus --simulator=auto --policy_lr=3e-4,1e-3"
    lines = (
        f"{auto} --gap=gravity,friction",
        f"{both}iql --gap=none",
        "--defaults=published --task=hopper --seed=0..1 --algorithm=sac --gap=none",
        "--defaults=published --task=hopper --seed=0..1 --algorithm=sac --gap=gravity",
    )
    (tmp_path / "a.plan").write_text("\n".join(lines))
    groups = plans.read(tmp_path / "a.plan")
    cells = {
        x.identity: {"seed": 0, "curve": [[0, 0.0], [2000, 10.0 * i + x.place]]}
        for i, group in enumerate(groups)
        for x in group.wanted()
    }
    found = headline.by_gap(groups, cells)
    names = {gap: list(rows) for gap, rows in found.items()}
    mended, log, alone = (
        "both, simulator mended",
        "the log alone (IQL)",
        "the simulator alone (SAC)",
    )
    # SAC in the right simulator is no row.
    assert names == {
        "gravity:2": [mended, log, alone],
        "friction:0.3": [mended, log],
    }
    head, _, *rows = headline.table(found).splitlines()
    assert head == "| learns from | gravity:2 | friction:0.3 |"
    assert [x.split(" ± ")[0] for x in rows[0].split(" | ")] == [
        f"| {mended}",
        "2",
        "6",
    ]
    assert rows[1].count("10 ± 6 (seeds: 2)") == 2 and rows[2].endswith("| - |")
    with pytest.raises(ValueError, match=r"a second line for gravity:2, the simulator"):
        headline.by_gap([*groups, groups[-1]._replace(name="another")], cells)
