"""Environment steps per second, from bare physics to rows that one can learn from.

About three minutes on a quiet machine; see README.md here.
"""

import argparse

import numpy as np

from benchmarks import rollouts, timing
from benchmarks.rollouts import EPOCH, GYMNASIUM
from benchmarks.timing import Measure, Ratio
from experiments import devices
from h2o_jax.sim import tasks

PHYSICS = "mj_step loop, 1 thread"
FEWEST = 5000  # environment steps between two looks at the clock
ENVIRONMENTS = (1, 5, 20)
Rates = dict[tuple[str, str], np.ndarray]
"""Task and row of the table -> `[rounds]` environment steps per second."""


def measures(name: str, cores: int, quick: bool) -> dict[str, Measure]:
    """All measurements of one task, by name."""
    task, fewest = tasks.get(name), 30 if quick else FEWEST
    rates = {
        PHYSICS: rollouts.physics(task, fewest),
        "gymnasium's env.step, 1 thread": rollouts.gymnasium_loop(task, fewest),
    }
    steps = {n: fewest if quick else max(EPOCH, fewest // n) for n in ENVIRONMENTS}
    for n in ENVIRONMENTS:
        rates[_stepping(n)] = rollouts.world_loop(task, n, steps[n], cores)
    for n in ENVIRONMENTS:
        rates[_collecting(n)] = rollouts.collecting(task, n, steps[n], cores)
    return rates


def _stepping(n: int) -> str:
    return f"World.step, {n} environment{'s' * (n > 1)}"


def _collecting(n: int) -> str:
    return f"collect with policy and storing, {n} run{'s' * (n > 1)}"


def show(rates: Rates) -> str:
    """A row per measurement, a column per task."""
    names = dict.fromkeys(name for _, name in rates)
    rows = [
        (name, *(timing.rate(rates[task, name], 1000) for task in GYMNASIUM))
        for name in names
    ]
    return timing.table(("thousand steps per second", *GYMNASIUM), rows)


def compare(rates: Rates) -> list[Ratio]:
    """Collection against bare physics, task by task."""
    return [
        Ratio(
            f"{name} / {PHYSICS}, {task}",
            rates[task, name],
            rates[task, PHYSICS],
            target,
        )
        for task in GYMNASIUM
        for name, target in (
            (_collecting(1), None),
            (_collecting(5), (">=", 1.0)),
            (_collecting(20), None),
        )
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    args = timing.arguments(parser, rounds=30)
    timing.use_cores(args.cores)
    # As for five runs: a device per core, and one thread for each.
    devices.use_cores(args.cores, 5)
    print(timing.machine(args.cores), end="\n\n")
    rates = timing.interleave(
        {
            (task, name): measure
            for task in GYMNASIUM
            for name, measure in measures(task, args.cores, args.quick).items()
        },
        args.rounds,
    )
    print(show(rates), end="\n\n")
    print(timing.ratios(compare(rates)))


if __name__ == "__main__":
    main()
