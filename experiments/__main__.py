"""Lists every command, with a line on what it is for."""

import ast
import pathlib
from collections.abc import Iterator

from experiments.cli import console
from experiments.cli.flags import Flags

SETTINGS: tuple[type, ...] = ()
_ROOT = pathlib.Path(__file__).parent


def main(flags: Flags) -> None:
    """The command."""
    found = sorted(commands())
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


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
