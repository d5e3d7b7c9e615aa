"""Which cells of a ledger share a column of a table.

Two cells have the same *size* if they agree in every setting that is not specific to a
method: networks, batches, inertia, evaluation and the like. A column has cells of one
size, one length, one method and one set of its own settings, or says what differs.
"""

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.data import Reading
from experiments.experiment import defaults
from experiments.ledger import Cell
from experiments.unused import unused
from h2o_jax.algorithms import ALGORITHMS

_SHARED = (
    *("real", "inertia", "pairing", "hidden", "discriminator_hidden", "batch"),
    *("learn_rows", "discriminate_rows", "normalise", "relative_noise", "discount"),
    *("steps", "updates", "overlap", "replay_rows", "matmul_precision"),
    *("decay_updates", "reward_shift", "reward_scale"),
    *("episodes", "evaluation_seed"),
)
"""Settings that make a size."""
_NAMED = ("hidden", "batch")
"""Shown even at their defaults; the other shared settings only when they differ."""
_ABOUT = ("task", "algorithm", "gap", "data", "epochs", "evaluate_every", "lambda_sim")
"""Settings that are said elsewhere or change no result; both lambdas go together."""


class Column(NamedTuple):
    """The runs of one method on one task, log and gap, at one length."""

    task: str
    log: str
    """Name of the log, without its suffix; "" where none is read."""
    gap: str
    method: str
    """Its name and its own settings that are not at their default."""
    cells: tuple[Cell, ...]
    """By seed."""
    steps: int

    @property
    def seeds(self) -> list[int]:
        """Of its cells."""
        return [cell["seed"] for cell in self.cells]

    @property
    def finals(self) -> np.ndarray:
        """`[S]` returns at this length."""
        return np.array([at(cell, self.steps) for cell in self.cells])

    @property
    def longer(self) -> bool:
        """Whether any value is read from the curve of a longer run."""
        return any(cell["steps"] > self.steps for cell in self.cells)


def at(cell: Cell, steps: int) -> float | None:
    """Return of a cell after so many steps; None where it was not evaluated then."""
    if cell["steps"] == steps:
        return float(cell["final"])
    found = [value for at_steps, value in cell["curve"] if at_steps == steps]
    return float(found[0]) if found else None


@functools.cache
def domains(algorithm: str) -> frozenset[str]:
    """What a method learns from: `real`, `sim`."""
    return frozenset(ALGORITHMS[algorithm](2, 1).domains)


def value(cell: Cell, name: str) -> Any:
    """A setting of a cell; one that is newer than the cell was at its default."""
    return setting(cell).get(name)


def setting(cell: Cell) -> dict[str, Any]:
    """All settings of a cell, as `value` has them."""
    return {**_defaults(), **cell["setting"]}


@functools.cache
def _defaults() -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(defaults()))
    return {**plain, "real": "none", **Reading().deciding()}


def size(cell: Cell) -> str:
    """A cell's size in words."""
    return _size_text(_size(cell))


def _size(cell: Cell) -> dict[str, str]:
    """Settings that make a cell's size, without those that its method never reads."""
    names = [name for name in _SHARED if name not in unused(setting(cell))]
    return {name: text(value(cell, name)) for name in names}


def _size_text(size: dict[str, str]) -> str:
    """Of a size, what is always said and what is not at its default."""
    usual = {name: text(_defaults()[name]) for name in size}
    words = [f"{k} {v}" for k, v in size.items() if k in _NAMED or v != usual[k]]
    return ", ".join(words)


def method(cell: Cell) -> str:
    """A method's name and its own settings that are not at their default."""
    words, ignored = [cell["algorithm"]], unused(setting(cell))
    for name in sorted(_defaults()):
        if name in (*_SHARED, *_ABOUT, *ignored) or name not in cell["setting"]:
            continue
        here = value(cell, name)
        if here != _defaults()[name]:
            words.append(f"{name}={text(here)}")
    both = ("lambda_real", "lambda_sim")
    if not ignored & {*both} and value(cell, both[0]) != value(cell, both[1]):
        words.append(f"lambda_sim={text(value(cell, 'lambda_sim'))}")
    return " ".join(words)


def text(value: Any) -> str:
    """A setting in a word."""
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def log(cell: Cell) -> str:
    """The log that a cell learned from, named; "" for none."""
    if cell["setting"]["data"] is None or not cell["data"]:
        return ""
    name: str = cell["data"]["name"]
    return name.rpartition(".")[0] or name


def by_size(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells of one size together, the size in words.

    A method without discriminators, say, has no size of them: its cells belong to every
    size that agrees with theirs in all that they have.
    """
    cells = list(cells)
    sizes = [_size(cell).items() for cell in cells]
    whole = [x for x in sizes if not any(x < other for other in sizes)]
    found: dict[str, list[Cell]] = {}
    for words, wanted in {_size_text(dict(x)): x for x in whole}.items():
        found[words] = [c for c, x in zip(cells, sizes, strict=True) if x <= wanted]
    return dict(sorted(found.items()))


def lengths(cells: Iterable[Cell]) -> list[int]:
    """Every length of a cell, the longest first."""
    return sorted({cell["steps"] for cell in cells}, reverse=True)


def columns(cells: Sequence[Cell], steps: int) -> list[Column]:
    """The columns of cells of one size, at one length.

    A cell that no simulator takes part in serves every gap of its log, and one that
    reads no log every log of its gap. A longer run has the value of its curve there.
    """
    usable = [x for x in cells if x["steps"] >= steps and at(x, steps) is not None]
    usable = _tell_apart(usable)
    found: dict[tuple[str, str, str, str], dict[int, Cell]] = {}
    # Where two cells say the same, the one at its own length is taken.
    for cell in sorted(usable, key=lambda x: -x["steps"]):
        for name, gap in _places(cell, usable):
            key = (cell["task"], name, gap, method(cell))
            found.setdefault(key, {})[cell["seed"]] = cell
    return [
        Column(*key, tuple(own[seed] for seed in sorted(own)), steps)
        for key, own in sorted(found.items())
    ]


def _tell_apart(cells: Sequence[Cell]) -> list[Cell]:
    """Logs of one name and different content get part of their hash into the name."""
    hashes: dict[str, set[str]] = {}
    for cell in cells:
        hashes.setdefault(log(cell), set()).add(str(cell["setting"]["data"]))
    return [
        {**cell, "data": {**cell["data"], "name": f"{log(cell)} ({digest[:8]}).hdf5"}}
        if log(cell) and len(hashes[log(cell)]) > 1
        else cell
        for cell, digest in ((x, str(x["setting"]["data"])) for x in cells)
    ]


def _places(cell: Cell, others: Sequence[Cell]) -> list[tuple[str, str]]:
    """Log and gap of every row that a cell belongs to."""
    near = [x for x in others if x["task"] == cell["task"]]
    logs = {log(x) for x in near if log(x)}
    alone = "sim" not in domains(cell["algorithm"])
    if alone and value(cell, "simulator") == "as_is":
        gaps = {x["gap"] for x in near if "sim" in domains(x["algorithm"])}
        return [(log(cell), gap) for gap in sorted(gaps | {cell["gap"]} - {"none"})]
    if not log(cell) and logs:
        return [(name, cell["gap"]) for name in sorted(logs)]
    return [(log(cell), cell["gap"])]
