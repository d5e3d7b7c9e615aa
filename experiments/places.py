"""Where commands write: tried before they begin, and what is refused as one line."""

import contextlib
import errno
import mmap
import os
import pathlib
import tempfile
from collections.abc import Iterator

from h2o_jax.errors import ConfigError, refused

MARK = "h2o_jax"
"""In every file that a flag names and a command writes, whatever its kind."""
PNG = {"Software": MARK}
"""Metadata of figures."""


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
    """Makes sure that a file can be written, and may be; see `try_folder`.

    Missing folders are made when it is written. What a command of ours wrote is
    replaced, and nobody else's work.

    Raises:
        ConfigError: it cannot, or is there and not ours.
        DiskError: the disk is full.
    """
    with writing(flag, path):
        if path.suffix and path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try_folder(flag, path.parent)
        if path.is_file() and not _is_ours(path):
            raise ConfigError(
                f"--{flag}={path}: exists, and may be somebody's own work; give "
                f"another --{flag}, or remove it"
            )


def _is_ours(path: pathlib.Path) -> bool:
    """Whether a file has our mark, or nothing at all."""
    if not path.stat().st_size:
        return True
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as x,
    ):
        return x.find(MARK.encode()) >= 0


def _existing(folder: pathlib.Path) -> pathlib.Path:
    """The folder, or what there is of the way to it: perhaps no folder at all."""
    for place in (folder, *folder.absolute().parents):
        try:
            place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return place
    return folder
