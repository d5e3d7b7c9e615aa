"""Settings as dataclass fields, each with its default, permitted values and help.

A setting is a dataclass field made by `setting`. Command lines, tables of defaults and
documentation are generated from these fields, so that a new setting is one line.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

LARGEST = (2.0 - 2.0**-23) * 2.0**127
"""Largest finite float32: settings become float32 on the device."""
_SMALLEST = 2.0**-126
"""Smallest normal float32."""


class Range(NamedTuple):
    """Numbers from `low` to `high`, both included, that float32 holds."""

    low: float
    high: float
    text: str
    """The range as a help text says it."""

    def contains(self, value: float) -> bool:
        """Whether `value` lies in the range, and is finite in float32."""
        return abs(value) <= LARGEST and self.low <= value <= self.high

    def refusal(self, value: float) -> str:
        """What is to be said of a value that it does not contain."""
        lost = abs(value) > LARGEST or 0 < abs(value) < _SMALLEST
        held = " that float32 holds" if lost else ""
        return f"out of range; give one {self.text}{held}"


ANY = Range(-math.inf, math.inf, "any number")
POSITIVE = Range(_SMALLEST, math.inf, "> 0")
NOT_NEGATIVE = Range(0.0, math.inf, ">= 0")
UNIT = Range(0.0, 1.0, "in [0, 1]")
SHARE = Range(_SMALLEST, 1.0, "in (0, 1]")
OPEN_UNIT = Range(_SMALLEST, 1.0 - 2**-24, "in (0, 1)")
"""Open at 1 in float32, too."""


MACHINE = "machine"
"""Tag of a setting that belongs to a machine or a command, not to a run."""
PLACE = "place"
"""Tag of a setting that names a place or a share of the work, not a result."""
FREE = "free"
"""Tag of a setting in which a resumed run may differ."""
FOLDER, FILE = "folder", "file"
"""Tags of a setting that names a folder or a file to write."""


def at_least(low: int) -> Range:
    """Numbers of `low` or more."""
    return Range(low, math.inf, f">= {low}")


class Setting(NamedTuple):
    """Help, permitted values and tags of one setting."""

    help: str
    """One sentence or two, with units; never the name again, nor the range."""
    values: Range | tuple[str, ...] | None = None
    """Permitted numbers or names; None where the type says all."""
    tags: frozenset[str] = frozenset()
    """Any of those above."""


def setting(
    default: Any,
    help: str,
    values: Range | tuple[str, ...] | None = None,
    tags: Iterable[str] = (),
) -> Any:
    """A dataclass field that is a setting; see `Setting`."""
    about = Setting(help, values, frozenset(tags))
    return dataclasses.field(default=default, metadata={"setting": about})


def of(record: type) -> Iterator[tuple[dataclasses.Field[Any], Setting]]:
    """The settings among the fields of a dataclass, in their order."""
    for field in dataclasses.fields(record):
        if "setting" in field.metadata:
            yield field, field.metadata["setting"]
