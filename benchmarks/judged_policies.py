"""Trains policies of very different quality for `benchmarks.judging`.

    python -m benchmarks.judged_policies FOLDER [flag of experiments.run ...]

Each method is stopped at several lengths, and the run folder is copied there: FOLDER
has one run folder per method and length, and each holds a policy per --seed.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys

METHODS = "h2o_plus", "sac", "iql", "h2o"
LENGTHS = 1, 4, 12, 30
"""Epochs after which policies are kept."""


def main() -> None:
    """Trains every method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    choice, flags = parser.parse_known_args()
    for method in choice.methods:
        train(choice.folder, method, choice.lengths, flags)


def train(
    folder: pathlib.Path, method: str, lengths: list[int], flags: list[str]
) -> None:
    """Trains one method to each of the lengths, from one to the next."""
    working = folder / "working"
    shutil.rmtree(working, ignore_errors=True)
    for epochs in lengths:
        begins = f"--resume={working}"
        given = [begins]
        if epochs == lengths[0]:
            given = [*flags, f"--algorithm={method}", f"--run_dir={working}"]
        command = [sys.executable, "-m", "experiments.run", *given]
        subprocess.run([*command, f"--epochs={epochs}"], check=True)
        shutil.copytree(working, folder / f"{method}_{epochs}")
    shutil.rmtree(working)


if __name__ == "__main__":
    main()
