"""README's table and figure at published sizes: both sources beside each alone.

python -m benchmarks.headline --logs=LOGS --out=docs/headline.png

The cells are those of the plan `headline`, with the recommended step of the policy.
What was learned from the log alone is the same at every gap.
"""

import pathlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from benchmarks import plan_table
from experiments import plots
from experiments.ledger import Cell, curves
from experiments.plans import Group

_NAMES = {
    ("h2o_plus", "identified", "recommended"): "both, simulator mended",
    ("h2o_plus", "auto", "recommended"): "both, simulator mended",
    ("h2o_plus", "as_is", "recommended"): "both, simulator as it is",
    ("edac", "as_is", "recommended"): "the log alone (EDAC)",
    ("rebrac", "as_is", "recommended"): "the log alone (ReBRAC)",
    ("iql", "as_is", "recommended"): "the log alone (IQL)",
    ("h2o_plus", "as_is", "published"): "both, as published",
    ("sac", "as_is", "published"): "the simulator alone (SAC)",
}
"""Method, simulator and defaults of a line -> its name, in the order of rows."""
_LOG_ALONE = {x for x in _NAMES.values() if x.startswith("the log alone")}
_RIGHT = "none"
"""The gap of a right simulator, and of lines without one."""
_SWEPT: tuple[dict[str, float], ...] = ({}, {"policy_lr": 1e-3})
"""The recommended step of the policy, where a line sweeps it."""
_SEEDS = 5

Rows = Mapping[str, Sequence[Cell]]


def main() -> None:
    """Prints the table and draws a panel for each gap."""
    parser = plan_table.parser_of(__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    choice = parser.parse_args()
    found = by_gap(*plan_table.read(parser, choice, "headline"))
    if not found:
        parser.error(plan_table.EMPTY.format(choice.results))
    print(table(found))
    panels = {
        f"HalfCheetah, {gap}": [
            line for name, cells in rows.items() for line in curves.lines(cells, name)
        ]
        for gap, rows in found.items()
    }
    plots.panels(choice.out, panels)


def by_gap(groups: Sequence[Group], cells: dict[str, Cell]) -> dict[str, Rows]:
    """Gap -> name of a row -> its cells, those of the log alone at every gap.

    Raises:
        ValueError: two lines of the plan have one gap and one name.
    """
    found: dict[str, dict[str, Sequence[Cell]]] = defaultdict(dict)
    for group in groups:
        name = _NAMES.get(_kind(group))
        for run, own in plan_table.by_run(group, cells):
            gap = run.label.partition(" ")[0]
            right = gap == _RIGHT and name not in _LOG_ALONE
            if name is None or right or dict(run.swept) not in _SWEPT:
                continue
            if name in found[gap]:
                raise ValueError(f"{group.name}: a second line for {gap}, {name}")
            found[gap][name] = own
    alone = found.pop(_RIGHT, {})
    every = {gap: {**alone, **rows} for gap, rows in found.items()}
    order = dict.fromkeys(_NAMES.values())
    return {
        gap: {name: rows[name] for name in order if name in rows}
        for gap, rows in every.items()
    }


def _kind(group: Group) -> tuple[str, str, str]:
    """What names a line; see `_NAMES`."""
    one = group.experiment
    return one.algorithm, one.simulator, group.flags.value("defaults")


def table(found: Mapping[str, Rows]) -> str:
    """Returns at the end, mean and 95 % interval: a row for each name."""
    lines = [["learns from", *found], ["---"] * (1 + len(found))]
    for name in dict.fromkeys(_NAMES.values()):
        row = [_value(rows.get(name, ())) for rows in found.values()]
        if set(row) != {"-"}:
            lines.append([name, *row])
    return "\n".join(plan_table.row(line) for line in lines)


def _value(cells: Sequence[Cell]) -> str:
    if not cells:
        return "-"
    found = [x["curve"] for x in cells]
    seeds = "" if len(cells) == _SEEDS else f" (seeds: {len(cells)})"
    return plan_table.value(found, found[0][-1][0]) + seeds


if __name__ == "__main__":
    main()
