"""Lists every command, with a line on what it is for."""

import ast
import dataclasses
import difflib
import pathlib
from collections.abc import Iterator, Mapping

from experiments import groups
from experiments.cli import console
from experiments.cli.flags import Flags
from h2o_jax.errors import ConfigError
from h2o_jax.settings import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What is looked for."""

    command: str = setting("", "A name to look for; empty: all are listed.")


SETTINGS = (Asked,)
HIDDEN = groups.JOBS
"""Flags of a command that was written after `experiments`, without the dot."""
_ROOT = pathlib.Path(__file__).parent


def main(flags: Flags) -> None:
    """The command."""
    found = sorted(commands())
    if name := flags.of(Asked).command:
        raise ConfigError(
            f"{name}: no command of this name; {_meant(name, dict(found))}python -m "
            "experiments lists all"
        )
    wide = max(len(name) for name, _ in found)
    print("python -m COMMAND --help says more:\n")
    print("\n".join(f"{name:{wide}}  {line}" for name, line in found))


def commands() -> Iterator[tuple[str, str]]:
    """Each command as `python -m` is given it, and the first line of its docstring.

    A command is a module that ends in `console.command`; none is imported.
    """
    for path in _ROOT.rglob("*.py"):
        text = path.read_text()
        if "\n    console.command(" not in text:
            continue
        parts = path.relative_to(_ROOT.parent).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__main__")
        line = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        if path != pathlib.Path(__file__):
            yield name, line


def _meant(name: str, lines: Mapping[str, str]) -> str:
    """The question after the command that is spelled alike, or that is for it."""
    short = {full.removeprefix("experiments."): full for full in lines}
    close = difflib.get_close_matches(name.removeprefix("experiments."), short, n=1)
    does = [full for full, x in lines.items() if x.lower().startswith(name.lower())]
    alike = [short[x] for x in close] + does
    return f"did you mean python -m {alike[0]}? " if alike else ""


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN, argument="command")
