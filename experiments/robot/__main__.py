"""Shows how trained policies balance the wheel-legged robot: scores and figures.

Reads the run folders --runs (NAME=FOLDER, several methods of one task), lets every
policy balance for 30 s in each robot of --real, and writes into the folder --out:

scores.json, scores.md   survival, displacement or tracking error, cost per step; the
                         former also where they come from
motion.png               displacement or speed over time (the paper's Fig. 2)
visited.png              simulated states visited, coloured by Q (the paper's Fig. 3)
survival.png             survival in each robot, if --real names several
robot.gif                the first policy of the first folder at work
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Literal

from experiments import run_folder
from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.robot import report
from experiments.robot.scores import SCORES
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FOLDER, at_least, setting
from h2o_jax.sim import gaps, tasks
from h2o_jax.sim.tasks.task import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Show:
    """What is shown."""

    runs: tuple[str, ...] = setting(
        (), "Run folders, as FOLDER or NAME=FOLDER; a NAME has no / and no =."
    )
    which: Literal["chosen", "last", "best"] = setting("chosen", run_folder.WHICH)
    real: str = setting("none", "The robots to balance, as gaps; a list.")
    out: str = setting(".", "Folder of the files.", tags=[FOLDER])
    episodes: int = setting(5, "Episodes per policy and robot.", at_least(1))
    evaluation_seed: int = setting(10_000, "Seed of the first episode.", at_least(0))


SETTINGS = (Show,)


def main(flags: Flags) -> None:
    """The command."""
    show = flags.of(Show)
    folders = _folders(show.runs)
    task = _common_task(folders.values())
    text = report.report(
        task,
        {
            setting: method
            for name, folder in folders.items()
            for setting, method in report.by_setting(name, folder, show.which).items()
        },
        gaps.parse_list(show.real, task.robot),
        pathlib.Path(show.out),
        show.episodes,
        show.evaluation_seed,
    )
    print(f"{text}\n\nwritten to {show.out}")


def _folders(texts: Sequence[str]) -> dict[str, pathlib.Path]:
    """`--runs` as name -> folder; without a name, that of the method.

    Raises:
        ConfigError: there is none, or a name occurs twice.
        CheckpointError: one is no run folder.
    """
    named: dict[str, pathlib.Path] = {}
    for text in texts:
        name, folder = _name_and_folder(text)
        name = name or run_folder.flags(folder)["algorithm"]
        if name in named:
            raise ConfigError(f"--runs: two of {name}; tell them apart by NAME=FOLDER")
        named[name] = folder
    if not named:
        raise ConfigError("--runs=: empty; give run folders of experiments.run")
    return named


def _name_and_folder(text: str) -> tuple[str, pathlib.Path]:
    """`NAME=FOLDER`, or `FOLDER` without a name; folders may have an = in theirs."""
    name, equals, place = text.partition("=")
    if equals and "/" not in name:
        return name, pathlib.Path(place)
    return "", pathlib.Path(text)


def _common_task(folders: Iterable[pathlib.Path]) -> Task:
    """The task of all folders.

    Raises:
        CheckpointError: one is no run folder.
        ConfigError: not one task, or no wheel-legged one.
    """
    names = {run_folder.flags(folder)["task"] for folder in folders}
    if len(names) > 1 or not names <= SCORES.keys():
        raise ConfigError(
            f"--runs: folders of {', '.join(sorted(names))}; give runs of one of "
            f"{', '.join(SCORES)}"
        )
    return tasks.get(names.pop())


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
