"""Compares stored results: a table, and a figure of the learning curves.

Reads the cells below --results_dir that belong to --task and --gap (one gap), prints
the mean and spread over seeds of every method, and draws them to --out (PNG).
"""

import json
import pathlib
from typing import Any

import numpy as np

from experiments import console, flags, plots
from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, tasks


def main() -> None:
    """The command, with parsed flags."""
    robot = tasks.get(flags.FLAGS.task).robot
    cells = load(
        pathlib.Path(flags.FLAGS.results_dir or "results"),
        flags.FLAGS.task,
        gaps.to_text(gaps.parse(flags.FLAGS.gap, robot)),
    )
    print(table(cells))
    if flags.FLAGS.out:
        draw(pathlib.Path(flags.FLAGS.out), cells)
        print(f"\nwrote    {flags.FLAGS.out}")


def load(folder: pathlib.Path, task: str, gap: str) -> list[dict[str, Any]]:
    """Cells of one task and gap.

    Raises:
        ConfigError: there are none.
    """
    paths = sorted((folder / task / gap).rglob("*.json"))
    if not paths:
        raise ConfigError(
            f"--results_dir={folder}: nothing for --task={task} --gap={gap}; store "
            "cells with experiments.run --results_dir"
        )
    return [json.loads(path.read_text()) for path in paths]


def table(cells: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over seeds, per method and length."""
    lines = [
        "| method | steps | seeds | final return | last 10 evaluations |",
        "|---|---|---|---|---|",
    ]
    keys = dict.fromkeys((_method(c), c["steps"]) for c in cells)
    for method, steps in keys:
        own = [c for c in cells if (_method(c), c["steps"]) == (method, steps)]
        columns = [
            f"{np.mean([c[k] for c in own]):.0f} ± {np.std([c[k] for c in own]):.0f}"
            for k in ("final", "last_ten")
        ]
        columns = [method, f"{steps:,}", str(len(own)), *columns]
        lines.append("| " + " | ".join(columns) + " |")
    for name, data in _data(cells).items():
        lines.append(f"| {name}, mean (best episode) | - | - |"
                     f" {data['mean']:.0f} ({data['best']:.0f}) | - |")  # fmt: skip
    return "\n".join(lines)


def draw(path: pathlib.Path, cells: list[dict[str, Any]]) -> None:
    """Learning curves of every method, the data's returns dashed."""
    lines = [
        {"label": _method(c), "seed": c["seed"], "steps": steps, "return": value}
        for c in cells
        for steps, value in c["curve"]
    ]
    references = {
        f"{name}, {kind}": data[kind]
        for name, data in _data(cells).items()
        for kind in ("mean", "best")
    }
    title = f"{cells[0]['task']}, simulator with {cells[0]['gap']}"
    plots.curve(path, lines, title, references)


def _method(cell: dict[str, Any]) -> str:
    """Algorithm, and the name of its settings if they have one."""
    preset = cell.get("preset")
    return f"{cell['algorithm']} ({preset})" if preset else cell["algorithm"]


def _data(cells: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Logs that the cells learned from, by name."""
    logs = [c["data"] for c in cells if c["data"] and "mean" in c["data"]]
    return {log["name"]: log for log in logs}


if __name__ == "__main__":
    console.command(main, __doc__ or "")
