"""Values of flags that are not given: those with which a method learns well.

They are flagfiles, so that they can be read, changed and given like any other.
"""

import pathlib

import experiments
from experiments.cli.flagfiles import FlagValues

NAME = "recommended"
"""Of `--defaults`, and of the folder with the flagfiles."""
FOLDER = pathlib.Path(experiments.__file__).parent / "flagfiles" / NAME
_ALL = FOLDER / "base.flags"
"""The flagfile for every method; `METHOD.flags` beside it says what is its own."""


def values(algorithm: str) -> dict[str, str]:
    """Names of flags and their texts, for a method."""
    own = FOLDER / f"{algorithm}.flags"
    files = [_ALL, own] if own.is_file() else [_ALL]
    lines = FlagValues().read_flags_from_files([f"--flagfile={x}" for x in files])
    pairs = (line.removeprefix("--").partition("=") for line in lines)
    return {name: text or "true" for name, _, text in pairs}
