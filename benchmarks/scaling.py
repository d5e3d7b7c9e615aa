"""Updates per second on one device, two and more, with a fixed number of runs or more.

Devices are CPU cores, one thread each, or accelerators. About three minutes on two
quiet cores; see README.md here.
"""

import argparse
import contextlib
import dataclasses

import jax
import numpy as np

from benchmarks import timing
from benchmarks.timing import Ratio
from benchmarks.updates import Plan, block
from benchmarks.worker import Worker

EACH = 4  # runs per device where the work grows with the devices
QUICK = Plan("h2o_plus", 1, (), blocks=(2, 3), hidden=(8,), learn_rows=8)
Rates = dict[tuple[int, int], np.ndarray]
"""Devices and runs -> `[rounds]` updates per second, all runs together."""


def counts(most: int) -> list[int]:
    """1, 2, 4, ... devices, and all of them."""
    return sorted({*(2**i for i in range(most.bit_length())), most})


def rows(most: int) -> dict[str, dict[int, int]]:
    """Runs by row of the table and devices: weak scaling, and strong."""
    return {
        f"{EACH} runs a device": {n: EACH * n for n in counts(most)},
        f"{2 * most} runs": dict.fromkeys(counts(most), 2 * most),
    }


def measure(args: argparse.Namespace) -> Rates:
    """Takes the measurements of all numbers of devices in turn."""
    plan = QUICK if args.quick else Plan("h2o_plus", 1, ())
    wanted = rows(args.devices).values()
    plans = {
        n: dataclasses.replace(plan, cores=n, runs=tuple({row[n] for row in wanted}))
        for n in counts(args.devices)
    }
    few = plan.blocks[0]
    with contextlib.ExitStack() as stack:
        workers = {
            n: stack.enter_context(Worker(plan, platform=args.platform))
            for n, plan in plans.items()
        }
        by_devices = {n: worker.measures() for n, worker in workers.items()}
        measures = {
            (n, runs): by_devices[n][block(few, runs)]
            for n, plan in plans.items()
            for runs in plan.runs
        }
        return timing.interleave(measures, args.rounds)


def show(rates: Rates, most: int) -> str:
    """A row per kind of scaling, a column per number of devices."""
    header = [f"{n} device{'s' * (n > 1)}" for n in counts(most)]
    cells = [
        (name, *(timing.rate(rates[n, runs]) for n, runs in row.items()))
        for name, row in rows(most).items()
    ]
    return timing.table(("updates x runs per second", *header), cells)


def compare(rates: Rates, most: int) -> list[Ratio]:
    """Each number of devices against one; as many times as fast would be perfect."""
    return [
        Ratio(f"{name}: {n} devices / 1 device", rates[n, runs], rates[1, row[1]])
        for name, row in rows(most).items()
        for n, runs in row.items()
        if n > 1
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", default="cpu", help="JAX's name: cuda, tpu, ...")
    parser.add_argument("--devices", type=int, help="how many at most (--cores)")
    args = timing.arguments(parser, rounds=25)
    args.devices = args.devices or args.cores
    if args.platform == "cpu" and args.devices > args.cores:
        parser.error(f"--devices={args.devices}: only {args.cores} cores; see --cores")
    # This process only asks: it takes no accelerator's memory.
    jax.config.update("jax_platforms", "cpu")
    print(timing.machine(args.cores))
    print(f"devices: {args.platform}", end="\n\n")
    rates = measure(args)
    print(show(rates, args.devices), end="\n\n")
    print(timing.ratios(compare(rates, args.devices)))


if __name__ == "__main__":
    main()
