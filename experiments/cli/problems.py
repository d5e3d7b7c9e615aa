"""What absl says of a command line, in our words."""

import pathlib
import re
from collections.abc import Iterable, Mapping

from h2o_jax.errors import ConfigError, nearest
from h2o_jax.settings import Range, Setting

_ILLEGAL = re.compile(r"flag --(\w+)=(.*?): (.*)")
_UNKNOWN = re.compile(r"Unknown command line flag '(\w+)'")
_NO_FILE = re.compile(r"Unable to open flagfile: .*'(.*)'")
"""What absl says."""
_NOT_PARSED = {
    "invalid literal for int": "a whole number",
    "could not convert string to float": "a number",
    "('Non-boolean": "true or false",
}
"""How absl begins where a text is no value -> what it should have been."""


def check_utf8(words: Iterable[str]) -> None:
    """Refuses words that cannot be printed, such as a file named on another system.

    Raises:
        ConfigError: a word is not UTF-8.
    """
    for word in words:
        shown = word.encode(errors="backslashreplace").decode()
        if shown != word:
            raise ConfigError(f"{shown}: is not UTF-8; rename it")


def told(said: str, known: Mapping[str, Setting]) -> str:
    """What absl said of a command line, with the flag first and the fix."""
    if found := _ILLEGAL.match(said):
        name, text, why = found.groups()
        allowed = known[name].values
        if allowed is not None and not isinstance(allowed, Range):
            choices = ", ".join(allowed)
            why = f"unknown; {nearest(text, allowed)}choose from {choices}"
            if set(text.split(",")) <= {*allowed}:
                why = "give one; only numbers, gaps and seeds may be lists"
        kinds = [kind for said, kind in _NOT_PARSED.items() if why.startswith(said)]
        return f"--{name}={text}: {f'not {kinds[0]}' if kinds else why}"
    if found := _UNKNOWN.match(said):
        name = found[1]
        meant = nearest(f"--{name}", map("--{}".format, known))
        meant = meant or "see --help"
        return f"--{name}: no such flag; {meant}".rstrip()
    if found := _NO_FILE.search(said):
        path = pathlib.Path(found[1])
        beside = [str(path.with_name(x.name)) for x in path.parent.glob("*")]
        meant = nearest(str(path), beside) or "give the path of a flagfile"
        return f"--flagfile={path}: no such file; {meant}".rstrip()
    return said
