"""What the software survives, counted: the scoreboard of docs/reliability.md.

    python -m benchmarks.reliability --quick              # some three minutes
    python -m benchmarks.reliability --parts=bits,fuzz    # hours for all parts

Prints a line per part, and stores it in --out beside the parts that are there.
"""

import argparse
import json
import os
import pathlib
import time
from typing import Any, NamedTuple

from benchmarks.reliability import bits, faults, fuzz, kills, mutants, numbers, soak
from benchmarks.reliability.score import Part, Score
from experiments import software
from h2o_jax.data import writing


class Line(NamedTuple):
    """A line of the scoreboard."""

    says: str
    part: Part
    quick: int
    long: int
    """Cases, or all if they are fewer; minutes of the soak."""


PARTS = {
    "faults": Line(
        "faults refused in one line with the right code", faults.met, 40, 10_000
    ),
    "kills": Line("SIGKILLs, nothing saved lost", kills.killed, 2, 300),
    "stops": Line("SIGTERMs saved and continued to the bit", kills.stopped, 1, 100),
    "bits": Line("flipped bits, none passed unseen", bits.flipped, 200, 5000),
    "fuzz": Line("damaged inputs used rightly or refused", fuzz.fuzzed, 500, 40_000),
    "numbers": Line(
        "formulas whose own rounding is below 1e-5",
        numbers.rounded,
        10_000,
        1_000_000,
    ),
    "mutants": Line(
        "changes of the code that its tests notice", mutants.killed, 5, 1000
    ),
    "soak": Line("slopes of memory and open files", soak.soaked, 0, 60),
}
_SHOWN = 20
"""Failures of a part that are kept."""


def main() -> None:
    """Measures the parts asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few cases of each part")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated")
    parser.add_argument("--count", type=int, help="cases, instead of the part's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=pathlib.Path, help="JSON; results/reliability.json"
    )
    choice = parser.parse_args()
    for name in choice.parts.split(","):
        if name not in PARTS:
            parser.error(f"--parts: {name!r} is none of {', '.join(PARTS)}")
        line = PARTS[name]
        count = choice.count or (line.quick if choice.quick else line.long)
        if not count:
            print(f"{name:<9}skipped; it takes {line.long}, or --count")
            continue
        begun = time.monotonic()
        score = line.part(count, choice.seed)
        seconds = time.monotonic() - begun
        print(table_line(name, score, seconds), flush=True)
        for failure in score.failures[:_SHOWN]:
            print(f"    {failure}")
        if choice.out:
            store(choice.out, name, score, seconds, choice.seed)


def table_line(name: str, score: Score, seconds: float) -> str:
    """A part as a line of text."""
    facts = ", ".join(f"{key} {value}" for key, value in score.facts.items())
    return (
        f"{name:<9}{score.met:>7,} of {score.tried:<7,}{PARTS[name].says}"
        f" ({seconds:.0f} s)" + (f": {facts}" if facts else "")
    )


def store(
    path: pathlib.Path, name: str, score: Score, seconds: float, seed: int
) -> None:
    """Puts a part beside those that a file has."""
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    content[name] = {
        "says": PARTS[name].says,
        "met": score.met,
        "tried": score.tried,
        "facts": dict(score.facts),
        "failures": list(score.failures[:_SHOWN]),
        "seed": seed,
        "seconds": round(seconds),
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "software": software.describe(),
    }
    writing.write_json(path, content)


if __name__ == "__main__":
    main()
