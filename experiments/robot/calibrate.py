"""Scores the simulated wheel-legged robot against a log of the true one.

Reads the published text file --dataset, and prints how much of its changes over 1 to
12 rows the model explains (in rows that no fit has used), and how much states and
torque vary under the scripted operator, against the robot's. --out also draws both to
a PNG.
"""

import dataclasses
import pathlib
from typing import Any

from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.robot import calibration_figure
from experiments.robot.calibration_figure import EXAMPLE, STRICT_RULE
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.settings import FILE, setting
from h2o_jax.sim import gaps
from h2o_jax.sim.robot import calibration, scripted_operator
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot.log import Log

_RULES = {
    "without the stalls": robot_log.STALL_JUMP,
    STRICT_RULE: calibration.STRICT_JUMP,
}
"""Which windows of the log are scored: largest jump of the pitch, rad."""
_DRIVEN = {"real": "none", "idealised": "idealised"}
"""Models that the operator drives: name -> gap."""
_SEEDS = range(8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is compared."""

    dataset: str = setting("", "The robot's log, a text file in the published form.")
    out: str = setting("", "A .png file for the figure; empty: none.", tags=[FILE])


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
    if not len(calibration_figure.example(log)):
        raise DatasetError(
            f"{path}: no {EXAMPLE} rows without a stall after row "
            f"{calibration.HELD_OUT}; give the whole log"
        )
    driven = {
        name: scripted_operator.drive(scripted_operator.ROWS, _SEEDS, gaps.parse(gap))
        for name, gap in _DRIVEN.items()
    }
    numbers = score(log, driven)
    print(f"log      {path}\nSHA-256  {digest}\n{text(numbers)}")
    if out:
        calibration_figure.draw(pathlib.Path(out), log, driven["real"], numbers)
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


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
