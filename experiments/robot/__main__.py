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

import json
import pathlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import command_line, flags, policies, records
from experiments.cli import console
from experiments.experiment import Experiment
from experiments.robot import animation, figures
from h2o_jax import packing
from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, models, rollout, tasks
from h2o_jax.sim.gaps import GapSetting
from h2o_jax.sim.rollout import Trace
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.sim.tasks.wheel_legged import TARGET_SPEED
from h2o_jax.sim.world import World

_EPISODES = 5
"""Per policy and robot."""
_BEST = {"wheel_legged_stand": 30.0, "wheel_legged_forward": 15.0}
"""Reward of a control step without any error; costs are what is missing to it."""
SCORES = {
    "wheel_legged_stand": ("seconds", "fallen", "displacement", "cost"),
    "wheel_legged_forward": ("seconds", "fallen", "speed_error", "cost"),
}
"""Task -> the columns of its table."""
Scores = dict[str, list[float]]
HEADINGS = {
    "seconds": "survival (s)",
    "fallen": "falls (share)",
    "displacement": "largest displacement until a fall (m)",
    "speed_error": "RMS error of the speed until a fall (m/s)",
    "cost": "cost per step until a fall",
}


class Method(NamedTuple):
    """Policies that differ in their seed alone."""

    folder: pathlib.Path
    runs: tuple[int, ...]
    """Their indices among the folder's runs."""


def main() -> None:
    """The command, with parsed flags."""
    folders = _folders(flags.FLAGS.runs)
    task = _common_task(folders.values())
    text = report(
        task,
        {k: v for name, x in folders.items() for k, v in by_setting(name, x).items()},
        gaps.parse_list(flags.FLAGS.real, task.robot),
        pathlib.Path(flags.FLAGS.out or "."),
        flags.FLAGS.episodes or _EPISODES,
        flags.FLAGS.evaluation_seed,
    )
    print(f"{text}\n\nwritten to {flags.FLAGS.out or '.'}")


def report(
    task: Task,
    methods: Mapping[str, Method],
    reals: Sequence[tuple[GapSetting, ...]],
    out: pathlib.Path,
    episodes: int,
    seed: int,
) -> str:
    """Writes every file of the module's list into `out`, and gives the table.

    Args:
        task: `wheel_legged_stand` or `wheel_legged_forward`.
        methods: what to call a method -> its policies.
        reals: the robots to balance.
        out: folder; made if absent.
        episodes: per policy and robot.
        seed: of the first episode.

    Raises:
        CheckpointError: a folder holds no policies.
    """
    out.mkdir(parents=True, exist_ok=True)
    traces = {
        gaps.to_text(real): {
            name: _trace(task, method, real, episodes, seed)
            for name, method in methods.items()
        }
        for real in reals
    }
    found = {
        real: {name: scores(task, trace) for name, trace in by_method.items()}
        for real, by_method in traces.items()
    }
    stored = {"provenance": _provenance(methods, episodes, seed), "scores": found}
    (out / "scores.json").write_text(json.dumps(stored, indent=1) + "\n")
    text = table(task, found)
    (out / "scores.md").write_text(text + "\n")
    first = traces[gaps.to_text(reals[0])]
    figures.motion(out / "motion.png", task, first)
    visits = {name: _visits(method, task) for name, method in methods.items()}
    figures.visited(out / "visited.png", task, visits)
    if len(reals) > 1:
        figures.survival(out / "survival.png", found)
    animation.draw(out / "robot.gif", next(iter(first.values())))
    return text


def report_run(experiment: Experiment, folder: pathlib.Path) -> str:
    """`report` on one fresh run, in its own real system, into its own folder."""
    return report(
        experiment.model,
        by_setting(experiment.algorithm, folder),
        [experiment.real],
        folder,
        experiment.episodes,
        experiment.evaluation_seed,
    )


def scores(task: Task, trace: Trace) -> dict[str, list[float]]:
    """Score -> one number per policy, the mean over its episodes.

    `displacement` is the largest distance of the axle from its start in m, and
    `speed_error` the root mean square of its speed minus 0.2 m/s; both are of the true
    motion until the fall. `cost` is what is missing to the best reward, per step.
    """
    ended = trace.evaluation
    x, speed = trace.qpos[..., 0], trace.qvel[..., 0]
    error = np.sqrt(np.nanmean(np.square(speed - TARGET_SPEED), axis=-1))
    by_episode = {
        "seconds": ended.seconds,
        "fallen": ended.fell,
        "displacement": np.nanmax(np.abs(x), axis=-1),
        "speed_error": error,
        "cost": _BEST[task.name] - ended.returns / ended.lengths,
    }
    columns = SCORES[task.name]
    return {name: by_episode[name].mean(axis=1).tolist() for name in columns}


def table(task: Task, found: Mapping[str, Mapping[str, Scores]]) -> str:
    """Mean and standard deviation over the policies, per robot and method."""
    columns = SCORES[task.name]
    lines = [
        "| robot | method | seeds | " + " | ".join(HEADINGS[c] for c in columns) + " |",
        "|---" * (3 + len(columns)) + "|",
    ]
    for real, by_method in found.items():
        for name, row in by_method.items():
            cells = [f"{np.mean(row[c]):.3g} ± {np.std(row[c]):.2g}" for c in columns]
            robot = "fitted" if real == "none" else real
            seeds = str(len(row["seconds"]))
            lines.append("| " + " | ".join([robot, name, seeds, *cells]) + " |")
    return "\n".join(lines)


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


def by_setting(name: str, folder: pathlib.Path) -> dict[str, Method]:
    """The runs of a folder by setting: seeds of several gaps or sweeps are not one."""
    labels = [run["label"] for run in policies.facts(folder)["runs"]]
    apart = {
        label: tuple(i for i, other in enumerate(labels) if other == label)
        for label in labels
    }
    if len(apart) == 1:
        return {name: Method(folder, *apart.values())}
    return {f"{name} {label}": Method(folder, runs) for label, runs in apart.items()}


def _name_and_folder(text: str) -> tuple[str, pathlib.Path]:
    """`NAME=FOLDER`, or `FOLDER` without a name; folders may have an = in theirs."""
    name, equals, place = text.partition("=")
    if equals and "/" not in name:
        return name, pathlib.Path(place)
    return "", pathlib.Path(text)


def _provenance(
    methods: Mapping[str, Method], episodes: int, seed: int
) -> dict[str, Any]:
    """How policies were evaluated, and with what flags and software they were trained.

    Raises:
        CheckpointError: one is no run folder.
    """
    runs = {}
    for name, (folder, _) in methods.items():
        asked, facts = records.asked(folder), policies.facts(folder)
        runs[name] = {
            "commit": facts["commit"],
            "data": facts["data"],
            "flags": {k: v for k, v in asked.items() if k not in command_line.PLACES},
        }
    return {
        "date": time.strftime("%Y-%m-%d"),
        "episodes": episodes,
        "evaluation_seed": seed,
        **records.environment(),
        "runs": runs,
    }


def _common_task(folders: Iterable[pathlib.Path]) -> Task:
    """The task of all folders.

    Raises:
        CheckpointError: one is no run folder.
        ConfigError: not one task, or no wheel-legged one.
    """
    names = {records.asked(folder)["task"] for folder in folders}
    if len(names) > 1 or not names <= _BEST.keys():
        raise ConfigError(
            f"--runs: folders of {', '.join(sorted(names))}; give runs of one of "
            f"{', '.join(_BEST)}"
        )
    return tasks.get(names.pop())


def _trace(
    task: Task,
    method: Method,
    real: tuple[GapSetting, ...],
    episodes: int,
    seed: int,
) -> Trace:
    """Balances one robot with every policy of a method."""
    models.check_effect(task, real)
    n = len(method.runs) * episodes
    model = models.compile_model(task, real)
    interface = gaps.interface(real, task.interface)
    world = World(task, [model] * n, [interface] * n, [0] * n)
    return rollout.trace(world, policies.load_many(*method), episodes, seed)


def _visits(method: Method, task: Task) -> tuple[Array, Array] | None:
    """Observations `[n, O]` that the first run's simulator saw, and their Q `[n]`."""
    folder, (first, *_) = method
    packed = policies.load_memory(folder, first)
    if packed is None:
        return None
    rows = packing.unpack(packed, task.obs_dim, task.action_dim)
    return rows.s_tm1, policies.load_critic(folder, first)(rows.s_tm1, rows.a_tm1)


if __name__ == "__main__":
    console.command(main, __doc__ or "")
