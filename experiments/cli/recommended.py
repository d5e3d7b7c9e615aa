"""Values of flags that are not given: those with which a method learns well.

They are flagfiles, so that they can be read, changed and given like any other; each of
their lines is `--name` or `--name=value`.
"""

import pathlib

import experiments

NAME = "recommended"
"""Of `--defaults`, and of the folder with the flagfiles."""
FOLDER = pathlib.Path(experiments.__file__).parent / "flagfiles" / NAME
_ALL = "base"
"""The flagfile for every method; `METHOD.flags` beside it says what is its own."""


def values(algorithm: str) -> dict[str, str]:
    """Names of flags and their texts, for a method."""
    found = {}
    for name in (_ALL, algorithm):
        path = FOLDER / f"{name}.flags"
        if name != _ALL and not path.is_file():
            continue
        for line in path.read_text().splitlines():
            if line.startswith("--"):
                flag, _, text = line.removeprefix("--").partition("=")
                found[flag] = text or "true"
    return found
