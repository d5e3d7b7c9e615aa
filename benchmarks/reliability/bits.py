"""Flips single bits in a run folder: none may pass unseen."""

import pathlib
import shutil
import tempfile
from collections.abc import Sequence

import numpy as np

from benchmarks.reliability import runs
from benchmarks.reliability.score import Score
from experiments import run_folder
from h2o_jax.errors import CheckpointError

ITEMS = (run_folder.STATE, run_folder.POLICY, run_folder.BEST)


def flipped(count: int, seed: int) -> Score:
    """Flips one bit of a run folder `count` times.

    A flip fails where the folder is read without an error and says something else, or
    where reading it raises anything but a CheckpointError.
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place) / "run"
        runs.finish(folder, "hopper", pathlib.Path(place) / "cache")
        _keep_newest(folder / run_folder.CHECKPOINT)
        files = [x for x in sorted(folder.rglob("*")) if _is_read(x)]
        sizes = np.array([x.stat().st_size for x in files], float)
        # Half by size, half by file: small ones say how the large ones are read.
        chance = (sizes / sizes.sum() + 1 / len(files)) / 2
        wanted = {file: _content(folder, file) for file in files}
        outcomes = []
        for _ in range(count):
            file = files[rng.choice(len(files), p=chance)]
            place_, bit = int(rng.integers(file.stat().st_size)), int(rng.integers(8))
            outcome = _flip(folder, file, place_, bit, wanted[file])
            where = f"{file.relative_to(folder)}[{place_}] bit {bit}"
            outcomes.append((outcome, where))
    return _score(outcomes)


def _flip(
    folder: pathlib.Path, file: pathlib.Path, place: int, bit: int, wanted: object
) -> str:
    """What becomes of one flipped bit; the file is as before afterwards."""
    original = file.read_bytes()
    content = bytearray(original)
    content[place] ^= 1 << bit
    file.write_bytes(content)
    try:
        same = _content(folder, file) == wanted
        return "harmless" if same else "accepted, and says something else"
    except CheckpointError:
        return "refused"
    except Exception as error:  # what a user would see as a traceback
        return f"{type(error).__name__}: {error}"[:120]
    finally:
        file.write_bytes(original)


def _score(outcomes: Sequence[tuple[str, str]]) -> Score:
    fine = ("refused", "harmless")
    failures = tuple(f"{where}: {what}" for what, where in outcomes if what not in fine)
    said = [what for what, _ in outcomes]
    return Score(len(outcomes), failures, {name: said.count(name) for name in fine})


def _content(folder: pathlib.Path, file: pathlib.Path) -> object:
    """All that a run folder says in which a file has a part."""
    parts = file.relative_to(folder).parts
    if parts[0] != run_folder.CHECKPOINT:
        lines = run_folder.metrics(folder), run_folder.versions(folder)
        return run_folder.flags(folder), lines
    items = [x for x in ITEMS if x in parts] or ITEMS
    return runs.digest(folder, items)


def _is_read(path: pathlib.Path) -> bool:
    """Whether a file is ever read again: figures and locks are not."""
    return path.is_file() and path.stat().st_size > 0 and path.suffix != ".png"


def _keep_newest(folder: pathlib.Path) -> None:
    numbers = sorted(folder.glob("[0-9]*"), key=lambda x: int(x.name))
    for older in numbers[:-1]:
        shutil.rmtree(older)
