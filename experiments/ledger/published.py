"""The numbers of the paper, as they stand in published.json."""

import functools
import json
import pathlib
import re
from typing import Any, NamedTuple

TABLE1_GAPS = {
    "gravity:2": "gravity",
    "friction:0.3": "friction",
    "joint_noise:1": "joint_noise",
    "big_thigh:2": "big_thigh",
    "small_thigh:0.5": "small_thigh",
    "broken_thigh:0.5": "broken_thigh",
    "flexible_thigh:2": "flexible_thigh",
    "long_torso:4": "long_torso",
    "soft_feet:0": "soft_feet",
}
"""Gap of a cell -> its name in the table, in the table's order."""
METHODS = ("sac", "cql", "iql", "darc", "h2o", "h2o_plus")
"""In the table's order."""


class Spread(NamedTuple):
    """Mean and standard deviation over five seeds."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.0f} ± {self.std:.0f}"


@functools.cache
def content() -> dict[str, Any]:
    """Of published.json."""
    path = pathlib.Path(__file__).with_name("published.json")
    text: dict[str, Any] = json.loads(path.read_text())
    return text


def table1(log: str, gap: str, algorithm: str) -> Spread | None:
    """A cell of Table I; None where the paper has none."""
    name = TABLE1_GAPS.get(gap, "")
    return _spread(content()["table1"].get(log, {}).get(name, {}).get(algorithm))


def table2(ratio: bool, lambda_: float) -> Spread | None:
    """A cell of Table II."""
    for row in content()["table2"]["rows"]:
        if (row["lambda"], row["dynamics_ratio"]) == (lambda_, ratio):
            return _spread(row)
    return None


def gravity_scale(gap: str) -> float | None:
    """The factor of a gap that is gravity and nothing else; None for others."""
    found = re.fullmatch(r"gravity:([\d.]+)", gap)
    return float(found[1]) if found else None


def table3(log: str, gap: str, algorithm: str) -> Spread | None:
    """A cell of Table III."""
    scale = gravity_scale(gap)
    if log != "halfcheetah-medium-replay" or scale is None:
        return None
    for row in content()["table3"]["rows"]:
        if row["gravity_scale"] == scale:
            return _spread(row.get(algorithm))
    return None


def _spread(found: dict[str, Any] | None) -> Spread | None:
    if not found or found["mean"] is None:
        return None
    return Spread(found["mean"], found["std"])
