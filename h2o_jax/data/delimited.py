"""CSV and its relatives as robots write them.

Commas, semicolons, tabs or blanks; a header that is commented out, has units in
brackets or in a line of its own, or is missing; columns of text and dates; decimal
commas; a last line that was cut short.
"""

import contextlib
import csv
import itertools
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from h2o_jax.data import cells, files
from h2o_jax.data.frames import Ask, Frame

BRACKETS = re.compile(r"(.*?)\s*[\[(]([^\[\]()]*)[\])]$")
Row = Sequence[str]
Split = Callable[[Iterable[str]], Iterable[Row]]
_TEXT = 4
"""Bytes in memory for one of a text file, beside copies of the numbers, at most."""
_PROBED, _BLOCK = 20, 4096
"""Lines that tell the separator, and rows that are converted at once."""
_BETWEEN = "\0"
"""Between the cells of a column."""


def read(path: pathlib.Path, ask: Ask) -> Frame:
    """Every column of a file of rows, numbers as float64 and the rest as text.

    Raises:
        DatasetError: a row has another number of cells than the header.
    """
    files.check_memory(path, _TEXT * path.stat().st_size)
    notes: list[str] = []
    with path.open(encoding="utf-8-sig") as file:
        lines = (line for line in file if line.strip())
        remarks, probe = [], []
        for line in lines:
            if line[0] not in "#%":
                probe = [line, *itertools.islice(lines, _PROBED)]
                break
            remarks.append(line.lstrip("#% "))
        split = _splitter(probe)
        rows = iter(split(itertools.chain(probe, lines)))
        first: Sequence[Row] = list(itertools.islice(rows, 3))
        header, said, first = _heads(list(split(remarks)), first)
        names, units = _names(path, header, said)
        rows = _whole(path, itertools.chain(first, rows), len(names), notes)
        texts = _texts(path, rows, len(names))
    comma = split in _DECIMAL
    columns = {name: _column(texts[i], comma) for i, name in enumerate(names)}
    return Frame(columns, units, tuple(notes))


def _whole(
    path: pathlib.Path, rows: Iterable[Row], width: int, notes: list[str]
) -> Iterator[Row]:
    """Rows as wide as the header; a last one that was cut short is noted, no more."""
    numbered = enumerate(rows)
    for number, row in numbered:
        if len(row) == width:
            yield row
        elif number and len(row) < width and next(numbered, None) is None:
            notes.append("the last line was cut short, and left out")
        else:
            finding = f"row {number} has {len(row)} cells, the header {width}"
            raise files.fail(path, f"{finding}; mend or remove it")


def _texts(path: pathlib.Path, rows: Iterator[Row], width: int) -> list[list[str]]:
    """The cells of each column, one text for every so many rows.

    A text for each cell would take fifty times as much memory as the file.
    """
    texts: list[list[str]] = [[] for _ in range(width)]
    while block := list(itertools.islice(rows, _BLOCK)):
        for column, own in zip(texts, zip(*block, strict=True), strict=True):
            column.append(_BETWEEN.join(own))
            if column[-1].count(_BETWEEN) >= len(own):
                raise files.fail(path, "a cell holds a zero byte; mend or remove it")
    return texts


def _heads(
    remarks: Sequence[Row], rows: Sequence[Row]
) -> tuple[Row, Row, Sequence[Row]]:
    """Header, line of units and rows of numbers.

    The header is the first row, where that has no number, or text above numbers; or
    the last remark with as many cells; or a first row that counts the columns; else
    they are numbered.
    """
    header: Row = []
    as_wide = [x for x in remarks if rows and len(x) == len(rows[0])]
    named = rows and (not _is_data(rows[0]) or _names_one(rows[0], rows[1:]))
    if named or (rows and _counts(rows[0]) and not as_wide):
        header, rows = rows[0], rows[1:]
    elif rows:
        header = [f"column_{i}" for i in range(len(rows[0]))]
        header = as_wide[-1] if as_wide else header
    if len(rows) > 1 and _are_units(rows[0]) and _is_data(rows[1]):
        return header, rows[0], rows[1:]
    return header, [], rows


def _names_one(first: Row, others: Sequence[Row]) -> bool:
    """Whether a row has text where every other has a number."""
    alike = [row for row in others if len(row) == len(first)]
    return bool(alike) and any(
        not _number(cell.replace(",", "."))
        and cell.strip().lower() not in cells.WORDS
        and all(_number(row[i].replace(",", ".")) for row in alike)
        for i, cell in enumerate(first)
    )


def _are_units(row: Row) -> bool:
    """Whether a row may be one of units: neither numbers, missing ones nor dates."""
    words = [cell.strip().lower() for cell in row]
    return not _is_data(row) and not any(
        word and (word in cells.MISSING or word[:4].isdecimal()) for word in words
    )


def _by(delimiter: str) -> Split:
    return lambda lines: csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


_commas, _semicolons, _tabs = _by(","), _by(";"), _by("\t")
_DECIMAL = (_semicolons, _tabs)
"""Between which a number may have a decimal comma."""


def _blanks(lines: Iterable[str]) -> Iterable[Row]:
    return (line.split() for line in lines)


def _splitter(lines: Sequence[str]) -> Split:
    """The splitter that gives the first lines the most cells, all alike but for one.

    Semicolons and tabs come first where every comma between them is a decimal one, and
    blanks are none where another sign separates every line, as they stand in units.
    """
    best, most, every = _commas, 1, False
    for split in (_semicolons, _tabs, _commas, _blanks):
        rows = list(split(lines))
        widths = [len(row) for row in rows]
        alike = bool(widths) and widths.count(widths[-1]) >= len(widths) - 1
        if alike and widths[-1] > most and not (every and split is _blanks):
            best, most, every = split, widths[-1], len(set(widths)) == 1
            if split in _DECIMAL and all(map(_no_list, itertools.chain(*rows))):
                break
    return best


def _no_list(cell: str) -> bool:
    """Whether a cell has no comma but that of a number."""
    return "," not in cell or _number(cell.replace(",", "."))


def _is_data(row: Sequence[str]) -> bool:
    """Whether any cell is a number; a header has none."""
    return any(_number(cell.replace(",", ".")) for cell in row)


def _counts(row: Sequence[str]) -> bool:
    """Whether several cells are 0, 1, 2, ..., as pandas heads columns without names.

    The first may be empty, above an index.
    """
    numbers = row if row[0].strip() else row[1:]
    wanted = [str(i) for i in range(len(numbers))]
    return len(row) > 1 and [x.strip() for x in numbers] == wanted


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.strip().lower() not in cells.MISSING


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
    # What tells two columns apart is no unit, such as in acc[x] and acc[y].
    whole = [cell.strip() or name for cell, name in zip(header, names, strict=True)]
    twice = {name for name in names if names.count(name) > 1}
    names = [x if x not in twice else y for x, y in zip(names, whole, strict=True)]
    units = {name: unit for name, unit in units.items() if name not in twice}
    for name in names:
        if names.count(name) > 1:
            raise files.fail(path, f"two columns are called {name}; name each once")
    return names, units


def _column(texts: Sequence[str], decimal_comma: bool) -> np.ndarray:
    """Cells as numbers where all are, else as text."""

    def careful(row: Row) -> np.ndarray:
        return np.array([cells.number(x, decimal_comma) for x in row])

    for convert in (lambda row: np.array(row, float), careful):
        with contextlib.suppress(ValueError):
            return _joined(convert, texts)
    return _joined(lambda row: np.array([x.strip() for x in row]), texts)


def _joined(convert: Callable[[Row], np.ndarray], texts: Sequence[str]) -> np.ndarray:
    parts = [convert(text.split(_BETWEEN)) for text in texts]
    return np.concatenate(parts) if parts else np.zeros(0)
