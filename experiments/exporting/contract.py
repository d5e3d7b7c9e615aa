"""The contract of an exported policy: what its user must know, from a run folder.

It names every number of an observation and an action with unit and limits, the rate
and latency that the policy was trained for, and what it comes from: log, simulator and
run with their digests.
"""

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

import h2o_jax
from experiments import learned, policies, run_folder
from experiments.exporting import policy
from experiments.exporting.forms import Function
from h2o_jax import packing
from h2o_jax.data import files, writing


def function_of(folder: pathlib.Path, run: int, which: str) -> Function:
    """The policy of a run, from an observation to an action in the robot's units.

    Observations are clamped to the range that the run has seen: that of its log and
    that of the simulated rows that it kept.

    Raises:
        CheckpointError: no such policy, or a folder of an earlier version.
    """
    mean, std, layers = policies.network(folder, run, which)
    limits = policies.limits(folder)
    low, high = seen(folder, run)
    return Function(
        low, high, mean, std, tuple(layers), limits.mean(0), np.ptp(limits, axis=0) / 2
    )


def seen(folder: pathlib.Path, run: int) -> tuple[np.ndarray, np.ndarray]:
    """`low [O]` and `high [O]` of the observations of a run's log and simulator."""
    known = policies.robot(folder)["observations"]
    low, high = (
        np.array([np.nan if x[k] is None else x[k] for x in known], np.float32)
        for k in ("low", "high")
    )
    rows = None
    if run_folder.has_checkpoint(folder):
        rows = learned.simulated_rows(folder, run)
    if rows is not None and len(rows):
        width = len(known), len(policies.robot(folder)["actions"])
        states = packing.unpack(np.asarray(rows), *width).s_tm1
        low, high = np.fmin(low, states.min(0)), np.fmax(high, states.max(0))
    missing = np.isnan(low)
    return np.where(missing, -np.inf, low), np.where(missing, np.inf, high)


def of_run(
    folder: pathlib.Path, run: int, which: str, function: Function
) -> dict[str, Any]:
    """The contract as JSON values, without what only the written file tells."""
    facts, robot = run_folder.versions(folder), policies.robot(folder)
    own = facts["runs"][run]
    identified = robot.get("identified_latency_seconds", {})
    flags = (folder / run_folder.FLAGS).read_bytes()
    observations = [
        {
            "name": signal["name"],
            "unit": signal["unit"],
            "low": _finite(function.low[i]),
            "high": _finite(function.high[i]),
            "mean": float(function.mean[i]),
            "std": float(function.std[i]),
        }
        for i, signal in enumerate(robot["observations"])
    ]
    return {
        "format": policy.FORMAT,
        "h2o_jax": h2o_jax.__version__,
        "observations": observations,
        "actions": robot["actions"],
        "rate_hz": robot["rate_hz"],
        "latency_seconds": identified.get(own["label"], robot["latency_seconds"]),
        "log": {k: facts["data"].get(k) for k in ("name", "sha256")},
        "simulator": {
            "gap": own["label"],
            "sha256": robot["simulators"].get(own["label"]),
            **own.get("simulator", {}),
        },
        "run": {
            "number": run,
            "setting": own["label"],
            "seed": own["seed"],
            "policy": policies.meant(folder, run, which),
            "epoch": policies.epoch(folder, run, which),
            "flags_sha256": hashlib.sha256(flags).hexdigest(),
            "commit": facts["commit"],
        },
    }


def write(
    path: pathlib.Path, contract: Mapping[str, Any], parity: Mapping[str, Any]
) -> pathlib.Path:
    """Writes the contract beside a policy, sealed with the digests of both."""
    content = {
        **contract,
        "parity": dict(parity),
        "file": path.name,
        "file_sha256": files.check_hash(path, None),
    }
    content["sha256"] = policy.digest(content)
    beside = path.with_name(path.name + ".json")
    writing.write_json(beside, content, allow_nan=False)
    return beside


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
