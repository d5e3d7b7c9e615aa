"""H2O+ updates per second against the same update in plain, eager PyTorch.

Needs PyTorch. About two minutes on a quiet machine; see README.md here.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import sys
from importlib import metadata

import numpy as np

from benchmarks import timing
from benchmarks.timing import Ratio
from benchmarks.update_time import ONE, QUICK, TOGETHER
from benchmarks.updates import Plan
from benchmarks.worker import Worker

TARGETS = {ONE: 3.3, TOGETHER: 4.0}
MODULES = ("benchmarks.updates", "benchmarks.torch_updates")
Rates = dict[tuple[str, str], np.ndarray]
"""Column and row of the table -> `[rounds]` updates per second."""


def plans(args: argparse.Namespace) -> dict[str, Plan]:
    """What both processes of each column measure."""
    plan = QUICK if args.quick else Plan("", 1, ())
    one = dataclasses.replace(plan, algorithm="h2o_plus", runs=(1,), details=False)
    if args.cores == 1:
        return {ONE: one}
    return {ONE: one, TOGETHER: dataclasses.replace(one, cores=args.cores)}


def measure(columns: dict[str, Plan], rounds: int) -> Rates:
    """Takes the measurements of all columns in turn."""
    with contextlib.ExitStack() as stack:
        workers = [
            (column, stack.enter_context(Worker(plan, module)))
            for column, plan in columns.items()
            for module in MODULES
        ]
        measures = {
            (column, name): measure
            for column, worker in workers
            for name, measure in worker.measures().items()
        }
        return timing.interleave(measures, rounds)


def show(rates: Rates, columns: dict[str, Plan]) -> str:
    """A row per library, a column per number of cores."""
    names = dict.fromkeys(name for _, name in rates)
    rows = [(n, *(timing.rate(rates[c, n]) for c in columns)) for n in names]
    return timing.table(("updates per second", *columns), rows)


def compare(rates: Rates, columns: dict[str, Plan]) -> list[Ratio]:
    """Ours against theirs, per column."""
    ours, theirs = dict.fromkeys(name for _, name in rates)
    return [
        Ratio(
            f"{ours} / {theirs}, {column}",
            rates[column, ours],
            rates[column, theirs],
            (">=", TARGETS[column]),
        )
        for column in columns
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    args = timing.arguments(parser, rounds=25)
    if importlib.util.find_spec("torch") is None:
        sys.exit(
            "benchmarks.peer: error: there is no PyTorch here; pip install -e '.[peer]'"
        )
    print(timing.machine(args.cores))
    print(f"torch {metadata.version('torch')}", end="\n\n")
    columns = plans(args)
    rates = measure(columns, args.rounds)
    print(show(rates, columns), end="\n\n")
    print(timing.ratios(compare(rates, columns)))


if __name__ == "__main__":
    main()
