"""Where commands write: tried before they begin, and what is refused as one line."""

import contextlib
import errno
import os
import pathlib
import tempfile
from collections.abc import Iterator

from h2o_jax.errors import refused


@contextlib.contextmanager
def writing(flag: str, path: pathlib.Path | str) -> Iterator[None]:
    """Turns what the file system refuses into one line.

    Raises:
        ConfigError: with the flag that named the place.
        DiskError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise refused(error, f"--{flag}={path}") from error


def try_folder(flag: str, folder: pathlib.Path) -> None:
    """Makes sure that a folder can be made and written, and leaves nothing there.

    Raises:
        ConfigError: it cannot.
        DiskError: the disk is full.
    """
    with writing(flag, folder), tempfile.TemporaryFile(dir=_existing(folder)) as file:
        file.write(b"0")  # an empty file fits on a full disk


def try_file(flag: str, path: pathlib.Path) -> None:
    """Makes sure that a file can be written; see `try_folder`."""
    with writing(flag, path):
        if path.suffix and path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try_folder(flag, path.parent)


def _existing(folder: pathlib.Path) -> pathlib.Path:
    """The folder, or what there is of the way to it: perhaps no folder at all."""
    for place in (folder, *folder.absolute().parents):
        try:
            place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return place
    return folder
