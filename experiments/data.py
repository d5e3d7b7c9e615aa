"""The log that an experiment learns from: read, or made when none is given."""

import dataclasses
import hashlib
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments import collecting, motors, robots, task_reward
from experiments.collecting import Collecting
from experiments.experiment import Experiment, Source
from h2o_jax import with_next_action
from h2o_jax.data import datasets, doctor, hdf5
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.settings import MACHINE, PLACE, at_least, setting
from h2o_jax.sim import replay_log
from h2o_jax.sim.audit import belonging
from h2o_jax.sim.audit.replayer import Replayer
from h2o_jax.sim.robot.log import Pairing
from h2o_jax.sim.tasks.task import Task
from h2o_jax.types import Algorithm, Transition

_SAME_RATE = 0.02
"""Largest difference of two rates, relative, that is not worth a note."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """Reading the log."""

    columns: dict[str, str] | ColumnsFile | None = setting(
        None,
        "Names in the log where they are not D4RL's, such as "
        "'observations=x,y,q_0..q_5;rewards=reward', or @FILE, a columns file that "
        "says all of them, units and limits (see experiments.inspect).",
    )
    action_bounds: tuple[float, float] | None = setting(
        None, "LOW:HIGH of the log's actions, mapped to [-1, 1]."
    )
    max_episode_steps: int | None = setting(
        None,
        "Time limit of a log that has neither timeouts nor next observations.",
        at_least(1),
    )
    pairing: Pairing | None = setting(
        None,
        "Which command of a wheel-legged log goes with a state: that of the same row, "
        "as published (official, the default), or that of the row after, which was "
        "computed from it. For a .txt log and for one that is collected.",
    )
    download: bool = setting(
        False,
        "Fetch a minari: dataset that is not on this machine.",
        tags=[MACHINE],
    )
    dataset_sha256: str = setting(
        "", "SHA-256 of --dataset; another file is refused.", tags=[PLACE]
    )

    def deciding(self) -> dict[str, Any]:
        """What decides a result, as JSON has it; all None at the defaults."""
        return {
            "pairing": self.pairing,
            "action_bounds": self.action_bounds and list(self.action_bounds),
            "max_episode_steps": self.max_episode_steps,
            "columns": None if self.columns is None else _named(self.columns),
        }


def _named(columns: dict[str, str] | ColumnsFile) -> str:
    """A digest of what columns mean: not their units, latency or the file's place."""
    meant: Any = columns
    if isinstance(columns, ColumnsFile):
        meant = dataclasses.asdict(columns) | {"path": "", "latency": None}
        for kind in ("observations", "actions"):
            meant[kind] = [x._replace(unit="") for x in meant[kind]]
    return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()[:8]


def needed(experiment: Experiment, method: Algorithm) -> bool:
    """Whether a log is read.

    A method that learns from the simulator alone reads one only for `--normalise`, so
    that all methods see the same observations, and to mend the simulator.
    """
    mends = experiment.simulator != "as_is"
    return "real" in method.domains or experiment.normalise or mends


def load(
    experiment: Experiment,
    method: Algorithm,
    reading: Reading,
    how: Collecting,
    threads: int = 0,
) -> Dataset | None:
    """The log that `--dataset` names, or a collected one; None if none is needed.

    Args:
        experiment: its task and dataset.
        method: its method.
        reading: how the file is read.
        how: a log is collected where none is given.
        threads: threads of the physics while collecting; 0 for one per core.

    Raises:
        ConfigError: `--pairing` names another pairing than the log's.
        DatasetError: in one line, the file, the finding and the fix.
    """
    if not needed(experiment, method):
        return None
    path, rows = experiment.dataset, method.batch_size
    if not path:
        path = str(collecting.ensure(experiment, reading.pairing, how, threads))
    dataset = read(path, experiment, reading, rows)
    if method.needs_next_action:
        return _with_next_action(dataset, experiment.algorithm)
    return dataset


def read(path: str, source: Source, reading: Reading, rows: int = 1) -> Dataset:
    """A log of the real system.

    Args:
        path: the file, or minari:NAME.
        source: its task; and `--dataset`, empty where the log was collected here.
        reading: how the file is read.
        rows: least number of rows.

    Raises:
        ConfigError: `--pairing` names another pairing than the log's.
        DatasetError: in one line, the file, the finding and the fix.
    """
    task = source.model
    own = robots.of(task).readers.get(pathlib.PurePath(path).suffix)
    if own is not None:
        _check_own(path, reading)
        pairing = reading.pairing or "official"
        return own(path, task, pairing, rows, reading.dataset_sha256)
    dataset = datasets.load(
        path,
        obs_dim=task.obs_dim,
        action_dim=task.action_dim,
        columns=reading.columns,
        judge=task_reward.judge(task),
        action_bounds=reading.action_bounds,
        max_episode_steps=reading.max_episode_steps,
        min_rows=rows,
        sha256=reading.dataset_sha256,
        download=reading.download,
    )
    if source.dataset:
        _check_pairing(path, reading.pairing)
    notes = (*dataset.notes, *doubts(source, reading))
    return dataclasses.replace(dataset, notes=notes)


def _check_own(path: str, reading: Reading) -> None:
    """Refuses what a robot's own format says by itself."""
    for name in ("columns", "action_bounds", "max_episode_steps"):
        if getattr(reading, name) is not None:
            raise ConfigError(
                f"--{name}: {path} is in the robot's own format, which says what its "
                "numbers are; drop the flag"
            )


def doubts(source: Source, reading: Reading) -> list[str]:
    """What in a columns file contradicts the task: a rate, or limits of actions."""
    limits = motors.doubts(source.model, reading.columns, source.inertia)
    return [*rate_note(source.model, reading), *limits]


def rate_note(task: Task, reading: Reading) -> list[str]:
    """Whether a log has another rate than the task's control steps."""
    file = reading.columns
    if not isinstance(file, ColumnsFile) or file.rate is None:
        return []
    return [] if math.isnan(task.dt) else two_rates(file.rate, 1 / task.dt)


def two_rates(rate: float, control: float) -> list[str]:
    """What to know where rows of a log and control steps differ in rate, if they do.

    Args:
        rate: rows of the log per second.
        control: control steps of the task per second.
    """
    if abs(rate / control - 1) < _SAME_RATE:
        return []
    return [
        f"the log has {rate:g} rows per second, the task {control:g} control steps: a "
        "simulated step is not a logged one, unless a control_period is fitted"
    ]


def _check_pairing(source: str, wanted: str | None) -> None:
    """Refuses a `--pairing` other than the one that a log states.

    A log that states none is taken as its owner paired it, so that a preset with a
    pairing serves any log.

    Raises:
        ConfigError: in one line, the flag, the finding and the fix.
    """
    stated = hdf5.attribute(source, "pairing")
    if wanted is not None and stated not in (None, wanted):
        raise ConfigError(
            f"--pairing={wanted}: the rows of {source} are paired {stated}; drop the "
            "flag"
        )


def _with_next_action(dataset: Dataset, algorithm: str) -> Dataset:
    """The log with each row's next action, and a note of how many are known.

    Raises:
        DatasetError: hardly any is, as in a shuffled log.
    """
    rows = with_next_action(dataset.transition)
    unknown = float(np.isinf(np.asarray(rows.a_t)[:, 0]).mean())
    if unknown > 0.5:
        raise DatasetError(
            f"{dataset.source}: {algorithm} needs the next action, which {unknown:.0%} "
            "of the rows lack; give the log in the order in which it was recorded"
        )
    note = f"{unknown:.2%} of rows: the next action is unknown"
    return dataclasses.replace(dataset, transition=rows, notes=(*dataset.notes, note))


def other_task(source: Source, dataset: Dataset, threads: int = 0) -> str | None:
    """What says that a log is of another task than `--task`; None where nothing does.

    A log that was collected here is of its task.

    Args:
        source: task, real system and log.
        dataset: the log.
        threads: threads of the physics; 0 for one per core.
    """
    if not source.dataset:
        return None
    task, gaps, _ = source.logged_system
    replayer = Replayer(task, dataset.transition, source.inertia, threads)
    found = belonging.foreign(replayer, gaps)
    return None if found is None else f"--task={source.task}: {found}"


def check_task(source: Source, dataset: Dataset, threads: int = 0) -> None:
    """Refuses a log of another task than `--task`; see `other_task`.

    Raises:
        DatasetError: in one line, the file, the better task and the fix.
    """
    problem = other_task(source, dataset, threads)
    if problem is not None:
        raise DatasetError(f"{source.dataset}: {problem}")


def findings(
    log: Transition, observations: Sequence[str] = (), actions: Sequence[str] = ()
) -> list[str]:
    """What the doctor says of a log, with these names `[O]` and `[A]` in it."""
    ends = np.append(~replay_log.joined(log), True)
    s, a = np.asarray(log.s_tm1), np.asarray(log.a_tm1)
    return doctor.findings(s, a, observations, actions, ends=ends)


def disorder(log: Transition, task: Task) -> list[str]:
    """What the doctor says of the order of a log's rows, named as by the task."""
    names = [x.name for x in task.observation_signals]
    return doctor.order(np.asarray(log.s_tm1), names, replay_log.joined(log))
