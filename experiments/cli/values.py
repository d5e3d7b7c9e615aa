"""Between the text of a flag and its typed value, by kind of setting."""

import math
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from experiments.experiment import Ranges
from experiments.runs import MOST
from h2o_jax.data import columns_file
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.errors import ConfigError
from h2o_jax.settings import Range
from h2o_jax.sim.gaps import Gaps, to_text
from h2o_jax.types import Hyper

LARGEST = 2**31 - 1
"""Whole numbers beyond it are no size, and keys are made of 32 bits."""
TEXT = "text"
WHOLE_NUMBERS = "whole numbers"
RANGES = "ranges"
ROWS = "rows"
NUMBERS = "numbers"
NAMES = "names"
BOUNDS = "bounds"
COLUMNS = "columns"
_KINDS: dict[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: TEXT,
    tuple[int, ...]: WHOLE_NUMBERS,
    Ranges: RANGES,
    tuple[int, int]: ROWS,
    tuple[float, ...]: NUMBERS,
    tuple[str, ...]: NAMES,
    tuple[float, float]: BOUNDS,
    dict[str, str]: COLUMNS,
    Gaps: TEXT,  # read once the robot is known
}


def kind(record: type, hint: Any) -> str:
    """What a field of a record with this type is on a command line."""
    if record is Hyper:  # a list spans a sweep
        return NUMBERS
    for option in typing.get_args(hint) if is_union(hint) else (hint,):
        if option is not types.NoneType:
            return TEXT if typing.get_origin(option) is Literal else _KINDS[option]
    raise TypeError(f"{record.__name__}: {hint} is no kind of setting")


def choices(hint: Any) -> tuple[str, ...] | None:
    """The names that a `Literal`, optional or not, permits; None for other types."""
    for option in typing.get_args(hint) if is_union(hint) else (hint,):
        if typing.get_origin(option) is Literal:
            return typing.get_args(option)
    return None


def is_union(hint: Any) -> bool:
    """Whether a type is one of several, such as an optional one."""
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def text(value: Any, of_kind: str) -> Any:
    """A default as the command line would give it; numbers stay as they are."""
    if value is None or of_kind in ("bool", "int", "float"):
        return value
    if of_kind in (ROWS, BOUNDS):
        return ":".join(map(str, value))
    if of_kind in (WHOLE_NUMBERS, RANGES, NUMBERS, NAMES):
        return ",".join(map(str, value if isinstance(value, tuple) else (value,)))
    return value if isinstance(value, str) else to_text(value)


def whole_numbers(name: str, given: str, allowed: Range) -> tuple[int, ...]:
    """`1,2` as whole numbers within a range."""
    try:
        numbers = tuple(int(part) for part in given.split(","))
    except ValueError:
        problem = f"--{name}={given}: not whole numbers; see --help"
        raise ConfigError(problem) from None
    if min(numbers) < allowed.low:
        raise ConfigError(f"--{name}={given}: must be {allowed.low:g} or more")
    if max(numbers) > LARGEST:
        raise ConfigError(f"--{name}={given}: must be {LARGEST} or less")
    return numbers


def ranges(name: str, given: str, allowed: Range) -> tuple[int, ...]:
    """`0,3` or `0..4`, or both, as different whole numbers."""
    numbers: list[int] = []
    for part in given.split(","):
        first, dots, last = part.partition("..")
        low, *high = whole_numbers(name, f"{first},{last}" if dots else first, allowed)
        more = range(low, (high or [low])[0] + 1)
        if len(numbers) + len(more) > MOST:
            raise ConfigError(f"--{name}={given}: give {MOST} numbers at most")
        numbers += more
    if not numbers:
        raise ConfigError(f"--{name}={given}: empty; give FIRST..LAST")
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"--{name}={given}: a number is given twice")
    return tuple(numbers)


def rows(name: str, given: str, allowed: None) -> tuple[int, int] | None:
    """`FIRST:END` as two whole numbers; None where nothing is given."""
    if not given:
        return None
    try:
        first, end = (int(part) for part in given.split(":"))
    except ValueError:
        first, end = 0, 0
    if not 0 <= first < end:
        raise ConfigError(f"--{name}={given}: give FIRST:END, FIRST < END")
    return first, end


def numbers(name: str, given: str, allowed: Range) -> tuple[float, ...]:
    """A list of numbers within a range, one for each run of a sweep."""
    values = []
    for part in filter(None, given.split(",")):
        try:
            value = float(part)
        except ValueError:
            raise ConfigError(
                f"--{name}={part}: not a number; give one, or several as 0,0.5"
            ) from None
        if not allowed.contains(value):
            raise ConfigError(f"--{name}={part}: {allowed.refusal(value)}")
        values.append(value)
    if not values:
        raise ConfigError(f"--{name}=: empty; give a number")
    return tuple(values)


def names(name: str, given: str, allowed: None) -> tuple[str, ...]:
    """A list of names."""
    return tuple(filter(None, given.split(",")))


def bounds(name: str, given: str, allowed: None) -> tuple[float, float] | None:
    """`LOW:HIGH` as two numbers; None where nothing is given."""
    if not given:
        return None
    try:
        low, high = (float(part) for part in given.split(":"))
    except ValueError:
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise ConfigError(f"--{name}={given}: give LOW:HIGH, LOW < HIGH")
    return low, high


def columns(
    name: str, given: str, allowed: None
) -> dict[str, str] | ColumnsFile | None:
    """`NAME=COLUMNS;...` as D4RL's name -> names in the log, or `@FILE` read."""
    if not given:
        return None
    if given.startswith("@"):
        return columns_file.read(given[1:])
    pairs = [part.partition("=") for part in given.split(";")]
    if not all(equals and column and text for column, equals, text in pairs):
        raise ConfigError(f"--{name}={given}: give NAME=COLUMNS;... or @FILE")
    return {column.strip(): text.strip() for column, _, text in pairs}


CONVERTERS: dict[str, Callable[[str, str, Any], Any]] = {
    WHOLE_NUMBERS: whole_numbers,
    RANGES: ranges,
    ROWS: rows,
    NUMBERS: numbers,
    NAMES: names,
    BOUNDS: bounds,
    COLUMNS: columns,
}
"""Kind -> `(flag, text, permitted values) -> value`; the others need none."""
