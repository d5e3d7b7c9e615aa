"""A fitted simulator as a simulator file: its values, and where they come from."""

import datetime
import pathlib
import sys
from typing import Any

from experiments import software
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import gaps, simulator_file
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.identify.identified import Identified
from h2o_jax.sim.simulator_file import SimulatorFile

COMMENT = """A simulator fitted to a log by experiments.identify; see docs/identify.md.
Fields are scales of the simulator `gap`, but for latency (control steps), action_noise
(std), and what is added: dry_friction and joint_spring, parts of the motors' torque,
and viscous_friction, the joints' inertia per second."""
_SOFTWARE = ("h2o_jax", "commit", "python", "mujoco", "numpy")


def content(
    found: Identified, start: Gaps, log: Dataset, seconds: float
) -> SimulatorFile:
    """The simulator file of a result."""
    judged, versions = found.judged, software.describe()
    provenance: dict[str, Any] = {
        simulator_file.MADE_BY: simulator_file.IDENTIFY,
        "log": pathlib.PurePath(log.source).name,
        "sha256": log.sha256,
        "rows": len(log.transition.r_t),
        "episodes_fitted": found.episodes[0],
        "episodes_held_out": found.episodes[1],
        "date": datetime.date.today().isoformat(),
        "command": " ".join([_command(), *sys.argv[1:]]),
        "seconds": round(seconds, 1),
        "converged": found.fit.converged,
        "at_bound": found.at_bound,
        "starts_disagree": found.disagreeing,
        "left_alone": list(found.left_alone),
        "sensor_noise": round(found.sensor_noise, 4),
        "better": found.better,
        "versions": {k: str(versions[k]) for k in _SOFTWARE},
    }
    for steps in judged.before:
        provenance[f"error_{steps}_before"] = round(judged.before[steps], 5)
        provenance[f"error_{steps}_after"] = round(judged.after[steps], 5)
    return SimulatorFile(
        gaps.to_text(gaps.without_fields(start)), found.values, provenance
    )


def _command() -> str:
    """How this process was called: by `identify`, or by a run that needs it."""
    spec = sys.modules["__main__"].__spec__
    return f"python -m {spec.name}" if spec else pathlib.PurePath(sys.argv[0]).name
