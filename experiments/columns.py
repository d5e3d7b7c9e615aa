"""Which cells of a ledger share a column of a table.

Cells are of one *size* where all settings agree that are no method's own: networks,
batches, inertia, evaluation and the like. A column has cells of one size, one length,
one method and one set of its own settings, or says what differs.
"""

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.experiment import defaults
from experiments.ledger import Cell
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
"""Of these, said always; the others where they are not at their default."""
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
    return cell["setting"].get(name, _defaults()[name])


@functools.cache
def _defaults() -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(defaults()))
    return {**plain, "real": "none", "pairing": None}


def size(cell: Cell) -> str:
    """A cell's size in words; equal for cells that may share a table."""
    words = []
    for name in _SHARED:
        here = value(cell, name)
        if name in _NAMED or here != _defaults()[name]:
            words.append(f"{name} {_text(here)}")
    return ", ".join(words)


def method(cell: Cell) -> str:
    """A method's name and its own settings that are not at their default."""
    words = [cell["algorithm"]]
    for name in sorted(_defaults()):
        if name in (*_SHARED, *_ABOUT) or name not in cell["setting"]:
            continue
        here = value(cell, name)
        if here != _defaults()[name]:
            words.append(f"{name}={_text(here)}")
    if value(cell, "lambda_sim") != value(cell, "lambda_real"):
        words.append(f"lambda_sim={_text(value(cell, 'lambda_sim'))}")
    return " ".join(words)


def _text(setting: Any) -> str:
    if isinstance(setting, list):
        return "-".join(map(str, setting))
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def log(cell: Cell) -> str:
    """The log that a cell learned from, named; "" for none."""
    if cell["setting"]["data"] is None or not cell["data"]:
        return ""
    name: str = cell["data"]["name"]
    return name.rpartition(".")[0] or name


def by_size(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells of one size together, the size in words."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(size(cell), []).append(cell)
    return dict(sorted(found.items()))


def lengths(cells: Iterable[Cell]) -> list[int]:
    """Every length of a cell, the longest first."""
    return sorted({cell["steps"] for cell in cells}, reverse=True)


def columns(cells: Sequence[Cell], steps: int) -> list[Column]:
    """The columns of cells of one size, at one length.

    A cell that reads no simulator serves every gap of its log, and one that reads no
    log every log of its gap. A longer run has the value of its curve there.
    """
    usable = [x for x in cells if x["steps"] >= steps and at(x, steps) is not None]
    found: dict[tuple[str, str, str, str], dict[int, Cell]] = {}
    # Where two cells say the same, the one at its own gap and length is taken.
    for cell in sorted(usable, key=lambda x: -x["steps"]):
        for name, gap in _places(cell, usable):
            key = (cell["task"], name, gap, method(cell))
            found.setdefault(key, {})[cell["seed"]] = cell
    return [
        Column(*key, tuple(own[seed] for seed in sorted(own)), steps)
        for key, own in sorted(found.items())
    ]


def _places(cell: Cell, others: Sequence[Cell]) -> list[tuple[str, str]]:
    """Log and gap of every row that a cell belongs to."""
    near = [x for x in others if x["task"] == cell["task"]]
    logs = {log(x) for x in near if log(x)}
    if "sim" not in domains(cell["algorithm"]):
        gaps = {x["gap"] for x in near if "sim" in domains(x["algorithm"])}
        return [(log(cell), gap) for gap in sorted(gaps | {cell["gap"]} - {"none"})]
    if not log(cell) and logs:
        return [(name, cell["gap"]) for name in sorted(logs)]
    return [(log(cell), cell["gap"])]
