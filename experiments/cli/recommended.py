"""Values of flags that are not given: those with which a method learns well.

They are flagfiles, so that they can be read, changed and given like any other.
"""

import pathlib

import experiments
from experiments.cli.flagfiles import FlagValues

FOLDER = pathlib.Path(experiments.__file__).parent / "flagfiles" / "recommended"
KINDS = {"recommended": (FOLDER,), "balancing": (FOLDER, FOLDER / "balancing")}
"""Value of `--defaults` -> folders, the last of which wins: in each `base.flags` is for
every method, and `METHOD.flags`, where there is one, what a method has of its own."""


def values(kind: str, algorithm: str) -> dict[str, str]:
    """Names of flags and their texts, for a method.

    Args:
        kind: of task: one of `KINDS`; any other recommends nothing.
        algorithm: the method.
    """
    names = ("base", algorithm)
    paths = [x / f"{name}.flags" for x in KINDS.get(kind, ()) for name in names]
    given = [f"--flagfile={path}" for path in paths if path.is_file()]
    lines = FlagValues().read_flags_from_files(given)
    pairs = (line.removeprefix("--").partition("=") for line in lines)
    return {name: text or "true" for name, _, text in pairs}
