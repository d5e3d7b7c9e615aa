"""How long cells take: from those that are stored, and from programs that are begun."""

import json
import pathlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import ledger, plans, work
from experiments.cli.console import duration
from experiments.plans import Group

_DECIDES = (
    *("task", "algorithm", "hidden", "discriminator_hidden", "critics", "batch"),
    *("learn_rows", "discriminate_rows", "steps", "updates"),
)
_SAID = ("task", "algorithm", "simulator", "threads")
"""Flags that a group's title says, or that change no result."""


def kind(setting: Mapping[str, Any]) -> str:
    """What the speed of a run depends on."""
    return json.dumps([setting.get(name) for name in _DECIDES])


def kind_of(group: Group) -> str:
    """The kind of a group's runs."""
    return kind(vars(group.experiment))


def rates(root: pathlib.Path, backend: str) -> dict[str, float]:
    """Kind -> seconds per run and epoch on this kind of machine.

    Args:
        root: of the ledger.
        backend: cells that another one made do not count.
    """
    found: dict[str, list[float]] = {}
    for cell in ledger.cells(root):
        timed = cell.get("program", {}).get("seconds")  # the oldest cells have no time
        if timed and cell.get("backend") == backend:
            runs, epochs = cell["program"]["runs"], cell["setting"]["epochs"]
            rate = timed / (runs * epochs)
            found.setdefault(kind(cell["setting"]), []).append(rate)
    for program in work.begun(root):
        if program.epoch_seconds:
            rate = program.epoch_seconds / len(program.content.cells)
            found.setdefault(program.content.kind, []).append(rate)
    return {name: float(np.median(values)) for name, values in found.items()}


class Line(NamedTuple):
    """How a group stands."""

    group: Group
    wanted: int
    stored: int
    busy: int
    """Lacking cells that someone is making now."""
    seconds: float | None
    """Until the rest is made; None where nothing like it was ever run."""


def standing(groups: Sequence[Group], root: pathlib.Path, backend: str) -> list[Line]:
    """How every group stands, in the order of the plan."""
    if (root / ".work").is_dir():
        with work.choosing(root):  # a claim below would look busy to another's choice
            done, busy = _begun(root)
    else:
        done, busy = {}, set()
    have, speed = plans.stored(root), rates(root, backend)
    lines = []
    for group in groups:
        lacks = plans.lacking(group, have)
        total, rate = group.experiment.epochs, speed.get(kind_of(group))
        epochs = sum(max(0, total - done.get(x.identity, 0)) for x in lacks)
        at_work = sum(x.identity in busy for x in lacks)
        wanted = len(group.experiment.runs)
        seconds = 0.0 if not lacks else None if rate is None else rate * epochs
        lines.append(Line(group, wanted, wanted - len(lacks), at_work, seconds))
    return lines


def _begun(root: pathlib.Path) -> tuple[dict[str, int], set[str]]:
    """Identity -> epochs of begun cells, and those that someone is making now."""
    done: dict[str, int] = {}
    busy: set[str] = set()
    for program in work.begun(root):
        cells = program.content.cells
        done |= dict.fromkeys(cells, program.last.get("epoch", 0))
        if program.claim():
            program.release()
        else:
            busy |= set(cells)
    return done, busy


def _notes(lines: Sequence[Line]) -> Iterator[str]:
    """What stands behind each line: its own flags, no log, or cells that are made."""
    gaps = defaultdict(set)  # a title has the first of many alone
    for line in lines:
        gaps[line.group.title].add(str(line.group.flags.value("gap")))
    own = plans.own_flags([x.group for x in lines], _SAID)
    for line, flags in zip(lines, own, strict=True):
        told = len(gaps[line.group.title]) == 1
        notes = [x for x in flags if not (told and x.startswith("--gap="))]
        if line.group.missing:
            notes.append(f"(no log: {line.group.experiment.dataset})")
        elif line.busy:
            notes.append(f"({line.busy} being made)")
        yield "".join(f"  {x}" for x in notes)


def report(lines: Sequence[Line]) -> str:
    """What is left, how long it takes, and the own flags of every group."""
    names = [f"{x.group.name} {x.group.title}" for x in lines]
    wide = max(map(len, names))
    rows = [f"{'group':{wide}s} {'cells':>9s} {'time left':>10s}"]
    for name, line, note in zip(names, lines, _notes(lines), strict=True):
        cells = f"{line.stored}/{line.wanted}"
        left = "?" if line.seconds is None else duration(line.seconds)
        rows.append(f"{name:{wide}s} {cells:>9s} {left:>10s}{note}")
    lacking = [x for x in lines if x.stored < x.wanted]
    known = [x.seconds for x in lacking if x.seconds is not None]
    lacks = sum(x.wanted - x.stored for x in lacking)
    time = duration(sum(known)) if known else "no estimate yet (?)"
    if 0 < len(known) < len(lacking):
        time += " and what has no estimate yet (?)"
    if lacking:
        rows.append(f"left      {lacks} cell(s), {time}")
    else:
        rows.append("left      nothing: the ledger has every cell of the plan")
    absent = [x for x in lacking if x.group.missing]
    if absent:
        count = sum(x.wanted - x.stored for x in absent)
        logs = dict.fromkeys(x.group.experiment.dataset for x in absent)
        rows.append(
            f"left out  {count} cell(s), as {len(absent)} line(s) lack their log: "
            f"{', '.join(logs)}; see --logs"
        )
    return "\n".join(rows)
