"""Plans: what a ledger should hold, line by line."""

import pytest

from experiments import grid, pace, plans
from h2o_jax.errors import ConfigError
from tests.commands import call

PLANS = sorted(plans.PLANS.rglob("*.plan"))
# Cloning compiles quickest, and needs no simulator.
BC = (
    "--task=hopper --algorithm=bc --hidden=8,8 --learn_rows=0:8 --steps=1 --updates=5 "
    "--episodes=1 --gap=none --threads=1"
)


def plan(folder, *lines):
    path = folder / "mine.plan"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("path", PLANS, ids=lambda p: str(p.relative_to(plans.PLANS)))
def test_plans_of_the_package_parse(path):
    assert path.read_text().startswith("# ")
    groups = plans.read(path)
    assert all(group.wanted() for group in groups)


def test_table_one_has_the_published_number_of_runs():
    for name in ("table1", "small/table1"):
        groups = plans.read(plans.find(name))
        cells = [x.identity for group in groups for x in group.wanted()]
        # 25 logs and gaps for three methods, 16 gaps without a log, 3 logs for two.
        assert len(cells) == len(set(cells)) == (25 * 3 + 16 + 3 * 2) * 5


def test_a_plan_is_flagfiles_overrides_and_comments(tmp_path):
    path = plan(
        tmp_path,
        "# first",
        "",
        "--flagfile=table1/halfcheetah_gravity.flags --flagfile=small.flags  # why",
        f"{BC} --dataset=absent.hdf5 --seed=0..1",
    )
    first, second = plans.read(path, logs=str(tmp_path), add="--epochs=3")
    assert (first.name, first.experiment.hidden) == ("mine.plan:3", (64, 64))
    assert first.experiment.epochs == second.experiment.epochs == 3
    assert second.experiment.dataset == f"{tmp_path}/absent.hdf5" and second.missing


def test_a_report_tells_lines_apart(tmp_path):
    gaps = "--gap=gravity,friction,joint_noise"
    path = plan(
        tmp_path,
        f"{BC} --dataset=one.hdf5",
        f"{BC} --dataset=two.hdf5",
        f"{BC} --dataset=two.hdf5 --gap_weight=2",
        f"{BC} --dataset=two.hdf5 {gaps},big_thigh",
        f"{BC} --dataset=two.hdf5 {gaps},foot_range",
    )
    groups = plans.read(path, logs=str(tmp_path))
    _, *rows, _, _ = pace.report(pace.standing(groups, tmp_path, "cpu")).splitlines()
    own = [row.partition("?")[2].partition("(no log")[0].strip() for row in rows]
    assert own == [
        "--dataset=one.hdf5",
        "",
        "--gap_weight=2",
        f"{gaps},big_thigh",
        f"{gaps},foot_range",
    ]


def test_a_folder_is_said_where_logs_have_several(tmp_path):
    lines = [f"{BC} --dataset={day}/log.hdf5" for day in ("one", "two", "three")]
    groups = plans.read(plan(tmp_path, *lines))
    assert plans.own_flags(groups) == [
        [f"--dataset={day}/log.hdf5"] for day in ("one", "two", "three")
    ]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--flagfile=absent.flags", "2: --flagfile=absent.flags: no such file"),
        ("--seed=a", "2: --seed=a: not whole numbers"),
        ("--learning=3", "2: .*learning"),
        ("sac", "2: 'sac' is no flag"),
        ("--run_dir=x", "2: --run_dir: every program has its own"),
        ('--preset="x', "2: No closing quotation; close the quotation"),
        ("--gap=gravty:2", "2: .*gravty"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    with pytest.raises(ConfigError, match=rf"mine.plan:{message}"):
        plans.read(plan(tmp_path, "# a plan", line))


@pytest.mark.fault
def test_plans_that_are_not_there_or_empty(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"--plan=tabel1: no such.*small/table1"):
        plans.find("tabel1")
    with pytest.raises(ConfigError, match=r"mine.plan: no groups"):
        plans.read(plan(tmp_path, "# nothing"))
    with pytest.raises(ConfigError, match="--plan=: nothing to make"):
        call(grid.main, monkeypatch)
    flags = grid.Flags(*grid.SETTINGS, argument="plan")
    flags.parse(["grid", "small/table1", "--minutes=9"])
    assert flags.of(grid.Filling).plan == "small/table1"


@pytest.mark.fault
def test_flags_that_are_added_are_named(tmp_path):
    path = tmp_path / "one.plan"
    path.write_text("--task=halfcheetah --gap=none --algorithm=sac\n")
    with pytest.raises(ConfigError, match=r"^--add=--lamda=1: --lamda: no such flag"):
        plans.read(path, add="--lamda=1")
