"""Both ends of a process that measures on demand.

XLA fixes its devices and threads once per process, so that other numbers of cores need
other processes. They are all kept alive and asked in turn; only one works at a time.
"""

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks import timing, updates
from benchmarks.timing import Measure
from benchmarks.updates import Plan
from experiments import console


class Worker:
    """A child process with a plan; a context manager that ends it."""

    def __init__(self, plan: Plan):
        """Starts the process, which begins to compile.

        Args:
            plan: what it shall measure.
        """
        # How many threads XLA has is the worker's to say.
        environment = {k: v for k, v in os.environ.items() if k != "NPROC"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(dataclasses.asdict(plan))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "JAX_PLATFORMS": "cpu"},
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
        def measure() -> float:
            assert self._process.stdin is not None
            print(name, file=self._process.stdin, flush=True)
            return float(self._answer())

        return measure

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a measuring process ended; its message is above")
        return line


def main() -> None:
    """Measures what standard input asks for, until it ends."""
    plan = Plan(**{k: _tuples(v) for k, v in json.loads(sys.argv[1]).items()})
    timing.use_cores(plan.cores)
    console.use_cores(plan.cores, min(plan.runs))
    measures = updates.measures(plan)
    for measure in measures.values():
        measure()  # compiles
    print(json.dumps(list(measures)), flush=True)
    for line in sys.stdin:
        print(measures[line.strip()](), flush=True)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main()
