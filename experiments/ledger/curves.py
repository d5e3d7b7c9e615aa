"""Curves of cells: as lines for plots, and the paper's figures."""

import hashlib
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from experiments import plots
from experiments.ledger import Cell, columns

_UPRIGHT = "control steps upright"
_BACKBONES = {"backbone=iql", "backbone=sql", "backbone=eql", "backbone=xql"}


def file_name(figure: str, size: str, steps: int) -> str:
    """Of a figure of one size and length."""
    arabic = re.sub("I+$", lambda numeral: str(len(numeral[0])), figure).lower()
    name = arabic.replace("table ", "table").replace(" ", "_")
    return f"{name}-{steps}-{hashlib.sha256(size.encode()).hexdigest()[:6]}.png"


def lengths(cell: Cell) -> list[tuple[int, float]]:
    """Steps of training, and mean control steps of an evaluation's episodes.

    They are no seconds: a real robot's control period varies.
    """
    evaluated = zip(cell["curve"], cell.get("lengths", []), strict=False)
    return [(at, length) for (at, _), length in evaluated]


def lines(
    cells: Iterable[Cell], label: str, steps: float = np.inf
) -> list[dict[str, Any]]:
    """Curves of cells as lines of metrics."""
    return [
        {"label": label, "seed": cell["seed"], "steps": at, "return": value}
        for cell in cells
        for at, value in cell["curve"]
        if at <= steps
    ]


def figures(cells: Sequence[Cell], out: pathlib.Path) -> list[str]:
    """Figures 2 to 4, as far as cells tell them."""
    blocks = [
        "## Figure 2: how long the robot stays upright\n",
        *_survival(cells, out),
        "## Figure 3: where the simulated data lie\n",
        "Cells keep no policies. Make them with `--keep_dir=FOLDER` and draw the "
        "visited states with `python -m experiments.robot --runs=...`: "
        "[the wheel-legged robot](../wheel_legged.md).\n",
        "## Figure 4: the value backbone in H2O+\n",
        *_backbones(cells, out),
    ]
    return blocks


def _survival(cells: Sequence[Cell], out: pathlib.Path) -> list[str]:
    """Control steps until a fall over simulator steps, one figure per task and size."""
    robot = [
        x for x in cells if x["task"].startswith("wheel_legged") and x.get("lengths")
    ]
    blocks = []
    for size, own in columns.by_size(robot).items():
        for task in sorted({x["task"] for x in own}):
            for steps in columns.lengths(x for x in own if x["task"] == task):
                these = [x for x in own if (x["task"], x["steps"]) == (task, steps)]
                name = file_name("figure2", f"{task}-{size}", steps)
                title = f"{task}, {steps:,} steps"
                plots.curve(out / name, _lengths(these), title, {}, _UPRIGHT)
                blocks.append(f"{title}: {size}\n\n![Control steps upright]({name})\n")
    return blocks or ["No cells yet.\n"]


def _lengths(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Lengths of episodes in place of returns; logs that differ are named."""
    several = len({columns.log(x) for x in cells if columns.log(x)}) > 1
    return [
        {
            "label": columns.method(x) + f" {columns.log(x)}" * several,
            "seed": x["seed"],
            "steps": steps,
            "return": length,
        }
        for x in cells
        for steps, length in lengths(x)
    ]


def _backbones(cells: Sequence[Cell], out: pathlib.Path) -> list[str]:
    """Learning curves of H2O+ with each backbone, one figure per size and length."""
    ours = [
        x
        for x in cells
        if (x["algorithm"], x["gap"], x["task"])
        == ("h2o_plus", "gravity:2", "halfcheetah")
        and not set(columns.method(x).split()[1:]) - _BACKBONES
    ]
    blocks = []
    for size, own in columns.by_size(ours).items():
        for steps in columns.lengths(own):
            found = columns.columns(own, steps)
            for log in sorted({x.log for x in found}):
                these = [x for x in found if x.log == log]
                if len(these) < 2:
                    continue
                drawn = [y for x in these for y in lines(x.cells, x.method, steps)]
                name = file_name("figure4", f"{log}-{size}", steps)
                title = f"{log}, gravity x2, {steps:,} steps"
                plots.curve(out / name, drawn, title, {})
                blocks.append(f"{title}: {size}\n\n![Backbones]({name})\n")
    return blocks or ["No cells yet; `python -m experiments.grid figure4`.\n"]
