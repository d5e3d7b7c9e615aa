"""Groups and flags as `--help` shows them."""

import textwrap
from typing import Any

from experiments.cli import values
from h2o_jax.settings import Range, Setting

EVERYWHERE = """Every command:
  --flagfile=FILE
      Reads flags from a file, one a line; the last of several values counts.
  --debug
      Shows the traceback of an error before its line.
"""


def title(group: type) -> str:
    """The heading of a group: the first sentence that says what it is."""
    first, _, _ = (group.__doc__ or "").strip().partition("\n")
    return first.partition(":")[0].rstrip(".") + ":"


def flag_help(
    name: str, kind: str, setting: Setting, default: Any, recommended: str = ""
) -> str:
    """A flag with its default, the values that it may have, and what it means.

    Args:
        name: of the flag.
        kind: of its values.
        setting: what is known of it.
        default: its published value, where it has another one recommended.
        recommended: that one.
    """
    shown = "" if default is None else str(default)
    line = f"  --[no]{name}" if kind == "bool" else f"  --{name}={shown}"
    allowed = setting.values
    if allowed is not None:
        text = allowed.text if isinstance(allowed, Range) else ", ".join(allowed)
        more = "; a list is one run each" if kind == values.NUMBERS else ""
        line += f"  ({text}{more})"
    line += f"  recommended: {recommended}" * bool(recommended)
    about = [f"      {x}" for x in textwrap.wrap(setting.help, 80)]
    return "\n".join([line, *about])
