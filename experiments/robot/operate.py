"""Records a log of the wheel-legged robot while a scripted operator drives it.

Writes --out in the form of the published text file, which --dataset of every command
reads up to the first fall. A run that is given no log records one by itself, which
stands.
"""

import dataclasses
import pathlib

import numpy as np

from experiments import places
from experiments.cli import console, parsing
from experiments.cli.flags import Flags
from h2o_jax.data import writing
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FILE, Range, at_least, setting
from h2o_jax.sim import gaps
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot import scripted_operator
from h2o_jax.sim.robot.log import Log


@dataclasses.dataclass(frozen=True, kw_only=True)
class Session:
    """How the robot is driven."""

    speed: float = setting(0.2, "m/s to drive at.", Range(-1.0, 1.0, "in [-1, 1]"))
    rows: int = setting(scripted_operator.ROWS, "Rows to record.", at_least(2))
    operator_seed: int = setting(
        1,
        "Seed of joystick and episodes; with 1 none of 16588 rows falls.",
        at_least(0),
    )
    real: str = setting("none", "The robot that is driven, as gaps.")
    out: str = setting("", "The .txt file to write.", tags=[FILE])


SETTINGS = (Session,)


def main(flags: Flags) -> None:
    """The command."""
    choice = flags.of(Session)
    if not choice.out.endswith(".txt"):
        raise ConfigError(f"--out={choice.out}: give a path ending in .txt")
    path = pathlib.Path(choice.out)
    places.try_file("out", path)
    with parsing.of_flag("real", choice.real):
        real = gaps.parse(choice.real, "wheel_legged")
    seeds = [choice.operator_seed]
    [log] = scripted_operator.drive(choice.rows, seeds, real, choice.speed)
    write(path, log)
    print(robot_log.summary(log))
    print(f"wrote       {path}")


def write(path: pathlib.Path, log: Log) -> None:
    """Writes a log in the form of the published one."""
    columns = [log.states, log.torque[:, None], log.done[:, None]]
    with writing.replacing(path) as part:
        np.savetxt(part, np.concatenate(columns, axis=1), fmt="%.9g")


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
