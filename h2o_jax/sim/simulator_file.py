"""A simulator as a TOML file: its gaps, its fields, and where they come from.

.. code-block:: toml

    gap = "gravity:2+friction:0.3"   # what the fields scale; "none" by default

    [fields]
    gravity = { value = 0.5, low = 0.49, high = 0.51 }
    "body_mass:torso" = 1.1          # without an interval
    latency = 1

    [provenance]                     # anything, for the reader
    made_by = "identify"             # its fields were fitted to a log

`experiments.identify` writes one, and so can a person: `[fields]` is enough.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from h2o_jax.data import toml, writing
from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields as fields_lib
from h2o_jax.sim.fields import Value

MADE_BY, IDENTIFY = "made_by", "identify"
"""The entry of the provenance that tells a fitted simulator."""
_KEYS = ("gap", "fields", "provenance")
_INTERVAL = ("value", "low", "high")


@dataclasses.dataclass(frozen=True)
class SimulatorFile:
    """What a simulator file says."""

    gap: str
    """The gaps of the simulator that the fields scale, as text."""
    fields: tuple[Value, ...]
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Facts for the reader, such as log, date and errors: text, numbers, lists."""

    @property
    def fitted(self) -> bool:
        """Whether its fields were fitted to a log."""
        return self.provenance.get(MADE_BY) == IDENTIFY

    def digest(self) -> str:
        """Names what the simulator does, eight hex digits; provenance is not in it."""
        content = json.dumps([self.gap, *map(list, self.fields)])
        return hashlib.sha256(content.encode()).hexdigest()[:8]


def read(path: str) -> SimulatorFile:
    """Reads and checks a simulator file.

    Raises:
        ConfigError: in one line, the file, the finding and the fix.
    """
    table = toml.read(path, "simulator file ")
    _known(path, "key", table, _KEYS)
    gap, fields = table.get("gap", "none"), table.get("fields", {})
    if not isinstance(gap, str) or "@" in gap or "," in gap:
        raise _fail(path, f"gap = {gap!r}: give gaps as text, such as 'gravity:2'")
    for name in ("fields", "provenance"):
        if not isinstance(table.get(name, {}), dict):
            raise _fail(path, f"{name} is no table; write [{name}] on its own line")
    values = tuple(_value(path, name, entry) for name, entry in fields.items())
    return SimulatorFile(gap, values, table.get("provenance", {}))


def _value(path: str, name: str, entry: Any) -> Value:
    """A field's entry: a number, or a table of a value and its interval."""
    if isinstance(entry, dict):
        _known(path, f"key of {name}", entry, _INTERVAL)
        if "value" not in entry:
            raise _fail(path, f"{name} has no value")
    else:
        entry = {"value": entry}
    for key, number in entry.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise _fail(path, f"{name}: {key} = {number!r} is no number")
    number = float(entry["value"])
    low, high = (float(entry.get(key, number)) for key in ("low", "high"))
    value = Value(name, number, low, high)
    try:
        fields_lib.check(value)
    except ConfigError as error:
        raise _fail(path, str(error)) from None
    return value


def write(path: str, content: SimulatorFile, comment: str = "") -> None:
    """Writes a simulator file, complete or not at all.

    Raises:
        OSError: the file system refuses.
    """
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += [f"gap = {toml.text(content.gap)}", "", "[fields]"]
    for name, value, low, high in content.fields:
        exact = low == value == high
        entry = (
            {"value": value} if exact else {"value": value, "low": low, "high": high}
        )
        lines.append(f"{toml.key(name)} = {toml.text(value if exact else entry)}")
    if content.provenance:
        lines += ["", "[provenance]"]
        lines += [
            f"{toml.key(k)} = {toml.text(v)}" for k, v in content.provenance.items()
        ]
    writing.write_text(path, "\n".join(lines) + "\n")


def _known(path: str, what: str, given: Mapping[str, Any], known: tuple) -> None:
    for name in given:
        if name not in known:
            raise _fail(path, f"unknown {what} {name!r}; known are {', '.join(known)}")


def _fail(path: str, message: str) -> ConfigError:
    return ConfigError(f"simulator file {path}: {message}")
