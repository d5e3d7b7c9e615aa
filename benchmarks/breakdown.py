"""Where the time of an update goes, by XLA's own clock, on one core.

Every instruction of the compiled block belongs to one kind of work. In turn with the
block, its matrix products are timed alone, as in `update_time`: what they take in the
block beyond that is operands that are no longer in the cache, and what is fused into
them. About a minute on a quiet machine; see README.md here.
"""

import argparse
import collections
import dataclasses
import pathlib
import re
import tempfile
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import floor, timing, updates
from benchmarks.timing import Measure
from benchmarks.update_time import QUICK
from benchmarks.updates import FLOOR, Plan
from experiments import devices

PRODUCTS = "matrix products and what is fused into them"
KINDS = {
    "random numbers": ("_normal", "_randint", "random_"),
    "batches: gathers from log and replay": ("gather",),
    "backward passes: activations, losses": ("transpose(",),
    "forward passes: activations, losses": ("jvp(",),
}
"""Kinds of work, by what the name of the JAX operation has; the first that fits."""
OTHER = "Adam, averages, targets, metrics"
COPIES = "copies"


class _Instruction(NamedTuple):
    opcode: str
    calls: list[str]
    source: str
    """Name of the JAX operation that it came from."""


_Module = dict[str, dict[str, _Instruction]]
"""Computations of a compiled program; each one's instructions, by name."""


def kinds(text: str) -> dict[str, str]:
    """The kind of every instruction of one update.

    Args:
        text: a compiled block, in XLA's own language.
    """
    module = _parse(text)

    def products(computation: str) -> int:
        return sum(_multiplies(module, x) for x in module[computation].values())

    # The loop over updates, whose body has all of them.
    update = module[max(module, key=products)]
    return {name: _kind(module, x) for name, x in update.items()}


def _parse(text: str) -> _Module:
    module: _Module = {}
    for line in text.splitlines():
        if header := re.match(r"(?:ENTRY )?%?([\w.-]+) .*\{$", line):
            module[header[1]] = {}
        elif match := re.match(r"\s+(?:ROOT )?%?([\w.-]+) = .*? ([a-z][\w-]*)\(", line):
            calls = re.findall(r"(?:calls|to_apply|body)=%?([\w.-]+)", line)
            source = re.search(r'op_name="([^"]*)"', line)
            instruction = _Instruction(match[2], calls, source[1] if source else "")
            module[next(reversed(module))][match[1]] = instruction
    return module


def _opcodes(module: _Module, instruction: _Instruction) -> set[str]:
    """Of an instruction and of all that it calls."""
    inner = [x for name in instruction.calls for x in module[name].values()]
    return {instruction.opcode}.union(*(_opcodes(module, x) for x in inner))


def _multiplies(module: _Module, instruction: _Instruction) -> bool:
    # A loop that multiplies has instructions of its own.
    return instruction.opcode != "while" and "dot" in _opcodes(module, instruction)


def _kind(module: _Module, instruction: _Instruction) -> str:
    if _multiplies(module, instruction):
        return PRODUCTS
    if instruction.opcode.startswith("copy"):
        return COPIES
    for kind, names in KINDS.items():
        if any(name in instruction.source for name in names):
            return kind
    return OTHER


def measure(plan: Plan, rounds: int) -> dict[str, np.ndarray]:
    """`[rounds]` milliseconds of an update by kind of work, and of the floor."""
    training = updates.Block(plan, plan.blocks[0], 1)
    training()  # compiles
    instructions = kinds(training.text())
    names = [PRODUCTS, *KINDS, OTHER, COPIES]

    def parts() -> list[float]:
        spent = _traced(training)
        of_kind = collections.Counter[str]()
        for name, kind in instructions.items():
            of_kind[kind] += spent[name]
        return [of_kind[name] / training.updates for name in names]

    figures = timing.interleave(
        {"block": parts, FLOOR: updates.products_alone(plan)}, rounds
    )
    by_kind = dict(zip(names, figures["block"].T, strict=True))
    return {**by_kind, FLOOR: 1e3 / figures[FLOOR]}


def _traced(work: Measure) -> collections.Counter[str]:
    """Milliseconds of every instruction of a measurement."""
    spent = collections.Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            work()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
            for line in plane.lines:
                for event in line.events:
                    spent[event.name] += event.duration_ns / 1e6
    return spent


def show(figures: dict[str, np.ndarray]) -> str:
    """A row per kind of work, their sum, and the floor."""
    times = {name: float(np.median(x)) for name, x in figures.items()}
    alone = times.pop(FLOOR)
    whole = sum(times.values())
    rows = [
        (name, f"{ms:.2f}", f"{ms / whole:.0%}")
        for name, ms in {**times, "all of it": whole, FLOOR: alone}.items()
    ]
    return timing.table(("one update, 1 core", "ms", "share"), rows)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", choices=floor.PASSES, default="h2o_plus")
    args = timing.arguments(parser, rounds=5)
    timing.use_cores(1)
    jax.config.update("jax_platforms", "cpu")
    devices.use_cores(1, 1)
    print(timing.machine(1), end="\n\n")
    plan = QUICK if args.quick else Plan("", 1, (1,))
    plan = dataclasses.replace(plan, algorithm=args.algorithm)
    print(show(measure(plan, args.rounds)))


if __name__ == "__main__":
    main()
