"""Draws docs/data_flow.svg: what goes into an update, and what comes out.

Run it from the root of a clone: `python docs/figures/data_flow.py`.
"""

import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

PATH = pathlib.Path(__file__).resolve().parents[1] / "data_flow.svg"
CARD, INK, QUIET = "#ffffff", "#1f2933", "#5b6773"
REAL, SIM, LEARN = "#d55e00", "#009e73", "#0072b2"
"""Colours of the result figures: a log, a simulator, H2O+."""


def box(
    axes: plt.Axes, centre: tuple[float, float], size: tuple[float, float], colour: str
) -> None:
    """A rounded box with a tinted ground."""
    (x, y), (w, h) = centre, size
    shape = "round,pad=0,rounding_size=0.12"
    for ground, edge, alpha in ((colour, "none", 0.12), ("none", colour, 1.0)):
        axes.add_patch(
            FancyBboxPatch(
                (x - w / 2, y - h / 2),
                w,
                h,
                boxstyle=shape,
                facecolor=ground,
                edgecolor=edge,
                alpha=alpha,
                linewidth=1.6,
            )
        )


def label(
    axes: plt.Axes, x: float, y: float, title: str, text: str, colour: str
) -> None:
    """A bold title over lines of smaller text."""
    axes.text(x, y, title, ha="center", va="bottom", color=colour, weight="bold")
    axes.text(
        x, y - 0.1, text, ha="center", va="top", color=INK, size=8.5, linespacing=1.35
    )


def arrow(
    axes: plt.Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str = QUIET,
    bend: float = 0.0,
    dashed: bool = False,
) -> None:
    """An arrow, curved by `bend`."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=13,
            connectionstyle=f"arc3,rad={bend}",
            linewidth=1.6,
            linestyle="--" if dashed else "-",
            color=colour,
        )
    )


def main() -> None:
    """Draws the figure."""
    plt.rcParams.update({"svg.hashsalt": "data_flow", "font.size": 10.5})
    figure, axes = plt.subplots(figsize=(8.6, 3.5))
    figure.subplots_adjust(0, 0, 1, 1)
    axes.set(xlim=(0, 10), ylim=(0, 4.07))
    axes.set_axis_off()
    card(axes)
    sources_and_update(axes)
    policy(axes)
    figure.savefig(PATH, transparent=True, metadata={"Date": None})


def card(axes: plt.Axes) -> None:
    """The paper under everything."""
    axes.add_patch(
        FancyBboxPatch(
            (0.12, 0.12),
            9.76,
            3.83,
            boxstyle="round,pad=0,rounding_size=0.15",
            facecolor=CARD,
            edgecolor="#d0d7de",
        )
    )


def sources_and_update(axes: plt.Axes) -> None:
    """The log and the simulator, and what learns from both."""
    box(axes, (1.5, 3.05), (2.2, 1.15), REAL)
    label(axes, 1.5, 3.15, "log", "of the real system,\nread once", REAL)
    box(axes, (1.5, 1.05), (2.2, 1.15), SIM)
    label(axes, 1.5, 1.15, "simulator", "of the same system,\ndynamics wrong", SIM)

    box(axes, (5.2, 2.25), (3.1, 1.9), LEARN)
    label(
        axes,
        5.2,
        2.68,
        "update (H2O+)",
        "discriminators: how real do the\n"
        "dynamics of a simulated row look?\n"
        "state value: from the log alone\n"
        "critics: both, simulated rows weighted\n"
        "policy: highest Q, and entropy",
        LEARN,
    )
    arrow(axes, (2.65, 3.05), (3.6, 2.6), REAL)
    arrow(axes, (2.65, 1.05), (3.6, 1.75), SIM)
    axes.text(2.72, 3.2, "real rows", color=REAL, size=8.5, ha="left")
    axes.text(3.15, 1.12, "simulated rows", color=SIM, size=8.5, ha="left")


def policy(axes: plt.Axes) -> None:
    """What comes out, and where it goes."""
    box(axes, (8.5, 2.05), (1.7, 1.15), INK)
    label(axes, 8.5, 2.15, "policy", "observation\nto action", INK)
    arrow(axes, (6.8, 2.1), (7.6, 2.1), LEARN)
    arrow(axes, (8.5, 1.42), (2.65, 0.72), QUIET, bend=-0.12, dashed=True)
    axes.text(
        7.0,
        0.36,
        "acts in the simulator, one epoch at a time",
        color=QUIET,
        size=8.5,
        ha="center",
    )
    arrow(axes, (8.5, 2.68), (8.5, 3.35), QUIET)
    axes.text(
        8.5, 3.42, "real system: evaluation, use", color=QUIET, size=8.5, ha="center"
    )


if __name__ == "__main__":
    main()
