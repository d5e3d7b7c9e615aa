"""README's figure at published sizes: both sources beside each alone, from cells.

python -m benchmarks.headline --logs=LOGS --out=docs/headline.png

The cells are those of the plan `headline`, with the recommended step sizes.
"""

import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import plan_table
from experiments import curves, ledger, plans, plots, statistics
from experiments.ledger import Cell
from experiments.plans import Group

_GRAVITY = "gravity:2"
_NAMES = {
    ("h2o_plus", _GRAVITY, "identified", "recommended"): "both, simulator identified",
    ("h2o_plus", _GRAVITY, "residual", "recommended"): "both, simulator corrected",
    ("h2o_plus", _GRAVITY, "as_is", "recommended"): "both, simulator as it is",
    ("iql", "none", "as_is", "recommended"): "the log alone (IQL)",
    ("h2o_plus", _GRAVITY, "as_is", "published"): "both, as published",
    ("sac", _GRAVITY, "as_is", "published"): "the simulator alone (SAC)",
}
"""Method, gap, simulator and defaults of a line -> its name, in the order of curves."""


def main() -> None:
    """Prints the rows and draws their curves."""
    parser = plan_table.parser_of(__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    choice = parser.parse_args()
    groups = plans.read(plans.find("headline"), choice.logs)
    found = dict(_found(groups, ledger.by_identity(choice.results)))
    if not found:
        parser.error(f"{choice.results}: has no cell of the plan; see experiments.grid")
    rows = [(name, found[name]) for name in _NAMES.values() if name in found]
    for name, cells in rows:
        value, low, high = statistics.mean(
            np.array([cell["curve"][-1][1] for cell in cells])
        )
        print(f"{name:28s}{value:6.0f} [{low:.0f}, {high:.0f}], {len(cells)} seeds")
    lines = [line for name, cells in rows for line in curves.lines(cells, name)]
    (best,) = {cell["data"]["best"] for _, x in rows for cell in x if cell["data"]}
    title = "HalfCheetah, a simulator with twice the gravity, 2 x 256"
    plots.curve(choice.out, lines, title, {"the log's best episode": best})


def _found(
    groups: Sequence[Group], cells: dict[str, Cell]
) -> Iterator[tuple[str, list[Cell]]]:
    """Name -> cells of the lines that have one, at the recommended policy step."""
    for group in groups:
        one, flags = group.experiment, group.flags
        about = (
            one.algorithm,
            flags.value("gap"),
            one.simulator,
            flags.value("defaults"),
        )
        chosen = [
            cells[x.identity]
            for x in group.wanted()
            if x.identity in cells
            and dict(one.runs[x.place].swept).get("policy_lr", 1e-3) == 1e-3
        ]
        if about in _NAMES and chosen:
            yield _NAMES[about], chosen


if __name__ == "__main__":
    main()
