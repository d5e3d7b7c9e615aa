"""Scores the simulated wheel-legged robot against the published log, with a figure.

Writes `calibration.json` and `calibration.png`: how much of the log's changes over 1
to 12 rows the model explains (rows that no fit has used), and how much the scripted
operator shakes the model, against the robot.
"""

import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from absl import app
from matplotlib.axes import Axes

from experiments.plots import COLOURS
from h2o_jax.sim import calibration, operator, robot_log
from h2o_jax.sim.robot_log import PERIOD, Log

_SYMBOLS = (r"$\theta$", r"$\dot\theta$", r"$v$")
_STYLES = ("o-", "s--", "^:", "v-.")
_EXAMPLE = 240
"""Rows of the example, whose predictions start anew every 12 rows."""


def main(argv: Sequence[str]) -> None:
    """`python -m experiments.calibrate LOG [FOLDER]`."""
    if not 2 <= len(argv) <= 3:
        sys.exit("usage: python -m experiments.calibrate LOG [FOLDER]")
    print(text(calibrate(argv[1], argv[2] if len(argv) == 3 else ".")))


def calibrate(log_path: str | pathlib.Path, out_dir: str | pathlib.Path) -> dict:
    """Scores the model and writes table and figure.

    Args:
        log_path: the published text file.
        out_dir: folder for `calibration.json` and `calibration.png`; made if absent.

    Returns:
        What the JSON file holds.

    Raises:
        DatasetError: the log cannot be read.
    """
    log, digest = robot_log.read(pathlib.Path(log_path))
    found = score(log) | {"log_sha256": digest}
    folder = pathlib.Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calibration.json").write_text(json.dumps(found, indent=2) + "\n")
    draw(folder / "calibration.png", log, found)
    return found


def score(log: Log) -> dict[str, Any]:
    """All numbers: `r2` by window rule, variant and horizon; `spread` by system."""
    rules = {
        "windows without the 60 stalls": robot_log.STALL_JUMP,
        "windows without short stalls": calibration.STRICT_JUMP,
    }
    r2: dict[str, Any] = {}
    for rule, jump in rules.items():
        starts = calibration.windows(log, jump=jump)
        r2[rule] = {"windows": len(starts)}
        for name, variant in calibration.VARIANTS.items():
            found = calibration.skill(log, variant, starts)
            r2[rule][name] = {str(k): row.tolist() for k, row in found.items()}
    robot = {k: (x, 0.0) for k, x in calibration.spread(log).items()}
    return {
        "r2_of": ["theta", "theta_dot", "v"],
        "r2": r2,
        "spread": {
            "robot": robot | {"falls": (float(log.done.sum()), 0.0)},
            "real": calibration.closed_loop("none"),
            "idealised": calibration.closed_loop("idealised"),
        },
    }


def text(found: dict[str, Any]) -> str:
    """The numbers as tables."""
    lines = []
    for rule, table in found["r2"].items():
        lines += [f"R2 of theta, theta_dot, v; {table['windows']} {rule}"]
        for name in calibration.VARIANTS:
            cells = (
                f"{k:>2} rows " + " ".join(f"{x:5.2f}" for x in row)
                for k, row in table[name].items()
            )
            lines.append(f"  {name:<26}" + "   ".join(cells))
    lines += ["standard deviation (spread over 8 seeds) under the operator"]
    for name, row in found["spread"].items():
        cells = (f"{k} {mean:.3f} ({std:.3f})" for k, (mean, std) in row.items())
        lines.append(f"  {name:<10}" + "  ".join(cells))
    return "\n".join(lines)


def draw(path: pathlib.Path, log: Log, found: dict[str, Any]) -> None:
    """The figure: skill by horizon above; example, spread and spectrum below."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
    for i, symbol in enumerate(_SYMBOLS):
        _draw_skill(axes[0, i], found, i, symbol)
    axes[0, 0].set_ylabel("explained share of the change, $R^2$")
    axes[0, 0].legend(frameon=False, fontsize="x-small", loc="lower left")
    _draw_example(axes[1, 0], log)
    _draw_spread(axes[1, 1], found["spread"])
    _draw_spectrum(axes[1, 2], log)
    for panel in axes.flat:
        panel.grid(alpha=0.3)
    part = path.with_suffix(".part.png")
    figure.savefig(part, dpi=150)
    plt.close(figure)
    part.replace(path)


def _draw_skill(axes: Axes, found: dict[str, Any], i: int, symbol: str) -> None:
    """One signal's R2 over the horizon, one line per variant."""
    table = found["r2"]["windows without short stalls"]
    for j, name in enumerate(calibration.VARIANTS):
        horizons = [1e3 * PERIOD * int(k) for k in table[name]]
        values = [row[i] for row in table[name].values()]
        axes.plot(horizons, values, _STYLES[j], color=COLOURS[j], label=name)
    axes.set_title(f"{symbol}, held-out rows", fontsize="medium")
    axes.set(xlabel="prediction horizon (ms)", ylim=(0, 1))


def _draw_example(axes: Axes, log: Log) -> None:
    """Pitch rate of a held-out stretch, predicted from a fresh start every 12 rows."""
    rows = max(calibration.HORIZONS)
    jump = calibration.STRICT_JUMP
    first = calibration.windows(log, stride=rows, jump=jump, rows=_EXAMPLE)[0]
    starts = np.arange(first, first + _EXAMPLE, rows)
    seconds = PERIOD * np.arange(_EXAMPLE + 1)
    measured = log.states[first : first + _EXAMPLE + 1, 3]
    axes.plot(seconds, measured, color="0.0", linewidth=2.5, alpha=0.4, label="robot")
    for j, name in ((0, "real"), (2, "idealised, same timing")):
        predicted = calibration.replay(log, calibration.VARIANTS[name], starts, rows)
        # A gap between windows, where the prediction starts anew.
        line = np.full((len(starts), rows + 1), np.nan)
        line[:, :-1] = predicted[:, :, 1]
        begin = PERIOD * (starts[:, None] - first + 1 + np.arange(rows + 1))
        style = _STYLES[j][1:]
        axes.plot(begin.ravel(), line.ravel(), style, color=COLOURS[j], label=name)
    axes.set(xlabel="time (s)", ylabel=r"pitch rate $\dot\theta$ (rad/s)")
    axes.margins(y=0.25)
    axes.set_title("predicted 12 rows (73 ms) ahead", fontsize="medium")
    axes.legend(frameon=False, fontsize="x-small", loc="upper center", ncols=3)


def _draw_spread(axes: Axes, table: dict[str, Any]) -> None:
    """Standard deviations relative to the robot's, with those of the robot as text."""
    robot = {k: mean for k, (mean, _) in table["robot"].items() if k != "falls"}
    place = np.arange(len(robot))
    for j, name in ((0, "real"), (2, "idealised")):
        mean, std = np.array([table[name][k] for k in robot]).T / [*robot.values()]
        bars = place + (0.2 if j else -0.2)
        axes.bar(bars, mean, 0.38, yerr=std, color=COLOURS[j], label=name, capsize=2)
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


def _draw_spectrum(axes: Axes, log: Log) -> None:
    """Power of the pitch rate."""
    balancing = slice(0, len(log.done) - calibration.SETTLED)
    systems = {
        "robot": ("0.0", "-", log.states[balancing, 3]),
        "real": (COLOURS[0], "-", operator.drive(operator.ROWS)[0].states[:, 3]),
    }
    for name, (colour, style, rate) in systems.items():
        frequency, power = calibration.spectrum(rate)
        axes.semilogy(frequency, power, style, color=colour, label=name)
    axes.set(xlim=(0, 12), ylim=(1e-4, 1), xlabel="frequency (Hz)")
    axes.set_ylabel(r"power of $\dot\theta$ ((rad/s)$^2$/Hz)")
    axes.set_title("oscillation in closed loop", fontsize="medium")
    axes.legend(frameon=False, fontsize="x-small")


if __name__ == "__main__":
    app.run(main)
