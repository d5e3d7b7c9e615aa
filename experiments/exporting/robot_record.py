"""What a run folder keeps of its robot, so that a policy can be exported from it alone.

It is written when training begins, as `robot` in versions.json: names, units and
limits of observations and actions, the rate, the latency, and digests of simulators.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from experiments.data import Reading
from experiments.experiment import Experiment
from experiments.training import Simulator
from h2o_jax.data import signals
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.data.datasets import Dataset
from h2o_jax.data.signals import Signal
from h2o_jax.sim import gaps, models
from h2o_jax.sim.tasks.gymnasium_task import GymnasiumTask
from h2o_jax.sim.tasks.task import Task


def record(
    experiment: Experiment,
    dataset: Dataset | None,
    reading: Reading,
    simulators: Sequence[Simulator],
) -> dict[str, Any]:
    """JSON values that tell a policy's user what its numbers mean.

    Args:
        experiment: all runs.
        dataset: their log; its range becomes that of the observations.
        reading: how it was read: a columns file says names and units, and bounds say
            what an action of -1 and of 1 is.
        simulators: what each run learns in.

    Raises:
        ConfigError: a columns file describes another number of observations or actions
            than the task has.
    """
    task, file = experiment.model, _file(reading)
    actions = _actions(task, experiment.inertia, reading, file)
    return {
        "observations": [x._asdict() for x in _observations(task, dataset, file)],
        "actions": [x._asdict() for x in actions],
        "rate_hz": (file and file.rate) or _known(1 / task.dt),
        "latency_seconds": _latency(experiment, file),
        "simulators": {
            run.label: _digest(experiment, simulator)
            for run, simulator in zip(experiment.runs, simulators, strict=True)
        },
    }


def notes(
    experiment: Experiment, reading: Reading, simulators: Sequence[Simulator]
) -> list[str]:
    """What was found of the robot and is not in its record: another latency."""
    task, file = experiment.model, _file(reading)
    latency, found = _latency(experiment, file), []
    for gap in dict.fromkeys(x.gap for x in simulators if gaps.fitted(x.gap)):
        if all(x.name != "latency" for x in gaps.from_file(gap)):
            continue
        period = {x.name: x.value for x in gaps.from_file(gap)}.get("control_period", 1)
        steps = gaps.interface(gap, task.interface).latency
        seconds = steps * task.dt * period
        if latency is not None and abs(seconds - latency) > task.dt / 2:
            says = file.path if file and file.latency is not None else "the task"
            found.append(
                f"the simulator was identified with a latency of {steps} "
                f"step{'s' * (steps != 1)} ({seconds:g} s), {says} says {latency:g} s, "
                "and so will the contract; mend latency in "
                f"{file.path if file else 'a columns file'}, and train again"
            )
    return found


def _file(reading: Reading) -> ColumnsFile | None:
    return reading.columns if isinstance(reading.columns, ColumnsFile) else None


def _latency(experiment: Experiment, file: ColumnsFile | None) -> float | None:
    """Seconds until an action acts: by the log's owner, or by the logged system."""
    if file and file.latency is not None:
        return file.latency
    logged, own, _ = experiment.logged_system
    return _known(gaps.interface(own, logged.interface).latency * logged.dt)


def _observations(
    task: Task, dataset: Dataset | None, file: ColumnsFile | None
) -> list[Signal]:
    """Names and units, and the range of the log; no range without one."""
    known = file.observations if file else task.observation_signals
    known = known or tuple(Signal(f"observation_{i}") for i in range(task.obs_dim))
    signals.check("observations", known, task.obs_dim)
    if dataset is None:
        return [x._replace(low=None, high=None) for x in known]
    rows = np.asarray(dataset.transition.s_tm1)
    bounds = zip(known, rows.min(axis=0), rows.max(axis=0), strict=True)
    return [x._replace(low=float(low), high=float(high)) for x, low, high in bounds]


def _known(seconds: float) -> float | None:
    """A time or a rate; None where the environment does not say how long a step is."""
    return seconds if math.isfinite(seconds) else None


def _actions(
    task: Task, inertia: models.Inertia, reading: Reading, file: ColumnsFile | None
) -> list[Signal]:
    """Names, units and what -1 and 1 stand for: by the log's owner, or by the task."""
    known = file.actions if file else _motors(task, inertia)
    signals.check("actions", known, task.action_dim)
    if file or reading.action_bounds is None:
        return list(known)
    low, high = map(float, reading.action_bounds)
    return [x._replace(low=low, high=high) for x in known]


def _motors(task: Task, inertia: models.Inertia) -> tuple[Signal, ...]:
    """The motors of a task's model; of a Gymnasium environment, its action space."""
    if isinstance(task, GymnasiumTask):
        return task.action_signals
    model = models.compile_model(task, (), inertia)
    known = task.action_signals or tuple(
        Signal(_actuator_name(model, i)) for i in range(task.action_dim)
    )
    limits = model.actuator_ctrlrange[: task.action_dim].tolist()
    return tuple(
        x._replace(low=low, high=high)
        for x, (low, high) in zip(known, limits, strict=True)
    )


def _actuator_name(model: mujoco.MjModel, i: int) -> str:
    """Of an actuator without a name, its joint's."""
    name: str = model.actuator(i).name
    if not name and model.actuator_trntype[i] == mujoco.mjtTrn.mjTRN_JOINT:
        name = model.joint(model.actuator_trnid[i, 0]).name
    return name or f"action_{i}"


def _digest(experiment: Experiment, simulator: Simulator) -> str:
    """SHA-256 of the compiled model, its interface and what corrects it."""
    task = experiment.model
    if isinstance(task, GymnasiumTask):  # its name has a hash of its file
        return hashlib.sha256(task.name.encode()).hexdigest()
    model = models.compile_model(task, simulator.gap, experiment.inertia)
    content = np.zeros(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    digest = hashlib.sha256(content.tobytes())
    digest.update(repr(gaps.interface(simulator.gap, task.interface)).encode())
    if simulator.residual is not None:
        digest.update(simulator.residual.digest.encode())
    return digest.hexdigest()
