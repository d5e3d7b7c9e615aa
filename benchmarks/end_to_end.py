"""Seconds of a training epoch by phase, and what compiling and memory cost.

Drives the training loop itself for several numbers of runs, each in its own process.
About five minutes on two quiet cores; see README.md here.
"""

import argparse
import contextlib
from typing import NamedTuple

import numpy as np

from benchmarks import epochs, timing
from benchmarks.epochs import EPOCH, PHASES, Plan
from benchmarks.timing import Ratio
from benchmarks.worker import Worker

STEPS = {1: 500, 5: 200, 20: 100}
"""Number of runs -> steps and updates of a measured epoch; many runs take long."""
QUICK = {1: 2, 3: 2}


class Figures(NamedTuple):
    """What one process gave."""

    seconds: np.ndarray
    """`[rounds, phases]` of an epoch of 1000 steps and updates."""
    compiling: float
    """Seconds."""
    memory: float
    """MB at most."""


def plans(args: argparse.Namespace) -> list[Plan]:
    """What each process measures."""
    if not args.quick:
        return [Plan(args.cores, (n,), steps) for n, steps in STEPS.items()]
    return [
        Plan(args.cores, (n,), steps, log=300, episodes=1, hidden=(8,))
        for n, steps in QUICK.items()
    ]


def measure(wanted: list[Plan], rounds: int) -> dict[int, Figures]:
    """Figures by number of runs; their processes take turns, also in compiling."""
    with contextlib.ExitStack() as stack:
        measures = {}
        for plan in wanted:
            worker = stack.enter_context(Worker(plan, epochs.__name__))
            measures[plan.runs[0]] = worker.measures()
        seconds = timing.interleave(
            {n: m["epoch"] for n, m in measures.items()}, rounds
        )
        return {
            n: Figures(seconds[n], m["compile"](), m["memory"]())
            for n, m in measures.items()
        }


def show(figures: dict[int, Figures]) -> str:
    """A row per number of runs."""
    header = (
        "per epoch",
        *(f"{phase}, s" for phase in PHASES),
        "updates x runs per second",
        "compile, s",
        "peak memory, MB",
    )
    rows = [
        (
            _runs(n),
            *(_seconds(phase) for phase in figure.seconds.T),
            timing.rate(n * EPOCH / figure.seconds.sum(axis=1)),
            f"{figure.compiling:.1f}",
            f"{figure.memory:.0f}",
        )
        for n, figure in figures.items()
    ]
    return timing.table(header, rows)


def _runs(n: int) -> str:
    return f"{n} run{'s' * (n > 1)}"


def _seconds(samples: np.ndarray) -> str:
    low, median, high = np.percentile(samples, (25, 50, 75))
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def compare(figures: dict[int, Figures]) -> list[Ratio]:
    """The figures that have targets, each beside the total that it belongs to."""
    comparisons = []
    for n, (seconds, compiling, _) in figures.items():
        whole = seconds.sum(axis=1)
        other = 100 * (whole - seconds[:, PHASES.index("learn")])
        comparisons += [
            Ratio(f"not update, % of an epoch, {_runs(n)}", other, whole, ("<=", 3.0)),
            _single(f"seconds of compiling, {_runs(n)}", compiling, 20.0),
        ]
    few, many = min(figures), max(figures)
    more = (figures[many].memory - figures[few].memory) / (many - few)
    return [*comparisons, _single("MB of one more run", more, 170.0)]


def _single(text: str, value: float, most: float) -> Ratio:
    return Ratio(text, np.array([value]), np.ones(1), ("<=", most))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    args = timing.arguments(parser, rounds=4)
    wanted = plans(args)
    print(timing.machine(args.cores), end="\n\n")
    sizes = ", ".join(f"{p.steps} for {_runs(p.runs[0])}" for p in wanted)
    print(
        f"Steps and updates of a measured epoch: {sizes}; seconds are scaled to "
        f"{EPOCH}.\nEvery epoch ends with {wanted[0].episodes} real episodes a run; a "
        f"{epochs.EVALUATE_EVERY}th of their seconds counts.\n"
    )
    figures = measure(wanted, args.rounds)
    print(show(figures), end="\n\n")
    print(timing.ratios(compare(figures)))


if __name__ == "__main__":
    main()
