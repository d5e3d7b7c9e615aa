"""The figure of an audit: which rows, which dimensions, how far ahead."""

import pathlib
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from experiments import plots
from experiments.plots import COLOURS
from h2o_jax.sim.audit import Audit, measures

_LEAST = 1e-5
"""Smaller errors are drawn as this one: logs hold float32."""


def draw(path: pathlib.Path, found: Audit) -> None:
    """Three panels: rows sorted by error, error by dimension, error by horizon."""
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(13.0, 4.5), layout="constrained"
    )
    _rows(left, found)
    image = _dimensions(middle, found)
    figure.colorbar(image, ax=middle, shrink=0.8)
    _horizons(right, found)
    text = f"{found.task}: errors in units of the log's own change, {found.used:,} rows"
    figure.suptitle(text, fontsize="medium")
    columns = min(8, len(found.candidates))
    figure.legend(loc="outside lower center", ncols=columns, frameon=False)
    plots.save(figure, path, dpi=150)


def _rows(axes: plt.Axes, found: Audit) -> None:
    """Share of rows whose worst dimension is below an error."""
    shares = np.linspace(0.0, 1.0, len(found.best.errors.quantiles))
    for i, x in enumerate(found.candidates):
        sizes = np.maximum(x.errors.quantiles, _LEAST)
        axes.plot(sizes, shares, **_style(i), label=x.name)
    for bar in measures.BARS:
        axes.axvline(bar, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xscale="log", xlim=(_LEAST, 10), ylim=(0, 1.02))
    axes.set(xlabel="error of a row's worst dimension, one step", ylabel="rows below")


def _dimensions(axes: plt.Axes, found: Audit) -> matplotlib.image.AxesImage:
    """Candidates by state dimensions, one step."""
    errors = np.array([x.errors.horizons[0].by_dimension for x in found.candidates])
    image = axes.imshow(
        np.maximum(errors, 1e-3),
        norm=LogNorm(1e-3, 1.0),
        cmap="cividis",
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_yticks(range(len(errors)), [x.name for x in found.candidates])
    axes.set_xticks(range(errors.shape[1]))
    axes.tick_params(labelsize="small")
    axes.set(xlabel="state dimension", title="root mean square, one step")
    axes.title.set_fontsize("medium")
    return image


def _horizons(axes: plt.Axes, found: Audit) -> None:
    """Typical error against steps ahead."""
    for i, x in enumerate(found.candidates):
        steps = [horizon.steps for horizon in x.errors.horizons]
        typical = [horizon.typical for horizon in x.errors.horizons]
        axes.plot(steps, typical, **_style(i), marker="o", markersize=4)
    axes.set(xlabel="steps ahead", ylim=(0, 1.02), xlim=(0, None))
    axes.set_ylabel("typical error (1: as if nothing moved)")
    axes.grid(alpha=0.3)


def _style(i: int) -> dict[str, Any]:
    """Of the `i`-th candidate, the same in every panel."""
    line = "--" if i >= len(COLOURS) else "-"
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": line}
