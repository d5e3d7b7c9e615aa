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
        "control_hz": _known(1 / task.dt),
        "latency_seconds": _latency(experiment, file),
        "identified_latency_seconds": _identified(experiment, file, simulators),
        "simulators": {
            run.label: _digest(experiment, simulator)
            for run, simulator in zip(experiment.runs, simulators, strict=True)
        },
    }


def notes(
    experiment: Experiment, reading: Reading, simulators: Sequence[Simulator]
) -> list[str]:
    """What was found of the robot and its columns file contradicts: a latency."""
    task, file = experiment.model, _file(reading)
    if file is None or file.latency is None:
        return []
    latencies = dict.fromkeys(_fitted_latency(task, x) for x in simulators)
    return [
        f"the simulator was identified with a latency of {seconds:g} s, {file.path} "
        f"says {file.latency:g} s, and so will the contract; mend or remove latency "
        "there, and train again"
        for seconds in latencies
        if seconds is not None and abs(seconds - file.latency) > task.dt / 2
    ]


def _file(reading: Reading) -> ColumnsFile | None:
    return reading.columns if isinstance(reading.columns, ColumnsFile) else None


def _latency(experiment: Experiment, file: ColumnsFile | None) -> float | None:
    """Seconds until an action acts: by the log's owner, or by the logged system."""
    if file and file.latency is not None:
        return file.latency
    logged, own, _ = experiment.logged_system
    return _known(gaps.interface(own, logged.interface).latency * logged.dt)


def _identified(
    experiment: Experiment, file: ColumnsFile | None, simulators: Sequence[Simulator]
) -> dict[str, float]:
    """Of each run the latency that a log told, unless the log's owner knows it."""
    if file and file.latency is not None:
        return {}
    task = experiment.model
    found = zip(experiment.runs, simulators, strict=True)
    latencies = {run.label: _fitted_latency(task, x) for run, x in found}
    return {k: seconds for k, seconds in latencies.items() if seconds is not None}


def _fitted_latency(task: Task, simulator: Simulator) -> float | None:
    """Seconds until an action acts, where a log told; None where none did."""
    gap = simulator.gap
    fields = {x.name: x.value for x in gaps.from_file(gap)} if gaps.fitted(gap) else {}
    if "latency" not in fields:
        return None
    steps = gaps.interface(gap, task.interface).latency
    return steps * task.dt * fields.get("control_period", 1.0)


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
