"""Starts runs as copies of a process that has imported all they need.

    python -m benchmarks.reliability.forks

reads a line of JSON for each run, its arguments and where its output goes, and prints
the number of its process and then how it ended, as `subprocess` has it. Importing takes
as long as a tiny run; nothing of JAX but its import may happen before the copy.
"""

import json
import os
import sys

from experiments import run
from experiments.cli import console


def main() -> None:
    """Starts a run for every line, one after the other."""
    for line in sys.stdin:
        order = json.loads(line)
        if not (child := os.fork()):
            _become(order["arguments"], order["output"])
            return  # and ends as any program does
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(arguments: list[str], output: str) -> None:
    """Does what `python -m experiments.run` does."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["experiments.run", *arguments]
    console.command(run.main, run.__doc__ or "", run.SETTINGS)


if __name__ == "__main__":
    main()
