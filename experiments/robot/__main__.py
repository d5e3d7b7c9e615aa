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

import pathlib
from collections.abc import Iterable, Sequence

from experiments import flags, records
from experiments.cli import console
from experiments.robot import report
from experiments.robot.scores import SCORES
from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, tasks
from h2o_jax.sim.tasks.task import Task

_EPISODES = 5
"""Per policy and robot, unless told otherwise; as in the published tables."""


def main() -> None:
    """The command, with parsed flags."""
    folders = _folders(flags.FLAGS.runs)
    task = _common_task(folders.values())
    text = report.report(
        task,
        {
            setting: method
            for name, folder in folders.items()
            for setting, method in report.by_setting(name, folder).items()
        },
        gaps.parse_list(flags.FLAGS.real, task.robot),
        pathlib.Path(flags.FLAGS.out or "."),
        flags.FLAGS.episodes or _EPISODES,
        flags.FLAGS.evaluation_seed,
    )
    print(f"{text}\n\nwritten to {flags.FLAGS.out or '.'}")


def _folders(texts: Sequence[str]) -> dict[str, pathlib.Path]:
    """`--runs` as name -> folder; without a name, that of the method.

    Raises:
        ConfigError: there is none, or a name occurs twice.
        CheckpointError: one is no run folder.
    """
    named: dict[str, pathlib.Path] = {}
    for text in texts:
        name, folder = _name_and_folder(text)
        name = name or records.asked(folder)["algorithm"]
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
    names = {records.asked(folder)["task"] for folder in folders}
    if len(names) > 1 or not names <= SCORES.keys():
        raise ConfigError(
            f"--runs: folders of {', '.join(sorted(names))}; give runs of one of "
            f"{', '.join(SCORES)}"
        )
    return tasks.get(names.pop())


if __name__ == "__main__":
    console.command(main, __doc__ or "")
