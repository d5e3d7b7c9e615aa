"""Learns from a log, from a wrong simulator and from both, and shows what each gives.

HalfCheetah; the simulator has twice the gravity, and the log of 20,000 transitions that
comes with the package was left by an early learner. Trains the plan `quickstart`: the
log alone (ReBRAC), the simulator alone (SAC), and both (H2O+ in the simulator that the
log has corrected), four seeds each with the same networks and updates. Prints returns
in the real system, draws them to --out, and keeps what is trained, so that the same
command shows it again at once.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

from experiments import grid, ledger, plans, plots
from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.ledger import columns, curves
from experiments.ledger.columns import Column
from experiments.statistics import mean
from h2o_jax.errors import JobError
from h2o_jax.settings import FOLDER, MACHINE, at_least, setting

_SOURCES = {
    "rebrac": "the log alone (ReBRAC)",
    "sac": "the simulator alone (SAC)",
    "h2o_plus": "both (H2O+)",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quickstart:
    """Where, and with what."""

    out: str = setting(
        "runs/quickstart", "Folder of results and figure.", tags=[FOLDER]
    )
    threads: int = setting(0, "CPU cores to use; 0: all.", at_least(0), [MACHINE])


SETTINGS = (Quickstart,)


def main(flags: Flags) -> None:
    """The command."""
    choice = flags.of(Quickstart)
    folder = pathlib.Path(choice.out)
    filling = Flags(*grid.SETTINGS)
    filling.set("plan", "quickstart")
    filling.set("results_dir", choice.out)
    filling.set("threads", str(choice.threads))
    grid.main(filling)
    groups = plans.read(plans.find("quickstart"))
    wanted = [x for group in groups for x in group.wanted()]
    stored = ledger.by_identity(folder)
    if lacking := sum(x.identity not in stored for x in wanted):
        raise JobError(
            f"{choice.out}: another command is making {lacking} of the runs; wait for "
            "it, then run this again"
        )
    cells = [stored[x.identity] for x in wanted]
    found = columns.columns(cells, wanted[0].steps)
    found.sort(key=lambda column: list(_SOURCES.values()).index(_name(column)))
    print("\n" + report(found))
    figure = folder / "quickstart.png"
    _draw(figure, found)
    print(f"\nwrote    {figure}")


def report(found: Sequence[Column]) -> str:
    """A line for each way to learn: final return of the real system over seeds."""
    steps, data = found[0].steps, found[-1].cells[0]["data"]
    lines = [
        f"return in the real system after {steps:,} updates, mean over seeds "
        "[95 % interval]",
        f"  {'the log itself':<27}{data['mean']:7.0f}, best episode {data['best']:.0f}",
    ]
    for column in found:
        value, low, high = mean(column.finals)
        lines.append(
            f"  {_name(column):<27}{value:7.0f} [{low:.0f}, {high:.0f}], "
            f"{len(column.seeds)} seeds"
        )
    return "\n".join(lines)


def _draw(path: pathlib.Path, found: Sequence[Column]) -> None:
    """Three learning curves, and the log's returns."""
    drawn = [
        line
        for column in found
        for line in curves.lines(column.cells, _name(column), column.steps)
    ]
    data = found[-1].cells[0]["data"]
    references = {"the log, mean": data["mean"], "its best episode": data["best"]}
    title = "HalfCheetah: a simulator with twice the gravity, a log of 20,000 rows"
    plots.curve(path, drawn, title, references)


def _name(column: Column) -> str:
    """What a column learned from."""
    return _SOURCES[column.cells[0]["algorithm"]]


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
