"""Figures of a report, as markup that is the same for the same numbers."""

from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from experiments import plots, statistics
from experiments.reporting.numbers import Bin

_STYLE: Any = {
    "svg.hashsalt": "h2o_jax",
    "svg.fonttype": "none",
    "text.parse_math": False,
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def svg(draw: Callable[[Axes], None], size: tuple[float, float] = (6.4, 3.4)) -> str:
    """One figure as markup.

    Args:
        draw: fills its axes.
        size: width and height in inches.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        draw(axes)
        axes.grid(alpha=0.3)
        text = StringIO()
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
        plt.close(figure)
    content = text.getvalue()
    return content[content.index("<svg") :]


def curves(
    drawn: Mapping[str, Sequence[Mapping[str, float]]],
    references: Mapping[str, float],
    ylabel: str,
) -> str:
    """Learning curves: mean over seeds, with its interval behind it.

    Args:
        drawn: name -> lines with `steps`, `seed` and `return`.
        references: name -> return, drawn as dashed lines.
        ylabel: what the return is.
    """

    def draw(axes: Axes) -> None:
        for i, (name, lines) in enumerate(drawn.items()):
            steps, returns = plots.by_seed(lines)
            found = [statistics.mean(x[np.isfinite(x)]) for x in returns.T]
            value, low, high = np.array(found).T
            colour = plots.COLOURS[i % len(plots.COLOURS)]
            axes.plot(steps, value, color=colour, label=name, marker="o", markersize=3)
            axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        for style, (name, value) in zip(("--", ":"), references.items(), strict=False):
            axes.axhline(value, color="0.4", linestyle=style, label=name)
        axes.set(xlabel="simulator steps, or as many updates", ylabel=ylabel)
        # Where it hides no curve.
        axes.figure.legend(loc="outside lower left", fontsize="small", frameon=False)

    return svg(draw, (6.4, 3.2 + 0.2 * (len(drawn) + len(references))))


def densities(values: Mapping[str, np.ndarray], xlabel: str) -> str:
    """How numbers of several kinds are distributed, over common bins."""
    together = np.concatenate(list(values.values()))
    low, high = np.percentile(together, [0.1, 99.9])
    edges = np.linspace(low, high if high > low else low + 1, 61)

    def draw(axes: Axes) -> None:
        for (name, own), colour in zip(values.items(), plots.COLOURS, strict=False):
            share = np.histogram(own, edges)[0] / len(own)
            axes.stairs(share, edges, color=colour, fill=True, alpha=0.25)
            axes.stairs(share, edges, color=colour, label=name)
        axes.set(xlabel=xlabel, ylabel="share of rows")
        axes.legend(fontsize="small", frameon=False)

    return svg(draw)


def strip(values: Mapping[str, np.ndarray], xlabel: str) -> str:
    """Numbers of several kinds as dots, a row each, with their mean."""

    def draw(axes: Axes) -> None:
        for i, (own, colour) in enumerate(
            zip(values.values(), plots.COLOURS, strict=False)
        ):
            axes.scatter(own, np.full(len(own), i), color=colour, alpha=0.5)
            axes.vlines(own.mean(), i - 0.3, i + 0.3, color=colour)
        axes.set_yticks(range(len(values)), list(values))
        axes.set(xlabel=xlabel, ylim=(len(values) - 0.5, -0.5))

    return svg(draw, (6.4, 0.8 + 0.5 * len(values)))


def diagram(bins: Mapping[str, Sequence[Bin]]) -> str:
    """Observed against predicted shares; a calibrated classifier is on the diagonal."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color="0.6", linestyle="--")
        for (name, own), colour in zip(bins.items(), plots.COLOURS, strict=False):
            x, y, rows = np.array(own).T
            axes.plot(x, y, color=colour, label=name)
            axes.scatter(x, y, 80 * rows / rows.max(), color=colour)
        axes.set(xlabel="predicted probability of being real", ylabel="share of real")
        axes.legend(fontsize="small", frameon=False)

    return svg(draw, (4.4, 3.6))
