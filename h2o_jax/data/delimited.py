"""CSV and its relatives as robots write them.

Commas, semicolons, tabs or blanks; a header that is commented out, has units in
brackets or in a line of its own, or is missing; columns of text and dates; decimal
commas; a last line that was cut short.
"""

import csv
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from h2o_jax.data import files
from h2o_jax.data.frames import Ask, Frame

BRACKETS = re.compile(r"(.*?)\s*[\[(]([^\[\]()]*)[\])]$")
MISSING = ("", "nan", "na", "null", "none")
WORDS = {"true": 1.0, "false": 0.0} | dict.fromkeys(MISSING, np.nan)
Row = Sequence[str]
Split = Callable[[Sequence[str]], Iterable[Row]]
_TEXT = 8
"""Bytes in memory for one of a text file, at most."""


def read(path: pathlib.Path, ask: Ask) -> Frame:
    """Every column of a file of rows, numbers as float64 and the rest as text.

    Raises:
        DatasetError: a row has another number of cells than the header.
    """
    files.check_memory(path, _TEXT * path.stat().st_size)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    lines = [line for line in lines if line.strip()]
    begin = next((i for i, x in enumerate(lines) if x[0] not in "#%"), len(lines))
    split = _splitter(lines[begin:])
    remarks = list(split([line.lstrip("#% ") for line in lines[:begin]]))
    header, said, rows = _heads(remarks, list(split(lines[begin:])))
    names, units = _names(path, header, said)
    notes: list[str] = []
    if len(rows) > 1 and len(rows[-1]) < len(names):
        rows, notes = rows[:-1], ["the last line was cut short, and left out"]
    for number, row in enumerate(rows):
        if len(row) != len(names):
            finding = f"row {number} has {len(row)} cells, the header {len(names)}"
            raise files.fail(path, f"{finding}; mend or remove it")
    comma = split is _semicolons
    columns = {
        name: _column([row[i] for row in rows], comma) for i, name in enumerate(names)
    }
    return Frame(columns, units, tuple(notes))


def _heads(
    remarks: Sequence[Row], rows: Sequence[Row]
) -> tuple[Row, Row, Sequence[Row]]:
    """Header, line of units and rows of numbers.

    The header is the first row, where that has no number; or the last remark with as
    many cells; else columns are numbered.
    """
    header: Row = []
    if rows and not _is_data(rows[0]):
        header, rows = rows[0], rows[1:]
    elif rows:
        as_wide = [x for x in remarks if len(x) == len(rows[0])]
        header = [f"column_{i}" for i in range(len(rows[0]))]
        header = as_wide[-1] if as_wide else header
    if len(rows) > 1 and not _is_data(rows[0]) and _is_data(rows[1]):
        return header, rows[0], rows[1:]
    return header, [], rows


def _by(delimiter: str) -> Split:
    return lambda lines: csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


_commas, _semicolons, _tabs = _by(","), _by(";"), _by("\t")


def _blanks(lines: Sequence[str]) -> Iterable[Row]:
    return [line.split() for line in lines]


def _splitter(lines: Sequence[str]) -> Split:
    """The splitter that gives the first lines the most cells, all alike."""
    probe = list(lines[:20])
    best, most = _commas, 1
    for split in (_semicolons, _tabs, _commas, _blanks):
        widths = [len(row) for row in split(probe)]
        alike = bool(widths) and widths.count(widths[-1]) >= len(widths) - 1
        if alike and widths[-1] > most:
            best, most = split, widths[-1]
    return best


def _is_data(row: Sequence[str]) -> bool:
    """Whether any cell is a number; a header has none."""
    return any(_number(cell.replace(",", ".")) for cell in row)


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.strip().lower() not in MISSING


def _names(
    path: pathlib.Path, header: Sequence[str], said: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Names without units in brackets, and units by name."""
    names, units = [], {}
    for i, cell in enumerate(header):
        found = BRACKETS.fullmatch(cell.strip())
        name = found[1] if found and found[1] else cell.strip()
        unit = said[i].strip(" []()") if i < len(said) else ""
        unit = found[2].strip() if found and found[1] else unit
        names.append(name or f"column_{i}")
        if unit and not unit.isdecimal():
            units[names[-1]] = unit
        elif found and found[1]:
            names[-1] = cell.strip()  # an index, such as q[0]
    for name in names:
        if names.count(name) > 1:
            raise files.fail(path, f"two columns are called {name}; name each once")
    return names, units


def _column(cells: Sequence[str], decimal_comma: bool) -> np.ndarray:
    """Cells as numbers where all are, else as text."""
    try:
        return np.array(cells, float)
    except ValueError:
        pass
    try:
        return np.array([_value(cell, decimal_comma) for cell in cells])
    except ValueError:
        return np.array([cell.strip() for cell in cells])


def _value(cell: str, decimal_comma: bool) -> float:
    word = cell.strip().lower()
    if word in WORDS:
        return WORDS[word]
    return float(word.replace(",", ".") if decimal_comma else word)
