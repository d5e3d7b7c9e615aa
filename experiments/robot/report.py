"""The report on trained policies: a table with its provenance, figures, an animation.

Every policy balances the same episodes in each of the given robots. The command of this
package (`__main__`) says which files there are.
"""

import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from experiments import learned, policies, run_folder, software
from experiments.experiment import Experiment
from experiments.robot import animation, figures, scores
from experiments.run_folder import CHOSEN
from h2o_jax import packing
from h2o_jax.data import writing
from h2o_jax.sim import gaps, rollout, worlds
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.rollout import Trace
from h2o_jax.sim.tasks.task import Array, Task

_PLACES = ("dataset", "results_dir", "cache_dir")
"""Flags that name places on a machine, which the report leaves out."""


class Method(NamedTuple):
    """Policies that differ in their seed alone."""

    folder: pathlib.Path
    runs: tuple[int, ...]
    """Their indices among the folder's runs."""
    which: str = CHOSEN
    """Of each run's policies; see `policies.load`."""


def report(
    task: Task,
    methods: Mapping[str, Method],
    reals: Sequence[Gaps],
    out: pathlib.Path,
    episodes: int,
    seed: int,
) -> str:
    """Writes all files of the report into `out`, and gives its table.

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
    by_robot = {
        real: {name: scores.of_trace(task, trace) for name, trace in by_method.items()}
        for real, by_method in traces.items()
    }
    stored = {"provenance": _provenance(methods, episodes, seed), "scores": by_robot}
    writing.write_json(out / "scores.json", stored)
    text = scores.table(task, by_robot)
    writing.write_text(out / "scores.md", text + "\n")
    first = traces[gaps.to_text(reals[0])]
    figures.motion(out / "motion.png", task, first)
    visits = {name: _visits(method, task) for name, method in methods.items()}
    figures.visited(out / "visited.png", task, visits)
    if len(reals) > 1:
        figures.survival(out / "survival.png", by_robot)
    animation.draw(out / "robot.gif", next(iter(first.values())))
    return text


def report_run(experiment: Experiment, folder: pathlib.Path) -> str:
    """`report` on one fresh run, in its own real system, into its own folder."""
    task, real, _ = experiment.real_system
    return report(
        task,
        by_setting(experiment.algorithm, folder),
        [real],
        folder,
        experiment.episodes,
        experiment.evaluation_seed,
    )


def by_setting(
    name: str, folder: pathlib.Path, which: str = CHOSEN
) -> dict[str, Method]:
    """The runs of a folder by setting: seeds of several gaps or sweeps are not one."""
    labels = [run["label"] for run in run_folder.versions(folder)["runs"]]
    apart = {
        label: tuple(i for i, other in enumerate(labels) if other == label)
        for label in labels
    }
    if len(apart) == 1:
        (runs,) = apart.values()
        return {name: Method(folder, runs, which)}
    return {
        f"{name} {label}": Method(folder, runs, which) for label, runs in apart.items()
    }


def _provenance(
    methods: Mapping[str, Method], episodes: int, seed: int
) -> dict[str, Any]:
    """How policies were evaluated, and with what flags and software they were trained.

    Raises:
        CheckpointError: one is no run folder.
    """
    runs = {}
    for name, (folder, own, which) in methods.items():
        choices, facts = run_folder.flags(folder), run_folder.versions(folder)
        runs[name] = {
            "commit": facts["commit"],
            "data": facts["data"],
            "policy": sorted({policies.meant(folder, i, which) for i in own}),
            "flags": {k: v for k, v in choices.items() if k not in _PLACES},
        }
    return {
        "date": time.strftime("%Y-%m-%d"),
        "episodes": episodes,
        "evaluation_seed": seed,
        **software.describe(),
        "runs": runs,
    }


def _trace(
    task: Task,
    method: Method,
    real: Gaps,
    episodes: int,
    seed: int,
) -> Trace:
    """Balances one robot with every policy of a method."""
    worlds.check_effect(task, real)
    n = len(method.runs) * episodes
    world = worlds.make(task, [real] * n, [0] * n)
    return rollout.trace(world, policies.load_many(*method), episodes, seed)


def _visits(method: Method, task: Task) -> tuple[Array, Array] | None:
    """Observations `[n, O]` that the first run's simulator saw, and their Q `[n]`."""
    folder, (first, *_), _ = method
    packed = learned.simulated_rows(folder, first)
    if packed is None:
        return None
    rows = packing.unpack(packed, task.obs_dim, task.action_dim)
    return rows.s_tm1, learned.critic(folder, first)(rows.s_tm1, rows.a_tm1)
