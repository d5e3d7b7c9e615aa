"""Updates per second at HalfCheetah's sizes, and how far that is from the possible.

One core, several cores on one run, and several cores shared by runs are processes that
take turns. About four minutes on a quiet machine; see README.md here.
"""

import argparse
import contextlib
import dataclasses

import numpy as np

from benchmarks import timing, updates
from benchmarks.timing import Ratio
from benchmarks.updates import FLOOR, ONE_CALL, Plan, block
from benchmarks.worker import Worker
from h2o_jax.algorithms import ALGORITHMS

ONE, TOGETHER, SHARED = "1 core", "all cores together", "one device per core"
QUICK = Plan("", 1, (1, 2), blocks=(2, 3), hidden=(8,), learn_rows=8)
Rates = dict[tuple[str, str], np.ndarray]
"""Column and row of the table -> `[rounds]` updates per second, all runs together."""


def plans(args: argparse.Namespace) -> dict[str, Plan]:
    """What each process measures, by column."""
    one = Plan(args.algorithm, 1, (1, 5, 20))
    if args.quick:
        one = dataclasses.replace(QUICK, algorithm=args.algorithm)
    if args.cores == 1:
        return {ONE: one}
    every = dataclasses.replace(one, cores=args.cores)
    shared = tuple(sorted({*one.runs[1:], 3 * args.cores}))
    return {
        ONE: one,
        TOGETHER: dataclasses.replace(every, runs=(1,)),
        SHARED: dataclasses.replace(every, runs=shared),
    }


def measure(columns: dict[str, Plan], rounds: int) -> Rates:
    """Takes the measurements of all columns in turn."""
    with contextlib.ExitStack() as stack:
        workers = {
            column: stack.enter_context(Worker(plan))
            for column, plan in columns.items()
        }
        measures = {
            (column, name): measure
            for column, worker in workers.items()
            for name, measure in worker.measures().items()
        }
        return timing.interleave(measures, rounds)


def show(rates: Rates, columns: dict[str, Plan]) -> str:
    """A row per measurement, a column per process."""
    names = sorted({name for _, name in rates}, key=_order)
    rows = [
        (name, *(timing.rate(rates.get((column, name))) for column in columns))
        for name in names
    ]
    return timing.table(("updates x runs per second", *columns), rows)


def _order(name: str) -> tuple[bool, list[int]]:
    """By runs, then by updates a call; the floor comes last."""
    numbers = [int(word) for word in name.split() if word.isdigit()]
    return (not numbers, numbers[::-1])


def compare(rates: Rates, columns: dict[str, Plan], cores: int) -> list[Ratio]:
    """The ratios that have targets, and those that explain them."""
    few, many = (block(n, 1) for n in columns[ONE].blocks)
    shared = block(columns[ONE].blocks[0], 3 * cores)
    wanted = [
        (f"{FLOOR} / {few}, {ONE}", (ONE, FLOOR), (ONE, few), ("<=", 1.25)),
        (f"{FLOOR} / {many}, {ONE}", (ONE, FLOOR), (ONE, many), ("<=", 1.25)),
        (f"{FLOOR} / {few}, {TOGETHER}", (TOGETHER, FLOOR), (TOGETHER, few), None),
        (
            f"{shared} / {few}, {cores} cores",
            (SHARED, shared),
            (TOGETHER, few),
            (">=", 1.1),
        ),
        (f"{few}: {TOGETHER} / {ONE}", (TOGETHER, few), (ONE, few), None),
        (f"{few} / {ONE_CALL}, {ONE}", (ONE, few), (ONE, ONE_CALL), None),
    ]
    return [
        Ratio(text, rates[above], rates[below], target)
        for text, above, below, target in wanted
        if above in rates and below in rates
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="h2o_plus")
    args = timing.arguments(parser, rounds=25)
    print(timing.machine(args.cores), end="\n\n")
    columns = plans(args)
    rates = measure(columns, args.rounds)
    print(show(rates, columns), end="\n\n")
    print(timing.ratios(compare(rates, columns, args.cores)))
    if (ONE, FLOOR) in rates:
        flop = sum(product.flop for product in updates.products(columns[ONE]))
        speed = np.median(rates[ONE, FLOOR]) * flop
        print(
            f"\nThe matrix products of an update are {flop / 1e9:.3g} GFLOP; alone, on "
            f"1 core, they run at {speed / 1e9:.3g} GFLOP per second."
        )


if __name__ == "__main__":
    main()
