"""What a robot brings beyond its tasks: its own log format, an operator, a report.

Commands ask `of(task)` and name no robot. A new robot adds an entry to `_ROBOTS`; what
it needs is imported only once it is asked for.
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

Read = Callable[[str, Task, Pairing, int], Dataset]
"""`(path, task, pairing, least rows) -> log`."""


class Recorder(NamedTuple):
    """Drives the robot, where SAC need not learn to, and records the log."""

    kind: str
    """Names its logs in the cache."""
    rows: int
    """Transitions of a log, unless told otherwise."""
    record: Callable[[Task, int, int, Pairing, Gaps], Dataset]
    """`(task, rows, seed, pairing, gaps of the real robot) -> log`."""


@dataclasses.dataclass(frozen=True)
class Robot:
    """What one robot brings; by default nothing."""

    readers: Mapping[str, Read] = dataclasses.field(default_factory=dict)
    """Suffix of a file -> the reader of the robot's own log format."""
    recorder: Recorder | None = None
    """Makes a log where none is given; without one, SAC does."""
    report_run: Callable[[Experiment, pathlib.Path], str] | None = None
    """Shows a finished run, with files in its folder; gives a text to print."""


def of(task: Task) -> Robot:
    """What the robot of a task brings."""
    return _ROBOTS.get(task.robot, Robot)()


def _wheel_legged() -> Robot:
    from h2o_jax.sim.robot import log, scripted_operator

    recorder = Recorder("operator", scripted_operator.ROWS, scripted_operator.record)
    return Robot({".txt": log.load}, recorder, _report_wheel_legged)


def _report_wheel_legged(experiment: Experiment, folder: pathlib.Path) -> str:
    from experiments.robot import report  # draws figures, which takes a while to import

    return report.report_run(experiment, folder)


_ROBOTS: Mapping[str, Callable[[], Robot]] = {"wheel_legged": _wheel_legged}
