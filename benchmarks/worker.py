"""Both ends of a process that measures on demand.

XLA fixes its devices and threads once per process, so that other numbers of cores need
other processes. They all stay alive and measure in turn; only one works at a time.
"""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from typing import Any, Protocol

from benchmarks import timing, updates
from benchmarks.timing import Measure
from experiments import devices


class Plan(Protocol):
    """A dataclass that says what one process measures."""

    @property
    def cores(self) -> int: ...
    @property
    def runs(self) -> tuple[int, ...]: ...


class Worker:
    """A child process with a plan; a context manager that ends it."""

    def __init__(
        self, plan: Plan, module: str = updates.__name__, platform: str = "cpu"
    ):
        """Starts the process, which begins to compile.

        Args:
            plan: what it shall measure.
            module: has the class `Plan` and `measures(plan)`.
            platform: JAX's; the plan's cores are kept to on a CPU only.
        """
        # How many threads XLA has is the worker's to say.
        environment = {k: v for k, v in os.environ.items() if k != "NPROC"}
        if platform != "cpu":  # its memory serves several processes at once
            environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        fields: Any = plan
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", __name__),
                *(module, json.dumps(dataclasses.asdict(fields))),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "JAX_PLATFORMS": platform},
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: Any) -> None:
        with self._process:  # closes its standard input, which ends it
            self._process.terminate()

    def measures(self) -> dict[str, Measure]:
        """What it can measure; waits until all is compiled."""
        return {name: self._measure(name) for name in json.loads(self._answer())}

    def _measure(self, name: str) -> Measure:
        def measure() -> Any:
            assert self._process.stdin is not None
            print(name, file=self._process.stdin, flush=True)
            return json.loads(self._answer())

        return measure

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a measuring process ended; its message is above")
        return line


def main() -> None:
    """Measures what standard input asks for, until it ends."""
    module = importlib.import_module(sys.argv[1])
    plan = module.Plan(**{k: _tuples(v) for k, v in json.loads(sys.argv[2]).items()})
    if os.environ["JAX_PLATFORMS"] == "cpu":
        timing.use_cores(plan.cores)
        devices.use_cores(plan.cores, min(plan.runs))
    measures = module.measures(plan)
    for measure in measures.values():
        measure()  # compiles
    print(json.dumps(list(measures)), flush=True)
    for line in sys.stdin:
        print(json.dumps(measures[line.strip()]()), flush=True)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main()
