"""Files that are written complete or not at all."""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a scratch file beside `path` that takes its name if no error is raised.

    Whoever reads `path` finds the former file or the complete new one, also after a
    crash. Missing folders are made; the scratch file has the name of `path`, for
    writers that go by the suffix.

    Raises:
        OSError: the file system refuses; it names the file.
    """
    path = pathlib.Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
            part = pathlib.Path(folder, path.name)
            yield part
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
    except OSError as error:  # a write that fails does not know its file
        if error.filename is None or ".part-" in str(error.filename):
            error.filename = str(path)
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text in UTF-8, complete or not at all; see `replacing`."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(
    path: str | os.PathLike[str], content: Any, allow_nan: bool = True
) -> None:
    """Writes JSON that people can read, complete or not at all; see `replacing`.

    Args:
        path: of the file.
        content: of it.
        allow_nan: whether numbers may be other than finite, as Python reads them back
            but other readers of JSON may not.

    Raises:
        ValueError: a number is what it may not be.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=allow_nan) + "\n")


@contextlib.contextmanager
def replacing_all(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a scratch folder, whose files go to `folder` if no error is raised.

    Each takes its name there in one step; missing folders are made.

    Raises:
        OSError: the file system refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as scratch:
        yield pathlib.Path(scratch)
        for part in sorted(pathlib.Path(scratch).iterdir()):
            os.replace(part, folder / part.name)
