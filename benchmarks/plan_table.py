"""A plan's cells as a table: a row for each of its runs, returns after some updates.

python -m benchmarks.plan_table small/ablation --logs=LOGS --updates 10000 50000

Means over seeds and their 95 % intervals (Student's), of the last policies; or with
--policy=best of those that did best in their right simulators until then, and with
--policy=best_seed of the one of the seeds that did best there. Rows are named by their
gap, what is swept, and the flags that most other lines do not have; rows without a cell
are left out.
"""

import argparse
import pathlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from experiments import ledger, plans, statistics
from experiments.plans import Group
from experiments.runs import Run
from h2o_jax.errors import H2OError

_SAID = ("threads", "seed", "evaluate_every", "epochs", "gap")
"""Flags that name no setting, or what a row says anyhow."""
EMPTY = "{}: has no cell of the plan; see experiments.grid"
Curve = list[tuple[int, float]]
"""Simulator steps, and the return after them."""


def main() -> None:
    """Prints the table as Markdown."""
    parser = parser_of(__doc__)
    parser.add_argument("plan")
    parser.add_argument("--updates", type=int, nargs="+", required=True)
    parser.add_argument(
        "--policy",
        choices=("last", "best", "best_seed"),
        default="last",
        help="the last; each seed's best; or the best seed's best",
    )
    choice = parser.parse_args()
    groups, cells = read(parser, choice, choice.plan)
    lines = table(groups, cells, choice.updates, choice.policy)
    if lines.count("\n") == 1:
        parser.error(EMPTY.format(choice.results))
    print(lines)


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser of where a plan's logs and cells are."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--logs", default="", help="folder of the plan's logs")
    parser.add_argument(
        "--results",
        type=pathlib.Path,
        default=pathlib.Path("results"),
        help="root of the ledger",
    )
    return parser


def read(
    parser: argparse.ArgumentParser, choice: argparse.Namespace, plan: str
) -> tuple[Sequence[Group], dict[str, ledger.Cell]]:
    """The groups of a plan, all of whose logs are here, and the cells of a ledger.

    What cannot be read ends the command with one line.
    """
    try:
        groups = plans.read(plans.find(plan), choice.logs)
        plans.need_logs(groups)
        return groups, ledger.by_identity(choice.results)
    except H2OError as error:
        parser.error(str(error))


def table(
    groups: Sequence[Group],
    cells: dict[str, ledger.Cell],
    updates: Sequence[int],
    policy: str = "last",
) -> str:
    """A line for each run of each group.

    Args:
        groups: of a plan.
        cells: by their identity.
        updates: after which curves are read.
        policy: `last`, `best` or `best_seed`; rows whose cells were not
            scored in a right simulator have no best.
    """
    head = ["run", *(f"{n:,} updates" for n in updates), "seeds"]
    lines = [row(head), row(["---"] * len(head))]
    for group, flags in zip(groups, plans.own_flags(groups, _SAID), strict=True):
        # A label has what is swept.
        own = [f"`{x}`" for x in flags if "," not in x or x.startswith("--fields=")]
        # A curve counts simulator steps, of which an update may have several.
        ratio = group.experiment.steps / group.experiment.updates
        for run, every in by_run(group, cells):
            found = _curves(every, policy)
            if not found:
                continue
            values = [value(found, round(n * ratio)) for n in updates]
            seeds = str(len(found))
            if policy == "best_seed":
                seeds += f" of {len(every)}"
            lines.append(row([" ".join([run.label, *own]), *values, seeds]))
    return "\n".join(lines)


def by_run(
    group: Group, cells: dict[str, ledger.Cell]
) -> Iterator[tuple[Run, list[ledger.Cell]]]:
    """Each run of the first seed that has a cell, and its cells seed by seed."""
    first: dict[str, Run] = {}
    found = defaultdict(list)
    for wanted in group.wanted():
        if wanted.identity in cells:
            run = group.experiment.runs[wanted.place]
            first.setdefault(run.label, run)
            found[run.label].append(cells[wanted.identity])
    yield from ((first[label], own) for label, own in found.items())


def _curves(cells: Sequence[ledger.Cell], policy: str) -> list[Curve]:
    """The curves of the seeds, or the one of their best at each length."""
    if policy == "last":
        return [cell["curve"] for cell in cells]
    scored = [cell for cell in cells if cell.get("simulated")]
    bests = [best_curve(cell) for cell in scored]
    if policy == "best" or not scored:
        return bests
    simulated = zip(*(cell["simulated"] for cell in scored), strict=False)
    highest = np.fmax.accumulate(np.nan_to_num(list(simulated), nan=-np.inf))
    chosen = highest.argmax(axis=1)
    return [[bests[seed][place] for place, seed in enumerate(chosen)]]


def best_curve(cell: ledger.Cell) -> Curve:
    """The real return of what did best in its right simulator until then."""
    steps, returns = zip(*cell["curve"], strict=True)
    best = statistics.best_so_far(returns, cell["simulated"])
    return list(zip(steps, best, strict=True))


def value(curves: Sequence[Curve], steps: int) -> str:
    """Mean and interval at a length, where every curve has it."""
    at = [found for curve in curves for n, found in curve if n == steps]
    if len(at) < len(curves) or not np.isfinite(at).all():
        return "-"
    mean, low, _ = statistics.mean(np.array(at))
    # Whole numbers have no "-0".
    return f"{round(mean)} ± {round(mean - low)}" if len(at) > 1 else f"{round(mean)}"


def row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
