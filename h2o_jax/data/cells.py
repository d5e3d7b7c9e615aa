"""Cells of a log: which texts are numbers, and what is said of those that are none."""

import numpy as np

MISSING = ("", "nan", "na", "null", "none")
WORDS = {"true": 1.0, "false": 0.0} | dict.fromkeys(MISSING, np.nan)


def number(cell: str, decimal_comma: bool = False) -> float:
    """A cell as a number; one that is missing is nan.

    Raises:
        ValueError: it is text.
    """
    word = cell.strip().lower()
    if word in WORDS:
        return WORDS[word]
    return float(word.replace(",", ".") if decimal_comma else word)


def finding(name: str, values: np.ndarray) -> str | None:
    """What keeps a column from being numbers; None where it is.

    Args:
        name: of the column; one of several side by side is `name_0`, `name_1`, ...
        values: `[N]` or `[N, D]` of any type.
    """
    if values.dtype.kind in "biuf":
        return None
    if values.dtype.kind == "U" and values.ndim:
        for comma in (True, False):  # words are worse than commas
            for (row, *column), cell in np.ndenumerate(values):
                try:
                    number(cell, comma)
                except ValueError:
                    place = "".join(f"_{i}" for i in column)
                    return f"{name}{place}, row {row}: {str(cell)!r} is no number"
    return f"{name} holds {values.dtype}, not numbers"
