"""Scores the simulated wheel-legged robot against a log of the true one.

Reads the published text file --dataset, and prints how much of its changes over 1 to
12 rows the model explains (in rows that no fit has used), and how much states and
torque vary under the scripted operator, against the robot's. --out also draws both to
a PNG.
"""

import dataclasses
import pathlib
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.plots import COLOURS
from h2o_jax.data import files
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.settings import setting
from h2o_jax.sim import gaps
from h2o_jax.sim.robot import calibration, scripted_operator
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot.log import PERIOD, Log

_SYMBOLS = (r"$\theta$", r"$\dot\theta$", r"$v$")
_STYLES = ("o-", "s--", "^:", "v-.")
_EXAMPLE = 240
"""Rows of the example, whose predictions start anew every 12 rows."""
_RULES = {
    "without the stalls": robot_log.STALL_JUMP,
    "without short stalls either": calibration.STRICT_JUMP,
}
"""Which windows of the log are scored: largest jump of the pitch, rad."""
_DRIVEN = {"real": "none", "idealised": "idealised"}
"""Models that the operator drives: name -> gap."""
_SEEDS = range(8)
_LABELS = {"real": "real variant", "real, no dry friction": "no dry friction"}
"""What figures call them, beside `robot` for the true one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is compared."""

    dataset: str = setting("", "The robot's log, a text file in the published form.")
    out: str = setting("", "A .png file for the figure; empty: none.")


SETTINGS = (Calibration,)


def main(flags: Flags) -> None:
    """The command."""
    choice = flags.of(Calibration)
    path, out = choice.dataset, choice.out
    if not path:
        raise ConfigError("--dataset: give the published log, a text file")
    if out and not out.endswith(".png"):
        raise ConfigError(f"--out={out}: give a path ending in .png")
    log, digest = robot_log.read(pathlib.Path(path))
    if not len(_example(log)):
        raise DatasetError(
            f"{path}: no {_EXAMPLE} rows without a stall after row "
            f"{calibration.HELD_OUT}; give the whole log"
        )
    driven = {
        name: scripted_operator.drive(scripted_operator.ROWS, _SEEDS, gaps.parse(gap))
        for name, gap in _DRIVEN.items()
    }
    numbers = score(log, driven)
    print(f"log      {path}\nSHA-256  {digest}\n{text(numbers)}")
    if out:
        draw(pathlib.Path(out), log, driven["real"], numbers)
        print(f"wrote    {out}")


def score(log: Log, driven: dict[str, list[Log]]) -> dict[str, Any]:
    """All numbers: `r2` by window rule, variant and horizon; `spread` by system.

    Args:
        log: the robot's.
        driven: logs of the scripted operator in several models.
    """
    r2: dict[str, Any] = {}
    for rule, jump in _RULES.items():
        starts = calibration.windows(log, jump=jump)
        r2[rule] = {"windows": len(starts)}
        for name, variant in calibration.VARIANTS.items():
            r2[rule][name] = calibration.skill(log, variant, starts)
    spread = {"robot": calibration.closed_loop([log])}
    spread |= {name: calibration.closed_loop(logs) for name, logs in driven.items()}
    return {"r2": r2, "spread": spread}


def text(numbers: dict[str, Any]) -> str:
    """The numbers as tables."""
    lines = []
    for rule, table in numbers["r2"].items():
        lines += [f"\nR2 of theta, theta_dot, v; {table['windows']} windows {rule}"]
        for name in calibration.VARIANTS:
            cells = (
                f"{k:>2} rows " + " ".join(f"{x:5.2f}" for x in row)
                for k, row in table[name].items()
            )
            lines.append(f"  {name:<26}" + "   ".join(cells))
    lines += [f"\nstandard deviations under the operator, over {len(_SEEDS)} seeds"]
    for name, row in numbers["spread"].items():
        cells = (f"{k} {mean:.3f} ± {std:.3f}" for k, (mean, std) in row.items())
        lines.append(f"  {name:<10}" + "  ".join(cells))
    return "\n".join(lines)


def draw(
    path: pathlib.Path, log: Log, driven: list[Log], numbers: dict[str, Any]
) -> None:
    """The figure: skill by horizon above; example, spread and spectrum below.

    Args:
        path: PNG to write.
        log: the robot's.
        driven: logs of the operator in the real variant.
        numbers: as `score` gives them.

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
        with files.replacing(path) as part:
            figure.savefig(part, dpi=110)
    except OSError as error:
        raise ConfigError(f"--out={path}: {error.strerror}") from None
    finally:
        plt.close(figure)


def _draw_skill(axes: Axes, numbers: dict[str, Any], i: int, symbol: str) -> None:
    """One signal's R2 over the horizon, one line per variant."""
    table = numbers["r2"]["without short stalls either"]
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


def _example(log: Log) -> np.ndarray:
    """First rows of held-out stretches without a stall, long enough to draw."""
    rows, jump = max(calibration.HORIZONS), calibration.STRICT_JUMP
    return calibration.windows(log, stride=rows, jump=jump, rows=_EXAMPLE)


def _draw_example(axes: Axes, log: Log) -> None:
    """Pitch rate of a held-out stretch, predicted from a fresh start every 12 rows."""
    rows = max(calibration.HORIZONS)
    first = _example(log)[0]
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


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
