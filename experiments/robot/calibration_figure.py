"""The figure of the calibration: predictions, spread and spectrum beside the log's."""

import pathlib
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from experiments import plots
from experiments.plots import COLOURS
from h2o_jax.errors import ConfigError
from h2o_jax.sim.robot import calibration
from h2o_jax.sim.robot.log import PERIOD, Log
from h2o_jax.sim.tasks.task import Array

EXAMPLE = 240
"""Rows of the example, whose predictions start anew every 12 rows."""
STRICT_RULE = "without short stalls either"
"""The rule by which drawn windows are chosen."""
_SYMBOLS = (r"$\theta$", r"$\dot\theta$", r"$v$")
_STYLES = ("o-", "s--", "^:", "v-.")
_LABELS = {"real": "real variant", "real, no dry friction": "no dry friction"}
"""What figures call them, beside `robot` for the true one."""


def draw(
    path: pathlib.Path, log: Log, driven: list[Log], numbers: dict[str, Any]
) -> None:
    """The figure: skill by horizon above; example, spread and spectrum below.

    Args:
        path: PNG to write.
        log: the robot's.
        driven: logs of the operator in the real variant.
        numbers: as `calibrate.score` gives them.

    Raises:
        ConfigError: the file cannot be written.
    """
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
    for i, symbol in enumerate(_SYMBOLS):
        _draw_skill(axes[0, i], numbers, i, symbol)
    axes[0, 0].set_ylabel("explained share of the change, $R^2$")
    axes[0, 0].legend(frameon=False, fontsize="x-small", loc="lower left")
    _draw_example(axes[1, 0], log)
    _draw_spread(axes[1, 1], numbers["spread"])
    _draw_spectrum(axes[1, 2], log, driven)
    for panel in axes.flat:
        panel.grid(alpha=0.3)
        panel.set_axisbelow(True)
    try:
        plots.save(figure, path, dpi=110)
    except OSError as error:
        raise ConfigError(f"--out={path}: {error.strerror}") from None


def _draw_skill(axes: Axes, numbers: dict[str, Any], i: int, symbol: str) -> None:
    """One signal's R2 over the horizon, one line per variant."""
    table = numbers["r2"][STRICT_RULE]
    for j, name in enumerate(calibration.VARIANTS):
        horizons = [1e3 * PERIOD * k for k in table[name]]
        values = [row[i] for row in table[name].values()]
        axes.plot(
            horizons,
            values,
            _STYLES[j],
            color=COLOURS[j],
            label=_LABELS.get(name, name),
        )
    axes.set_title(f"{symbol}, held-out rows", fontsize="medium")
    axes.set(xlabel="prediction horizon (ms)", ylim=(0, 1))


def example(log: Log) -> Array:
    """First rows of held-out stretches without a stall, long enough to draw."""
    rows, jump = max(calibration.HORIZONS), calibration.STRICT_JUMP
    return calibration.windows(log, stride=rows, jump=jump, rows=EXAMPLE)


def _draw_example(axes: Axes, log: Log) -> None:
    """Pitch rate of a held-out stretch, predicted from a fresh start every 12 rows."""
    rows = max(calibration.HORIZONS)
    first = example(log)[0]
    starts = np.arange(first, first + EXAMPLE, rows)
    seconds = PERIOD * np.arange(EXAMPLE + 1)
    measured = log.states[first : first + EXAMPLE + 1, 3]
    axes.plot(seconds, measured, color="0.0", linewidth=2.5, alpha=0.4, label="robot")
    for j, name in ((0, "real"), (2, "idealised, same timing")):
        predicted = calibration.replay(log, calibration.VARIANTS[name], starts, rows)
        # A gap between windows, where the prediction starts anew.
        line = np.full((len(starts), rows + 1), np.nan)
        line[:, :-1] = predicted[:, :, 1]
        begin = PERIOD * (starts[:, None] - first + 1 + np.arange(rows + 1))
        style = _STYLES[j][1:]
        label = _LABELS.get(name, name).partition(",")[0]
        axes.plot(begin.ravel(), line.ravel(), style, color=COLOURS[j], label=label)
    axes.set(xlabel="time (s)", ylabel=r"pitch rate $\dot\theta$ (rad/s)")
    axes.margins(y=0.25)
    axes.set_title("predicted 12 rows (73 ms) ahead", fontsize="medium")
    axes.legend(
        frameon=False, fontsize="x-small", loc="upper center", ncols=3, columnspacing=1
    )


def _draw_spread(axes: Axes, table: dict[str, Any]) -> None:
    """Standard deviations relative to the robot's, with those of the robot as text."""
    robot = {k: mean for k, (mean, _) in table["robot"].items() if k != "falls"}
    place = np.arange(len(robot))
    for j, name in ((0, "real"), (2, "idealised")):
        mean, std = np.array([table[name][k] for k in robot]).T / [*robot.values()]
        bars = place + (0.2 if j else -0.2)
        label = _LABELS.get(name, name)
        axes.bar(bars, mean, 0.38, yerr=std, color=COLOURS[j], label=label, capsize=2)
    axes.axhline(1.0, color="0.0", linewidth=1, label="robot")
    units = ("m", "m/s", "rad", "rad/s", "N m")
    symbols = ("$x$", "$v$", r"$\theta$", r"$\dot\theta$", "$u$")
    labels = [
        f"{symbol}\n{std:.2g}\n{unit}"
        for symbol, std, unit in zip(symbols, robot.values(), units, strict=True)
    ]
    axes.set_xticks(place, labels, fontsize="small")
    axes.set(ylabel="std relative to the robot's", ylim=(0, 1.7))
    axes.set_title("closed loop under the operator", fontsize="medium")
    axes.legend(frameon=False, fontsize="x-small", ncols=3)


def _draw_spectrum(axes: Axes, log: Log, driven: list[Log]) -> None:
    """Power of the pitch rate: the robot's, and the model's with every seed."""
    frequency, power = calibration.spectrum(log.states[: -calibration.SETTLED, 3])
    axes.semilogy(frequency, power, color="0.0", label="robot")
    powers = [calibration.spectrum(own.states[:, 3])[1] for own in driven]
    low, high = np.min(powers, axis=0), np.max(powers, axis=0)
    axes.semilogy(
        frequency, np.mean(powers, axis=0), color=COLOURS[0], label=_LABELS["real"]
    )
    axes.fill_between(frequency, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
    axes.set(xlim=(0, 12), ylim=(1e-4, 1), xlabel="frequency (Hz)")
    axes.set_ylabel(r"power of $\dot\theta$ ((rad/s)$^2$/Hz)")
    axes.set_title("oscillation in closed loop", fontsize="medium")
    axes.legend(frameon=False, fontsize="x-small")
