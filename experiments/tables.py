"""Draws the paper's tables and figures from whatever cells a ledger has.

Reads the cells below --results_dir, with --plan those of some plans alone, and writes
to --out: tables.md, tables.csv with a line for each entry, curves.csv with every
evaluation, and the figures. Cells of different sizes or lengths stand in tables of
their own; the published value stands beside each entry.
"""

import csv
import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from experiments import ledger, places, plans
from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.ledger import Cell, columns, curves, drawing
from experiments.ledger.columns import Column
from experiments.ledger.drawing import Section
from experiments.statistics import mean
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.data import writing
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FOLDER, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """From where to where."""

    results_dir: str = setting("results", "Root of the ledger.")
    plan: tuple[str, ...] = setting(
        (), "Draw only the cells of these plans, files or names; empty: every cell."
    )
    logs: str = setting("", "Folder of the logs that a plan names without one.")
    out: str = setting(
        "docs/results", "Folder of the tables and figures.", tags=[FOLDER]
    )


SETTINGS = (Drawing,)
_LISTED = 5
"""Most places of cells that are named."""

_HEAD = """\
# Tables

Drawn by `python -m experiments.tables`; do not edit. An entry is the mean ± standard
deviation over seeds (of these seeds: divided by their number) of the final return in
the real system, with the 95 % interval of the mean (Student's t), and below it *the
published value*: that of five seeds after a
million steps with networks of 256-256 on D4RL's log of that name. A log of that name
with another hash than D4RL's is another log; the CSV file has the hash.

Each table has one size and one length. †: read from the curve of a longer run, which
contains the shorter one. A method that reads no simulator serves every gap of its log
(unless it was made with --simulator=identified), one that reads no log every log of its
gap.

Under each table: the interquartile mean (IQM) of the normalised scores over its rows,
and the probability that a run of H2O+ beats one of the method's, mean over the rows
that both have; with 95 % intervals by a stratified bootstrap (none where a row has one
seed). The bootstrap's intervals are too narrow: with three seeds in each of five rows
they hold the truth in 82 to 87 % of cases, over a single row in fewer. Methods with
different rows are not comparable by their means.

Every entry, with its seeds, as [CSV](tables.csv); every evaluation of these cells as
[CSV](curves.csv).
"""


def main(flags: Flags) -> None:
    """The command."""
    choice = flags.of(Drawing)
    cells, out = _known(_cells(choice)), pathlib.Path(choice.out)
    with places.writing("out", out):
        out.mkdir(parents=True, exist_ok=True)
        sections = list(_sections(cells))
        blocks = [_HEAD, *_drawn(choice.plan)]
        for title, describe in drawing.TABLES.items():
            own = [x for x in sections if x.table == title]
            blocks.append(f"## {title}\n\n{describe}\n")
            blocks += [drawing.markdown(x, out) for x in own] or ["No cells yet.\n"]
        blocks += curves.figures(cells, out)
        writing.write_text(out / "tables.md", "\n".join(blocks))
        _table(out / "tables.csv", _entries(sections))
        _table(out / "curves.csv", _curves(cells))
    print(f"{len(cells)} cells, {len(sections)} tables")
    shown = {ledger.place(c) for x in sections for y in x.columns for c in y.cells}
    if left := [cell for cell in cells if ledger.place(cell) not in shown]:
        where = ", ".join(sorted({f"{x['task']} {x['gap']}" for x in left})[:_LISTED])
        print(f"in no table, only in curves.csv: {len(left)} cell(s) of {where}")
    print(f"wrote    {out / 'tables.md'}")


def _drawn(plan: Sequence[str]) -> Iterable[str]:
    """Which cells are drawn, where it is not every one."""
    names = [pathlib.Path(x).name if pathlib.Path(x).is_file() else x for x in plan]
    if names:
        yield f"Only cells of these plans are drawn: {', '.join(names)}.\n"


def _cells(choice: Drawing) -> Sequence[Cell]:
    """What is drawn.

    Raises:
        ConfigError: there is nothing, or a plan cannot be read.
    """
    folder = pathlib.Path(choice.results_dir)
    cells = ledger.by_identity(folder)
    if not cells:
        raise ConfigError(
            f"--results_dir={folder}: no cells; make some with experiments.grid"
        )
    if not choice.plan:
        return ledger.cells(folder)
    groups = [
        group
        for name in choice.plan
        for group in plans.read(plans.find(name), choice.logs)
    ]
    plans.need_logs(groups)
    wanted = {x.identity for group in groups for x in group.wanted()}
    own = [cell for identity, cell in cells.items() if identity in wanted]
    if not own:
        raise ConfigError(
            f"--plan={','.join(choice.plan)}: none of its cells below {folder}; make "
            "them with experiments.grid"
        )
    return own


def _known(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of methods that are known here; says which are not."""
    found = [cell for cell in cells if cell["algorithm"] in ALGORITHMS]
    if strange := {cell["algorithm"] for cell in cells} - {*ALGORITHMS}:
        left = len(cells) - len(found)
        print(f"left out: {left} cell(s) of unknown {', '.join(sorted(strange))}")
    return found


def _sections(cells: Sequence[Cell]) -> Iterable[Section]:
    """Every table that can be drawn: one per table of the paper, size and length."""
    for size, own in columns.by_size(cells).items():
        for steps in columns.lengths(own):
            found = columns.columns(own, steps)
            for table, chosen in drawing.chosen(found).items():
                if any(c["steps"] == steps for x in chosen for c in x.cells):
                    yield Section(table, size, steps, tuple(chosen))


def _entries(sections: Iterable[Section]) -> Iterable[dict[str, Any]]:
    """A line per entry of every table."""
    for section in sections:
        for column in section.columns:
            yield {
                "table": section.table,
                "size": section.size,
                "steps": section.steps,
                **_entry(section.table, column),
            }


def _entry(table: str, column: Column) -> dict[str, Any]:
    interval, value = mean(column.finals), drawing.published_value(table, column)
    scores = drawing.scores(column)
    data = column.cells[0]["data"] if column.log else None
    return {
        "task": column.task,
        "log": column.log,
        "log_sha256": data["sha256"] if data else "",
        "gap": column.gap,
        "method": column.method,
        "seeds": " ".join(map(str, column.seeds)),
        "steps_of_runs": " ".join(str(c["steps"]) for c in column.cells),
        "mean": interval.value,
        "std": float(column.finals.std()),
        "mean_low": interval.low,
        "mean_high": interval.high,
        "score": "" if scores is None else float(scores.mean()),
        "published_mean": value.mean if value else "",
        "published_std": value.std if value else "",
    }


def _curves(cells: Sequence[Cell]) -> Iterable[dict[str, Any]]:
    """A line per evaluation of every cell."""
    for cell in cells:
        about = {
            "cell": str(ledger.place(cell)),
            "task": cell["task"],
            "gap": cell["gap"],
            "log": columns.log(cell),
            "method": columns.method(cell),
            "seed": cell["seed"],
        }
        lengths = dict(curves.lengths(cell))
        for steps, value in cell["curve"]:
            last = {"episode_steps": lengths.get(steps, "")}
            yield {**about, "steps": steps, "return": value, **last}


def _table(path: pathlib.Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes a CSV file; numbers with six digits."""
    lines = [
        {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        for row in rows
    ]
    with writing.replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(
            file, list(lines[0]) if lines else [], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
