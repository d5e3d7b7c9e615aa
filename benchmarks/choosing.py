"""The figure of what a right simulator's choice is worth, from cells.

python -m benchmarks.choosing --logs=LOGS --out=docs/choosing.png

The cells are those of the plan `small/best` on Walker2d with twice the gravity: what
the last policies earn in the real system, and those that did best in the run's own
simulator until then.
"""

import pathlib

from benchmarks import plan_table
from experiments import plots
from experiments.ledger import curves

_SHOWN = {
    ("h2o_plus", "recommended"): "H2O+ (locomotion)",
    ("rebrac", "balancing"): "ReBRAC (balancing)",
}
"""Method and defaults, of two the better for it -> its name."""
_TITLE = "Walker2d, twice the gravity, simulator identified, 64-64"


def main() -> None:
    """Draws the last policies of each method beside the chosen ones."""
    parser = plan_table.parser_of(__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    choice = parser.parse_args()
    groups, stored = plan_table.read(parser, choice, "small/best")
    lines = []
    for group in groups:
        one = group.experiment
        name = _SHOWN.get((one.algorithm, group.flags.value("defaults")))
        if not name or (one.model.name, one.simulator) != ("walker2d", "identified"):
            continue
        for _, found in plan_table.by_run(group, stored):
            cells = [cell for cell in found if cell.get("simulated")]
            best = [{**cell, "curve": plan_table.best_curve(cell)} for cell in cells]
            lines += curves.lines(best, f"{name}: chosen")
            lines += curves.lines(cells, f"{name}: last")
    if not lines:
        parser.error(plan_table.EMPTY.format(choice.results))
    plots.curve(choice.out, lines, _TITLE, {})


if __name__ == "__main__":
    main()
