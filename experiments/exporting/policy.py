"""Runs a policy that `experiments.export` wrote, with NumPy alone.

    policy = Policy("policy.npz")
    action = policy(observation)  # both in the robot's units and the contract's order

Copy three files to the robot: this one, the .npz and its .npz.json, the contract. A
file that was changed after the export, or a weight that is not finite, is refused. An
observation beyond the range that the policy was trained in is clamped to it and
counted; `policy.report()` says which.

    python policy.py policy.npz

says what the policy wants and gives, and how long a call takes on this machine.
Python 3.8 and later run it.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

FORMAT = 1
LARGEST = 1 << 30
"""Bytes of a file."""


class PolicyError(ValueError):
    """The policy, its contract or an observation cannot be used."""


class Policy:
    """The deterministic policy of one run.

    Attributes:
        contract: what beside numbers is known: names, units, rate, origin.
        calls: observations so far.
    """

    def __init__(self, path: str | pathlib.Path):
        """Reads a policy and its contract.

        Raises:
            PolicyError: one of them is missing, was changed after the export, or holds
                what is not finite.
        """
        path = pathlib.Path(path)
        self.contract = read_contract(path)
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        for name, values in arrays.items():
            limit = name in ("low", "high")  # there may be none
            if np.isnan(values).any() or not (limit or np.isfinite(values).all()):
                raise PolicyError(f"{path}: {name} is not finite; do not use it")
        # No range known: float32's own, so that an infinite observation is noticed.
        most = np.finfo(np.float32).max
        self._low = np.maximum(arrays["low"], -most)
        self._high = np.minimum(arrays["high"], most)
        self._mean, self._std = arrays["mean"], arrays["std"]
        self._middle, self._half = arrays["middle"], arrays["half"]
        count = sum(name.startswith("kernel_") for name in arrays)
        self._layers = [
            (arrays[f"kernel_{i}"], arrays[f"bias_{i}"]) for i in range(count)
        ]
        self.calls = 0
        self._outside = np.zeros(len(self._low), int)
        self._least = np.full(len(self._low), np.inf)
        self._most = np.full(len(self._low), -np.inf)

    def __call__(self, observation: Any) -> np.ndarray:
        """Observation `[O]`, or several `[n, O]` -> action `[A]`, or `[n, A]`.

        Raises:
            PolicyError: there are not O numbers, or one is not finite.
        """
        x = np.asarray(observation, np.float32)
        if x.shape[-1:] != self._low.shape:
            raise PolicyError(
                f"observation of shape {x.shape}; give the {len(self._low)} numbers of "
                "the contract, in its order"
            )
        clamped = np.minimum(np.maximum(x, self._low), self._high)
        if (x != clamped).any():  # a NaN, too, differs from itself
            self._note(x)
        self.calls += x.size // len(self._low)
        x = (clamped - self._mean) / self._std
        for i, (kernel, bias) in enumerate(self._layers):
            x = x @ kernel + bias
            if i + 1 < len(self._layers):
                np.maximum(x, 0, out=x)
        return np.tanh(x) * self._half + self._middle

    def report(self) -> str:
        """A line for every sensor that was beyond its range, and how far."""
        names = [x["name"] for x in self.contract["observations"]]
        return "\n".join(
            f"{names[i]}: {self._outside[i]} of {self.calls} beyond "
            f"[{self._low[i]:.4g}, {self._high[i]:.4g}], "
            f"from {self._least[i]:.4g} to {self._most[i]:.4g}"
            for i in np.flatnonzero(self._outside)
        )

    def _note(self, x: np.ndarray) -> None:
        rows = x.reshape(-1, x.shape[-1])
        if not np.isfinite(rows).all():
            i = np.flatnonzero(~np.isfinite(rows).all(axis=0))[0]
            name = self.contract["observations"][i]["name"]
            raise PolicyError(f"observation {name} is not finite; stop the robot")
        self._outside += ((rows < self._low) | (rows > self._high)).sum(axis=0)
        self._least = np.minimum(self._least, rows.min(axis=0))
        self._most = np.maximum(self._most, rows.max(axis=0))


def read_contract(path: str | pathlib.Path) -> dict[str, Any]:
    """The contract beside a policy of any form, once both are as they were exported.

    Raises:
        PolicyError: one of them is missing or was changed after the export.
    """
    path = pathlib.Path(path)
    beside = path.with_name(path.name + ".json")
    for file in (path, beside):
        if not file.is_file():  # a pipe or a device is none, either
            raise PolicyError(
                f"{file}: no such file; copy policy and contract together"
            )
        if file.stat().st_size > LARGEST:
            raise PolicyError(f"{file}: too large for a policy; copy it again")
    try:
        contract: dict[str, Any] = dict(json.loads(beside.read_text()))
        stated = contract.pop("sha256")
    except (ValueError, KeyError, TypeError):
        raise PolicyError(f"{beside}: no contract; export the policy again") from None
    if contract.get("format") != FORMAT or digest(contract) != stated:
        raise PolicyError(
            f"{beside}: changed after the export, or of another version; copy it again"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != contract["file_sha256"]:
        raise PolicyError(
            f"{path}: not the file that {beside.name} was written for; copy both again"
        )
    return contract


def digest(contract: dict[str, Any]) -> str:
    """The SHA-256 of a contract without its own `sha256`."""
    return hashlib.sha256(json.dumps(contract, sort_keys=True).encode()).hexdigest()


def microseconds(
    act: Callable[[np.ndarray], Any], observation: np.ndarray, calls: int = 2000
) -> tuple[float, float]:
    """Median and 99 % quantile of the time of a call, after a few to warm up."""
    for _ in range(50):
        act(observation)
    taken = np.empty(calls)
    for i in range(calls):
        begin = time.perf_counter_ns()
        act(observation)
        taken[i] = time.perf_counter_ns() - begin
    median, slow = np.quantile(taken, (0.5, 0.99)) / 1000
    return float(median), float(slow)


def describe(contract: dict[str, Any]) -> str:
    """The contract as lines to read."""
    lines = []
    for kind in ("observations", "actions"):
        lines.append(f"{kind}, in this order:")
        for i, x in enumerate(contract[kind]):
            span = f"[{x['low']:.4g}, {x['high']:.4g}]" if x["high"] is not None else ""
            lines.append(f"  {i:2d}  {x['name']:24s} {span:24s} {x['unit']}".rstrip())
    rate, wait = contract["rate_hz"], contract["latency_seconds"]
    timing = "how often to call it is not known"
    if rate is not None:
        timing = f"one call every {1 / rate:.4g} s ({rate:.4g} Hz)"
    if wait is not None:
        timing += f"; an action is expected to act {wait:.4g} s later"
    return "\n".join([*lines, timing])


def main(arguments: list[str]) -> None:
    """Says what a policy wants and gives, and how long it takes here."""
    if len(arguments) != 1:
        sys.exit("usage: python policy.py POLICY.npz")
    try:
        policy = Policy(arguments[0])
    except PolicyError as error:
        sys.exit(f"policy.py: {error}")
    print(describe(policy.contract))
    middle = (policy._low.clip(-1e6) + policy._high.clip(max=1e6)) / 2
    median, slow = microseconds(policy, middle)
    print(f"a call takes {median:.0f} us here (99 %: {slow:.0f} us)")


if __name__ == "__main__":
    main(sys.argv[1:])
