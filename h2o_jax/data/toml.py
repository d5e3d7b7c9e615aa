"""TOML as this package reads and writes it: files of its users, values of its own."""

import json
import pathlib
import tomllib
from typing import Any

from h2o_jax.data import files
from h2o_jax.errors import ConfigError


def read(path: str, said: str = "") -> dict[str, Any]:
    """The table of a TOML file.

    Args:
        path: the file.
        said: what an error says before the path.

    Raises:
        ConfigError: in one line, the file, the finding and the fix.
    """
    text = files.read_text(pathlib.Path(path), files.LARGEST_TEXT, ConfigError, said)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{said}{path}: no TOML ({error}); mend it") from None


def text(value: Any) -> str:
    """A value as TOML: text, numbers to six decimals, truth values, lists, tables."""
    if isinstance(value, dict):
        inside = ", ".join(f"{key(k)} = {text(x)}" for k, x in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, float):
        return repr(round(float(value), 6))
    # JSON's texts, numbers and truth values are TOML's, too, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A key as TOML, quoted where it must be."""
    bare = name.replace("_", "a").replace("-", "a")
    return name if bare.isascii() and bare.isalnum() else text(name)
