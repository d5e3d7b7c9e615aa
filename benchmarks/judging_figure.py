"""Draws what `benchmarks.judging` wrote: each estimate against the real return.

python -m benchmarks.judging_figure results/judging/*.json --out=docs/judging.png
"""

import argparse
import json
import pathlib
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from benchmarks import judging
from benchmarks.judging import Line
from experiments import plots
from h2o_jax.data import writing

NAMES = {
    "fqe": "fitted Q evaluation",
    "simulated": "simulator as it is",
    "identified": "simulator, identified",
    "residual": "simulator, residual",
    "leaves": "distance from the log",
}


def main() -> None:
    """Prints a table per file, and draws a row of axes for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    choice = parser.parse_args()
    found = {path.stem: json.loads(path.read_text()) for path in choice.files}
    for name, lines in found.items():
        print(f"{name}\n{judging.report(lines)}\n")
    draw(found, choice.out)


def draw(found: dict[str, Sequence[Line]], out: pathlib.Path) -> None:
    """Real returns over estimates; on the dashed line an estimate is right."""
    shape = len(found), len(NAMES)
    figure, rows = plt.subplots(
        *shape, figsize=(13, 2.7 * len(found)), layout="constrained", squeeze=False
    )
    for ax, title in zip(rows[0], NAMES.values(), strict=True):
        ax.set_title(title)
    methods = sorted({_method(line) for lines in found.values() for line in lines})
    for axes, (task, lines) in zip(rows, found.items(), strict=True):
        real = np.array([line["real"] for line in lines])
        for ax, name in zip(axes, NAMES, strict=True):
            if name not in lines[0]:
                ax.text(0.5, 0.5, "not measured", ha="center", transform=ax.transAxes)
                continue
            ax.set_xlabel("estimate")
            value = np.array([line[name] for line in lines])
            for i, method in enumerate(methods):
                own = [_method(line) == method for line in lines]
                if not any(own):
                    continue
                colour = plots.COLOURS[i]
                ax.scatter(value[own], real[own], 14, colour, label=method, alpha=0.7)
            if name != "leaves":
                ends = [real.min(), real.max()]
                ax.plot(ends, ends, color="0.6", linestyle="--", linewidth=1)
            ax.grid(alpha=0.3)
        axes[0].set_ylabel(f"{task}\nreal return")
        axes[0].legend(fontsize="small", frameon=False)
    with writing.replacing(out) as part:
        figure.savefig(part, dpi=100, format="png")
    plt.close(figure)


def _method(line: Line) -> str:
    return str(line["run"]).rpartition("_")[0]


if __name__ == "__main__":
    main()
