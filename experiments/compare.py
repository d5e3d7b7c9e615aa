"""Compares stored results: a table, and a figure of the learning curves.

Reads the cells below --results_dir that belong to --task, --gap and --real and, if it
is given, to --preset, prints the mean and spread over seeds of every method and setting
in a table for each gap, and draws them to --out (PNG). Cells with other settings (log,
network sizes, hyperparameters) never share a row; what differs is named there.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments import ledger, plots, statistics
from experiments.cli import console, parsing
from experiments.cli.flags import Flags
from experiments.ledger import Cell, columns
from experiments.unused import unused
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FILE, setting
from h2o_jax.sim import gaps, systems, tasks

_LISTED = 5
"""Tasks, gaps and real systems that an error names at most."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Which cells are compared."""

    task: str = setting("halfcheetah", "Robot and reward, as the cells' run had it.")
    gap: str = setting(
        "gravity:2",
        "Gap of the simulator, or several: a+b is both in one, a,b two tables.",
    )
    real: str = setting("none", "How the real system differs from the stock model.")
    preset: str = setting("", "Name of the settings; empty: any.")
    results_dir: str = setting("results", "Folder of the cells.")
    out: str = setting(
        "", "A .png file for the learning curves; empty: none.", tags=[FILE]
    )


SETTINGS = (Comparison,)


def main(flags: Flags) -> None:
    """The command."""
    choice = flags.of(Comparison)
    task = tasks.get(choice.task)
    if choice.out and not choice.out.endswith(".png"):
        raise ConfigError(f"--out={choice.out}: give a path ending in .png")
    with parsing.of_flag("gap", choice.gap):
        every = gaps.parse_list(choice.gap, task.robot)
    names = dict.fromkeys(map(gaps.to_text, every))
    with parsing.of_flag("real", choice.real):
        real = gaps.to_text(systems.parse(choice.real, choice.task))
    folder = pathlib.Path(choice.results_dir)
    cells = [x for g in names for x in load(folder, task.name, g, real, choice.preset)]
    found: dict[str, list[Cell]] = {}
    for cell in label(cells):
        found.setdefault(cell["gap"], []).append(cell)
    for gap, own in found.items():
        head = f"simulator with {gap}\n\n" if len(found) > 1 else ""
        print(f"{head}{table(own)}\n")
    print("± is the standard deviation over seeds (ddof 0)")
    if choice.out:
        draw(pathlib.Path(choice.out), found)
        print(f"\nwrote    {choice.out}")


def load(
    folder: pathlib.Path, task: str, gap: str, real: str, preset: str = ""
) -> list[Cell]:
    """Cells of one task, gap and real system, and of one preset or of all.

    Raises:
        ConfigError: there are none, or one has another layout.
    """
    paths = sorted((folder / task / gap).glob("[!.]*/seed*.json"))
    found = [x for x in map(ledger.read, paths) if x and x["setting"]["real"] == real]
    cells = [cell for cell in found if preset in ("", cell["preset"])]
    if not cells:
        named = f" --preset={preset}" if preset else ""
        presets = ", ".join(sorted({x["preset"] for x in found if x["preset"]}))
        instead = f"presets there: {presets}" if presets else _instead(folder)
        raise ConfigError(
            f"--results_dir={folder}: nothing for --task={task} --gap={gap} "
            f"--real={real}{named}; {instead}"
        )
    return cells


def _instead(folder: pathlib.Path) -> str:
    """What a folder has cells of."""
    there = {(x["task"], x["gap"], x["setting"]["real"]) for x in ledger.cells(folder)}
    if not there:
        return "store cells with experiments.run --results_dir"
    named = [f"{x} with gap {y} and real system {z}" for x, y, z in sorted(there)]
    rest = f", and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    return f"there is {', '.join(named[:_LISTED])}{rest}"


def label(cells: Sequence[Cell]) -> list[Cell]:
    """Adds to every cell its `method`: the name, and where settings differ, those.

    Raises:
        ConfigError: two cells are of one gap, method, length and seed.
    """
    namesakes: dict[str, list[Cell]] = {}
    for cell in cells:
        name = cell["algorithm"]
        if cell["preset"]:
            name += f" ({cell['preset']})"
        namesakes.setdefault(name, []).append(cell)
    named = [
        {**cell, "method": " ".join([name, *_differences(cell, own)])}
        for name, own in namesakes.items()
        for cell in own
    ]
    seen = set()
    for cell in named:
        key = cell["gap"], cell["method"], cell["steps"], cell["seed"]
        if key in seen:
            raise ConfigError(
                f"--results_dir: {key[1]} has seed {key[3]} twice at {key[2]} steps "
                f"with --gap={key[0]}; remove one"
            )
        seen.add(key)
    return named


def _differences(cell: Cell, namesakes: Sequence[Cell]) -> list[str]:
    """`name=value` of the settings in which a cell differs from any namesake."""
    names = sorted({name for other in namesakes for name in other["setting"]})
    names = [name for name in names if name not in unused(columns.setting(cell))]
    values = {name: {_text(x, name) for x in namesakes} for name in names}
    # Steps have a column, and gaps a table of their own.
    names = [name for name in names if name not in ("epochs", "gap")]
    apart = [name for name in names if len(values[name]) > 1]
    return [f"{name}={_text(cell, name)}" for name in apart]


def _text(cell: Cell, name: str) -> str:
    """A setting in a word; of a log's hash, the beginning."""
    found = columns.text(columns.value(cell, name))
    return found[:8] if name == "data" else found


def table(cells: Sequence[Cell]) -> str:
    """Mean and, of several seeds, standard deviation, per method and length."""
    lines = [
        "| method | steps | seeds | final return | score | last 10 evaluations |",
        "|---|---|---|---|---|---|",
    ]
    keys = sorted({(c["method"], c["steps"]) for c in cells})
    for method, steps in keys:
        own = [c for c in cells if (c["method"], c["steps"]) == (method, steps)]
        final, last = ([c[k] for c in own] for k in ("final", "last_ten"))
        columns = [_spread(final), _scores(own), _spread(last) + _fewer(own)]
        columns = [method, f"{steps:,}", str(len(own)), *columns]
        lines.append("| " + " | ".join(columns) + " |")
    for name, data in _data(cells).items():
        lines.append(f"| {name}, mean (best episode) | - | - |"
                     f" {data['mean']:.0f} ({data['best']:.0f}) | - | - |")  # fmt: skip
    return "\n".join(lines)


def _fewer(cells: Sequence[Cell]) -> str:
    """How many evaluations there are, where they are no ten after the first."""
    fewest = min(max(1, len(cell["curve"]) - 1) for cell in cells)
    return f" (of {fewest})" if fewest < 10 else ""


def _spread(values: Sequence[float], digits: int | None = None) -> str:
    if digits is None:  # returns have as many as their size leaves room for
        digits = 0 if np.abs(values).max() >= 10 else 2
    return statistics.spread(values, digits, "±")


def _scores(cells: Sequence[Cell]) -> str:
    """Normalised final returns, where the task has returns to score against."""
    task, real = tasks.TASKS.get(cells[0]["task"]), cells[0]["setting"]["real"]
    if task is None or real not in task.references:
        return "-"
    return _spread([float(task.normalised(c["final"], real)) for c in cells], 1)


def draw(path: pathlib.Path, found: Mapping[str, Sequence[Cell]]) -> None:
    """Learning curves of every method, a panel for each of several gaps.

    Of one gap, the logs' returns are drawn, too, dashed.
    """
    drawn = {f"simulator with {gap}": _lines(cells) for gap, cells in found.items()}
    if len(found) > 1:
        plots.panels(path, drawn)
        return
    (cells,), ((title, lines),) = found.values(), drawn.items()
    references = {
        f"{name}, {kind}": data[kind]
        for name, data in _data(cells).items()
        for kind in ("mean", "best")
    }
    plots.curve(path, lines, f"{cells[0]['task']}, {title}", references)


def _lines(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """The evaluations of all cells, as lines of metrics.jsonl."""
    return [
        {"label": c["method"], "seed": c["seed"], "steps": steps, "return": value}
        for c in cells
        for steps, value in c["curve"]
    ]


def _data(cells: Sequence[Cell]) -> dict[str, dict[str, Any]]:
    """Logs that the cells learned from, by name."""
    logs = [c["data"] for c in cells if c["data"] and "mean" in c["data"]]
    return {log["name"]: log for log in logs}


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
