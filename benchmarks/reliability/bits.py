"""Flips single bits in a run folder: none may pass unseen."""

import pathlib
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.reliability import runs
from benchmarks.reliability.score import Score
from experiments import run_folder
from h2o_jax.errors import CheckpointError

_REFUSED, _HARMLESS = _FINE = ("refused", "harmless")


def flipped(count: int, seed: int) -> Score:
    """Flips one bit `count` times in the files of a run folder that are read.

    A flip fails where the folder is read without an error and says something else, or
    where reading it raises anything but a CheckpointError. A tenth as many flips hit
    files in which nobody would miss anything; they are counted apart.
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place) / "run"
        shutil.copytree(runs.undisturbed("hopper").folder, folder)
        _keep_newest(folder / run_folder.CHECKPOINT)
        files = [x for x in sorted(folder.rglob("*")) if _is_content(x)]
        read = [x for x in files if _is_missed(folder, x)]
        others = [x for x in files if x not in read]
        outcomes = [_flip(folder, *_place(read, rng)) for _ in range(count)]
        apart = [_flip(folder, *_place(others, rng)) for _ in range(count // 10)]
    failures = [
        f"{where}: {what}" for where, what in outcomes + apart if what not in _FINE
    ]
    said = [what for _, what in outcomes]
    facts: dict[str, Any] = {name: said.count(name) for name in _FINE}
    facts |= {"files": len(read), "other files": len(others), "flips there": len(apart)}
    return Score(len(outcomes + apart), tuple(failures), facts)


def _place(
    files: Sequence[pathlib.Path], rng: np.random.Generator
) -> tuple[pathlib.Path, int, int]:
    """A file, a byte and a bit of it.

    Half of the files are drawn by size and half alike: small ones say how the large
    ones are read. A tenth of the bytes are ends of lines, where there are any.
    """
    sizes = np.array([x.stat().st_size for x in files], float)
    chance = (sizes / sizes.sum() + 1 / len(files)) / 2
    file = files[rng.choice(len(files), p=chance)]
    content = np.frombuffer(file.read_bytes(), np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    among = ends if len(ends) and rng.random() < 0.1 else np.arange(len(content))
    return file, int(rng.choice(among)), int(rng.integers(8))


def _flip(
    folder: pathlib.Path, file: pathlib.Path, place: int, bit: int
) -> tuple[str, str]:
    """Where a bit is flipped, and what becomes of it; the file is as before after."""
    where = f"{file.relative_to(folder)}[{place}] bit {bit}"
    content = bytearray(file.read_bytes())
    content[place] ^= 1 << bit
    return where, _outcome(folder, file, bytes(content))


def _is_missed(folder: pathlib.Path, file: pathlib.Path) -> bool:
    """Whether anything depends on what a file holds."""
    return _outcome(folder, file, b"") != _HARMLESS


def _outcome(folder: pathlib.Path, file: pathlib.Path, content: bytes) -> str:
    """What becomes of other content of a file."""
    wanted, original = _content(folder, file), file.read_bytes()
    file.write_bytes(content)
    try:
        same = _content(folder, file) == wanted
        return _HARMLESS if same else "accepted, and says something else"
    except CheckpointError:
        return _REFUSED
    except Exception as error:  # what a user would see as a traceback
        return f"{type(error).__name__}: {error}"[:120]
    finally:
        file.write_bytes(original)


def _content(folder: pathlib.Path, file: pathlib.Path) -> object:
    """All that a run folder says in which a file has a part."""
    parts = file.relative_to(folder).parts
    if parts[0] != run_folder.CHECKPOINT:
        lines = run_folder.metrics(folder), run_folder.versions(folder)
        return run_folder.flags(folder), lines
    items = [x for x in runs.ITEMS if x in parts] or runs.ITEMS
    return runs.digest(folder, items)


def _is_content(path: pathlib.Path) -> bool:
    """Whether a file may be read again: figures and locks are not."""
    return path.is_file() and path.stat().st_size > 0 and path.suffix != ".png"


def _keep_newest(folder: pathlib.Path) -> None:
    numbers = sorted(folder.glob("[0-9]*"), key=lambda x: int(x.name))
    for older in numbers[:-1]:
        shutil.rmtree(older)
