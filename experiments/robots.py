"""What commands can do with one robot only: its log format, an operator, a report.

Commands call `of(task)` and name no robot. A new robot is a new entry in `_ROBOTS`; its
modules are imported when `of` is called for it.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from experiments.experiment import Experiment
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.robot.log import Pairing
from h2o_jax.sim.tasks.task import Task

Read = Callable[[str, Task, Pairing, int, str], Dataset]
"""`(path, task, pairing, least rows, SHA-256 or "") -> log`."""


class Recorder(NamedTuple):
    """Records a log while an operator drives the robot, in place of a trained SAC."""

    kind: str
    """Part of the file names of its logs in the cache."""
    rows: int
    """Transitions of a log by default."""
    record: Callable[[Task, int, int, Pairing, Gaps], Dataset]
    """`(task, rows, seed, pairing, gaps of the real robot) -> log`."""


@dataclasses.dataclass(frozen=True)
class Robot:
    """What commands can do with one robot only; by default nothing."""

    readers: Mapping[str, Read] = dataclasses.field(default_factory=dict)
    """Suffix of a file -> the reader of the robot's own log format."""
    recorder: Recorder | None = None
    """Records a log if none is given; None: SAC collects one."""
    report_run: Callable[[Experiment, pathlib.Path], str] | None = None
    """Writes figures of a finished run into its folder, and returns a text to print."""


def of(task: Task) -> Robot:
    """The record of a task's robot; an empty one for robots without an entry."""
    return _ROBOTS.get(task.robot, Robot)()


def _wheel_legged() -> Robot:
    from h2o_jax.sim.robot import log, scripted_operator

    recorder = Recorder("operator", scripted_operator.ROWS, scripted_operator.record)
    return Robot({".txt": log.load}, recorder, _report_wheel_legged)


def _report_wheel_legged(experiment: Experiment, folder: pathlib.Path) -> str:
    from experiments.robot import report  # draws figures, which takes a while to import

    return report.report_run(experiment, folder)


_ROBOTS: Mapping[str, Callable[[], Robot]] = {"wheel_legged": _wheel_legged}
