"""Interleaved measurements, and tables of what they gave.

Machines drift and are shared, so that only figures taken in turn can be compared. Every
measurement is done once per round, and what counts is the median over the rounds.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from experiments import software

Key = TypeVar("Key", bound=Hashable)
Measure = Callable[[], Any]
"""Does a fixed piece of work; returns how much of it was done per second, or a list."""


class Ratio(NamedTuple):
    """Two measurements of the same rounds, and what one should be of the other."""

    text: str
    above: np.ndarray
    below: np.ndarray
    target: tuple[str, float] | None = None
    """`<=` or `>=`, and the number; None where nothing was promised."""


def arguments(parser: argparse.ArgumentParser, rounds: int) -> argparse.Namespace:
    """Parses the command line, with what all benchmarks let one choose.

    Args:
        parser: with the benchmark's own arguments.
        rounds: default number of rounds.
    """
    most = available_cores()
    parser.add_argument("--cores", type=int, default=min(2, most), help=f"1 to {most}")
    parser.add_argument("--rounds", type=int, help=f"measurements of each ({rounds})")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: only shows that all works"
    )
    args = parser.parse_args()
    args.rounds = args.rounds or (2 if args.quick else rounds)
    if not 1 <= args.cores <= most:
        parser.error(f"--cores={args.cores}: this process may use 1 to {most}")
    return args


def use_cores(cores: int) -> None:
    """Keeps this process and its later threads on so many cores, where it is known how.

    The last ones, as the first serve most interrupts.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def interleave(measures: Mapping[Key, Measure], rounds: int) -> dict[Key, np.ndarray]:
    """Takes every measurement once per round, in turn from either end.

    Args:
        measures: by name.
        rounds: how often each is taken, after one round that does not count.

    Returns:
        `[rounds]` rates by name; `[rounds, n]` of a measurement that returns n figures.
    """
    names = list(measures)
    samples: dict[Key, list[Any]] = {name: [] for name in names}
    for i in range(rounds + 1):
        for name in names if i % 2 else reversed(names):
            samples[name].append(measures[name]())
        _progress(f"round {i} of {rounds}" if i < rounds else "")
    return {name: np.array(rates[1:]) for name, rates in samples.items()}


def _progress(text: str) -> None:
    """Overwrites one line, if somebody is watching."""
    if sys.stderr.isatty():
        print(f"\r{text:20s}\r", end="", file=sys.stderr, flush=True)


# --- tables ---------------------------------------------------------------------------


def machine(cores: int) -> str:
    """Machine kind, versions, and how busy it is with something else."""
    facts = software.describe()
    processor, system = facts.pop("processor"), facts.pop("system")
    del facts["devices"]
    versions = ", ".join(f"{name} {value}" for name, value in facts.items())
    load = os.getloadavg()[0]
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {processor}, {system}, {cores} cores used",
        versions,
        f"load average before the start: {load:.1f}",
    ]
    if load > 0.3:
        lines.append("The machine is not quiet: trust ratios, and only roughly.")
    return "\n".join(lines)


def rate(samples: np.ndarray | None, unit: float = 1.0) -> str:
    """`median (lower quartile-upper quartile)`, or a dash."""
    if samples is None:
        return "-"
    low, median, high = np.percentile(samples / unit, (25, 50, 75))
    digits = 0 if median >= 100 else 1
    return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def ratios(rows: Sequence[Ratio]) -> str:
    """A table of ratios of medians beside their targets."""
    return table(
        ("ratio", "medians", "quartiles", "target", ""), [_ratio(row) for row in rows]
    )


def _ratio(row: Ratio) -> tuple[str, ...]:
    value = float(np.median(row.above) / np.median(row.below))
    low, high = np.percentile(row.above / row.below, (25, 75))
    cells = (row.text, f"{value:.2f}", f"{low:.2f}-{high:.2f}")
    if row.target is None:
        return *cells, "-", ""
    sign, bound = row.target
    met = value <= bound if sign == "<=" else value >= bound
    return *cells, f"{sign} {bound:g}", "met" if met else "missed"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, aligned for reading as it is."""
    lines = [header, *rows]
    # A rule needs two characters, also where no ratio has a target.
    widths = [max(2, *map(len, column)) for column in zip(*lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        parts = [first[0].ljust(first[1]), *(c.rjust(w) for c, w in rest)]
        return "| " + " | ".join(parts) + " |"

    rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    return "\n".join([line(header), line(rule), *map(line, rows)])
