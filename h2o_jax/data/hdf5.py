"""HDF5 logs in D4RL's layout: a reader for untrusted files and a writer.

HDF5 can point into other files (external and soft links, raw storage elsewhere,
virtual datasets) and can declare terabytes that it does not hold. The whole tree is
walked and refused for any of these before a single value is read.
"""

import contextlib
import io
import itertools
import math
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from h2o_jax.data import files, tables, writing
from h2o_jax.errors import refused
from h2o_jax.types import Transition

DEEPEST, MOST_LINKS = 16, 2_000_000
"""Groups within each other, and names in a file: HDF5 itself follows them all."""
TRUNCATED = re.compile(r"eof = (\d+),.*stored_eof = (\d+)")


def read(path: pathlib.Path, columns: tables.ColumnMap) -> dict[str, np.ndarray]:
    """Columns by D4RL's names; nested ones are found as `group/name`."""
    with opened(path) as datasets:
        chosen = tables.plan(path, datasets, columns)
        used = [name for members in chosen.values() for name in members]
        files.check_memory(path, sum(datasets[name].nbytes for name in used))
        return {
            column: tables.stack(path, column, [values(datasets, m) for m in members])
            for column, members in chosen.items()
        }


def attribute(path: str | os.PathLike[str], name: str) -> str | None:
    """A text kept with an HDF5 file, such as its pairing; None if there is none."""
    if not h5py.is_hdf5(path):
        return None
    with h5py.File(path, "r") as file:
        value = file.attrs.get(name)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else None


def values(datasets: Mapping[str, h5py.Dataset], name: str) -> np.ndarray:
    """The numbers of one array; anything else is refused before it is read."""
    dataset = datasets[name]
    if dataset.dtype.kind not in "biuf":
        finding = f"{name} holds {dataset.dtype}, not numbers"
        raise files.fail(dataset.file.filename, f"{finding}; store floats")
    return dataset[()]


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[dict[str, h5py.Dataset]]:
    """Every array of a file by its full name, once all links and sizes are checked.

    Raises:
        DatasetError: if the file is not HDF5, truncated, damaged, reaches outside
            itself or claims far more than it stores.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise _open_error(path, error) from error
    with file:
        links = itertools.count(1)

        def look(name: str | bytes, link: object) -> str | None:
            """A finding ends the walk: HDF5 follows whatever there is, to its end."""
            if next(links) > MOST_LINKS or str(name).count("/") >= DEEPEST:
                return f"more than {MOST_LINKS} names, or {DEEPEST} groups deep"
            if isinstance(link, h5py.HardLink):
                return None
            kind = "an external" if isinstance(link, h5py.ExternalLink) else "a soft"
            return f"{name!r} is {kind} link, refused"

        finding = file.visititems_links(look)
        if finding is not None:
            raise files.fail(path, f"{finding}; store the arrays themselves")
        objects: dict[str, Any] = {}
        file.visititems(objects.__setitem__)
        for name, item in objects.items():
            _refuse_object(path, name, item)
        yield {n: x for n, x in objects.items() if isinstance(x, h5py.Dataset)}


def _open_error(path: pathlib.Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):
        return error
    eof = TRUNCATED.search(str(error))
    if eof:
        finding = f"truncated (have {eof[1]} of {eof[2]} bytes)"
    elif (kind := files.looks_like(path)) == "an HDF5 file":
        finding = f"damaged or truncated HDF5 ({error})"
    else:
        finding = f"not HDF5, looks like {kind}"
    return files.fail(path, f"{finding}; copy or download it again")


def _refuse_object(path: pathlib.Path, name: str, item: object) -> None:
    if isinstance(item, h5py.Group):
        return
    if not isinstance(item, h5py.Dataset):
        raise files.fail(path, f"{name} is a named type, refused; store only arrays")
    if item.is_virtual or item.external:
        kind = "a virtual dataset" if item.is_virtual else "external raw storage"
        raise files.fail(
            path, f"{name} is {kind}, refused; store the arrays themselves"
        )
    chunk = math.prod(item.chunks or (0,)) * item.dtype.itemsize
    declared = max(chunk, 0 if item.shape is None else item.nbytes)
    files.check_expansion(path, name, declared, item.id.get_storage_size())


def write_d4rl(
    path: str | os.PathLike[str],
    transition: Transition,
    timeouts: np.ndarray,
    attrs: Mapping[str, str] | None = None,
) -> None:
    """Writes steps in the order they were taken, compressed and with checksums.

    The file appears complete or not at all; one of the same name is replaced. A step
    that is both terminal and at the time limit is written as terminal.

    Args:
        path: where to; folders are made.
        transition: `[N, ...]` steps; a discount of 0 marks a terminal.
        timeouts: `[N]` whether the time limit ended an episode at a step.
        attrs: provenance, kept as attributes of the file.

    Raises:
        ConfigError: if the file system refuses.
        DiskError: if the disk is full.
    """
    terminals = np.asarray(transition.discount_t) == 0
    columns = {
        "observations": np.asarray(transition.s_tm1, np.float32),
        "actions": np.asarray(transition.a_tm1, np.float32),
        "rewards": np.asarray(transition.r_t, np.float32),
        "next_observations": np.asarray(transition.s_t, np.float32),
        "terminals": terminals,
        "timeouts": np.asarray(timeouts, bool) & ~terminals,
    }
    # The latest layout has checksums in its headers, too. HDF5 itself ends the process
    # where a disk is full.
    content = io.BytesIO()
    with h5py.File(content, "w", libver="latest") as file:
        for name, data in columns.items():
            file.create_dataset(
                name, data=data, compression="gzip", shuffle=True, fletcher32=True
            )
        for name, text in (attrs or {}).items():
            # Of a fixed length, it is part of the header and of its checksum.
            length = max(1, len(text.encode()))
            file.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", length))
    try:
        with writing.replacing(path) as part:
            part.write_bytes(content.getbuffer())
    except OSError as error:
        raise refused(error, path) from error
