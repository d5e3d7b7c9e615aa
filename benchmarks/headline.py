"""README's figure at published sizes: both sources beside each alone, from cells.

python -m benchmarks.headline --logs=LOGS --out=docs/headline.png

The cells are those of the plan `headline` with the recommended step sizes.
"""

import argparse
import pathlib

from experiments import curves, ledger, plans, plots, statistics

_NAMES = {
    ("h2o_plus", "identified", "recommended"): "both, simulator identified (H2O+)",
    ("h2o_plus", "residual", "recommended"): "both, residual learned (H2O+)",
    ("h2o_plus", "as_is", "recommended"): "both, simulator as it is (H2O+)",
    ("iql", "as_is", "recommended"): "the log alone (IQL)",
    ("h2o_plus", "as_is", "published"): "both, H2O+ as published",
    ("sac", "as_is", "published"): "the simulator alone (SAC)",
}
"""Method, simulator and defaults of a line -> its name."""


def main() -> None:
    """Prints the rows and draws their curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--logs", default="")
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("results"))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    choice = parser.parse_args()
    cells = {
        ledger.identity(cell["setting"], cell["seed"]): cell
        for cell in ledger.cells(choice.results)
    }
    found: dict[str, list[ledger.Cell]] = {}
    for group in plans.read(plans.find("headline"), choice.logs):
        one = group.experiment
        about = one.algorithm, one.simulator, str(group.flags.value("defaults"))
        alone = one.algorithm == "iql" or group.title.startswith("halfcheetah gravity")
        if about not in _NAMES or not alone:
            continue
        for wanted in group.wanted():
            chosen = dict(one.runs[wanted.place].swept)
            if chosen.get("policy_lr", 1e-3) == 1e-3 and wanted.identity in cells:
                found.setdefault(_NAMES[about], []).append(cells[wanted.identity])
    order = [name for name in _NAMES.values() if name in found]
    for name in order:
        finals = [cell["curve"][-1][1] for cell in found[name]]
        print(f"{name:36s} {statistics.spread(finals)}, {len(finals)} seeds")
    drawn = [line for name in order for line in curves.lines(found[name], name)]
    data = found[order[0]][0]["data"]
    references = {"the log's best episode": data["best"]}
    plots.curve(choice.out, drawn, "HalfCheetah, twice the gravity", references)


if __name__ == "__main__":
    main()
