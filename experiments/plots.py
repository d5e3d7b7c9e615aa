"""Figures, drawn with colours that colour-blind readers can tell apart."""

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments import places
from h2o_jax.data import writing

# Okabe and Ito, without the yellow that vanishes on white.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"),
    *("#999999", "#882255", "#999933"),
)
_MARKERS = "osD^vP*X<>"
_LETTER = 0.075
"""Inches of one in a legend."""
_FEW = 6
"""Labels with whose curves those of seeds are drawn, too."""


def curve(
    path: pathlib.Path,
    lines: Sequence[Mapping[str, Any]],
    title: str,
    references: Mapping[str, float],
    ylabel: str = "return in the real system",
) -> None:
    """Real return over simulator steps: mean over seeds, each seed thin behind it.

    Where there are many labels the seeds are left out. The legend stands below, where
    it hides nothing; markers at places of their own tell curves that coincide.

    Args:
        path: PNG to write.
        lines: those of metrics.jsonl.
        title: above the axes.
        references: label -> return, drawn as dashed lines.
        ylabel: what `return` of the lines is.
    """
    evaluated = [line for line in lines if "return" in line]
    labels = list(dict.fromkeys(line["label"] for line in evaluated))
    crowded = len(labels) > _FEW
    entries = len(labels) + len(references)
    wide = 1 if max(map(len, [*labels, *references]), default=0) > 30 else 2
    high = 4.0 + 0.2 * -(-entries // wide)
    figure, axes = plt.subplots(figsize=(6.4, high), layout="constrained")
    for i, label in enumerate(labels):
        rows = [line for line in evaluated if line["label"] == label]
        steps, returns = by_seed(rows)
        colour = COLOURS[i % len(COLOURS)]
        if len(returns) > 1 and not crowded:
            axes.plot(steps, returns.T, color=colour, alpha=0.3, linewidth=0.8)
        mean = returns.mean(axis=0)
        axes.plot(
            steps,
            mean,
            label=f"{label} ({len(returns)} seed{'s' * (len(returns) > 1)})",
            **_style(i, len(labels), len(steps)),
        )
    styles = itertools.cycle(("--", ":", "-."))
    for style, (label, value) in zip(styles, references.items(), strict=False):
        axes.axhline(value, color="0.4", linestyle=style, linewidth=1, label=label)
    axes.set(xlabel="simulator steps", ylabel=ylabel)
    axes.set_title(title, fontsize="medium")
    axes.grid(alpha=0.3)
    figure.legend(
        loc="outside lower center", ncols=wide, frameon=False, fontsize="small"
    )
    save(figure, path, dpi=150)


def panels(
    path: pathlib.Path, drawn: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Mean real return over simulator steps, side by side, one legend for all.

    Shaded from the least to the best seed. Labels are shown in their order in the
    lines; four panels stand two by two.

    Args:
        path: PNG to write.
        drawn: title of each panel -> lines as of metrics.jsonl.
    """
    labels = list(dict.fromkeys(x["label"] for lines in drawn.values() for x in lines))
    wide = 2 if len(drawn) == 4 else min(3, len(drawn))
    high = -(-len(drawn) // wide)
    entry = 0.5 + _LETTER * max(map(len, labels))
    inches = max(4.6, 3.4 * wide, entry)
    columns = max(1, int(inches // entry))
    legend = 0.2 * -(-len(labels) // columns)
    size = inches, 2.6 * high + 0.4 + legend
    figure, grid = plt.subplots(high, wide, figsize=size, layout="constrained")
    shown = np.ravel(grid)
    handles: dict[str, Any] = {}
    for axes, (title, lines) in zip(shown, drawn.items(), strict=False):
        for i, label in enumerate(labels):
            rows = [x for x in lines if x["label"] == label]
            if not rows:
                continue
            steps, returns = by_seed(rows)
            ends = returns.min(axis=0), returns.max(axis=0)
            axes.fill_between(steps, *ends, color=COLOURS[i % len(COLOURS)], alpha=0.12)
            (handles[label],) = axes.plot(
                steps, returns.mean(axis=0), **_style(i, len(labels), len(steps))
            )
        axes.set_title(title, fontsize="small")
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize="x-small")
        axes.xaxis.set_major_locator(MaxNLocator(4))
    for axes in shown[len(drawn) :]:
        axes.set_axis_off()
    for axes in shown[-wide:]:
        axes.set_xlabel("simulator steps", fontsize="small")
    figure.supylabel("return in the real system", fontsize="small")
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=columns,
        frameon=False, fontsize="small",
    )  # fmt: skip
    save(figure, path, dpi=100)


def save(figure: Figure, path: pathlib.Path, dpi: int) -> None:
    """Writes a PNG whole, with our mark, and closes the figure."""
    try:
        with writing.replacing(path) as part:
            figure.savefig(part, dpi=dpi, metadata=places.PNG)
    finally:
        plt.close(figure)


def _style(i: int, curves: int, points: int) -> dict[str, Any]:
    """How the `i`-th of so many curves is drawn, each of so many points.

    Markers stand at other points than those of the other curves, so that one that lies
    under another still shows.
    """
    step = max(1, points // 5)
    return {
        "color": COLOURS[i % len(COLOURS)],
        "linestyle": "--" if i >= len(COLOURS) else "-",
        "marker": _MARKERS[i % len(_MARKERS)],
        "markersize": 4,
        "markevery": (i * step // max(1, curves) % step, step),
    }


def by_seed(rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Steps `[n]` and returns `[seeds, n]` of one setting's evaluations."""
    steps = sorted({row["steps"] for row in rows})
    seeds = sorted({row["seed"] for row in rows})
    table = {(row["seed"], row["steps"]): row["return"] for row in rows}
    returns = [[table.get((s, n), np.nan) for n in steps] for s in seeds]
    return np.array(steps), np.array(returns)
