"""One flag: what is known of it, and how absl comes to know it."""

from typing import Any, NamedTuple

from absl import flags

from experiments.cli import values
from h2o_jax.settings import Range, Setting


class Known(NamedTuple):
    """What is known of one flag."""

    group: type
    kind: str
    setting: Setting


def flag_name(field: str) -> str:
    """The flag of a field, without the underscore that avoids a keyword."""
    return field.rstrip("_")


def define(where: flags.FlagValues, name: str, known: Known, default: Any) -> None:
    """Defines one flag; kinds with a converter are text until they are asked for."""
    allowed, help = known.setting.values, known.setting.help
    default = values.text(default, known.kind)
    low = allowed.low if isinstance(allowed, Range) else None
    if allowed is not None and not isinstance(allowed, Range):
        flags.DEFINE_enum(name, default, allowed, help, flag_values=where)
    elif known.kind == "bool":
        flags.DEFINE_bool(name, default, help, flag_values=where)
    elif known.kind == "int":
        least = None if low is None else int(low)
        flags.DEFINE_integer(name, default, help, least, flag_values=where)
    elif known.kind == "float":
        flags.DEFINE_float(name, default, help, low, flag_values=where)
    else:
        flags.DEFINE_string(name, default, help, flag_values=where)
