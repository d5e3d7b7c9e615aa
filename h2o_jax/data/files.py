"""Files: what a reader asks of a log first, and how a file is written safely."""

import contextlib
import hashlib
import math
import os
import pathlib
import stat
import tempfile
from collections.abc import Iterator

from h2o_jax.errors import DatasetError, H2OError

COPIES = 3
"""Copies of the arrays that loading may hold at once: raw, float32, on the device."""
MAX_EXPANSION = 2000
"""Largest ratio of declared to stored bytes; compression reaches about 1030."""
FREE_BYTES = 1 << 20
"""Declared sizes up to this are never refused."""

SIGNATURES = (
    (b"PK\x03\x04", "a zip archive (.npz is one)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a single .npy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x80", "a pickle"),
    (b"version https://git-lfs", "a git-LFS pointer; run `git lfs pull`"),
    (b"<", "a web page, perhaps the login or error page of a download"),
    (b"{", "a JSON document"),
)


def fail(source: object, message: str) -> DatasetError:
    """An error of one printable line `source: finding; fix`, whatever names contain."""
    line = " ".join(f"{source}: {message}".split())
    return DatasetError("".join(c if c.isprintable() else "?" for c in line))


@contextlib.contextmanager
def readable(path: pathlib.Path) -> Iterator[None]:
    """Turns any error of a reader into a `DatasetError` that names the file."""
    try:
        yield
    except H2OError:
        raise
    except FileNotFoundError as error:
        raise fail(error.filename or path, "no such file; check the path") from error
    except MemoryError as error:
        raise fail(path, "does not fit in memory; use fewer rows") from error
    except Exception as error:  # a damaged file can raise anything
        raise fail(path, f"cannot be read ({error}); mend or copy it again") from error


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a scratch file beside `path` that takes its name if no error is raised.

    Whoever reads `path` finds the former file or the complete new one, also after a
    crash. Missing folders are made; the scratch file has the name of `path`, for
    writers that go by the suffix.

    Raises:
        OSError: the file system refuses.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
        part = pathlib.Path(folder, path.name)
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)


def unreadable(path: pathlib.Path, largest: float = math.inf) -> str | None:
    """Why a file is not to be opened, found without opening it; None where it may be.

    A pipe would wait for its writer, and a device never ends.

    Args:
        path: of the file; a link to one will do.
        largest: bytes that it may have.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return "no such file; check the path"
    except (OSError, ValueError) as error:  # a link to itself, a name with a zero byte
        return f"cannot be opened ({getattr(error, 'strerror', error)})"
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        return f"is {kind}; give a file"
    if found.st_size > largest:
        return f"has {size(found.st_size)}, {size(largest)} at most are read"
    return None


def looks_like(path: pathlib.Path) -> str:
    """The kind of a file by its first bytes, in words."""
    with open(path, "rb") as file:
        head = file.read(64)
    if not head:
        return "an empty file"
    known = (name for start, name in SIGNATURES if head.lstrip().startswith(start))
    return next(known, "no known kind of file")


def check_hash(path: pathlib.Path, expected: str | None) -> str:
    """The SHA-256 in hex of a file, or of all files of a folder by name.

    Raises:
        DatasetError: `expected` is given and differs.
    """
    if path.is_dir():
        parts = sorted(x for x in path.rglob("*") if x.is_file())
        content = "".join(
            f"{x.relative_to(path)} {check_hash(x, None)}\n" for x in parts
        )
        digest = hashlib.sha256(content.encode()).hexdigest()
    else:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and digest != expected.lower():
        raise fail(path, f"its SHA-256 is {digest}, not {expected}; copy it again")
    return digest


def check_expansion(
    path: pathlib.Path, name: str, declared: float, stored: float
) -> None:
    """Refuses an array that claims far more bytes than the file holds for it."""
    if declared > max(FREE_BYTES, MAX_EXPANSION * stored):
        raise fail(
            path,
            f"{name} claims {size(declared)} but the file stores {size(stored)} of it; "
            "the file is damaged or hostile, do not use it",
        )


def check_memory(path: pathlib.Path, declared: float) -> None:
    """Refuses, before reading, what this machine or container cannot hold."""
    need, free = COPIES * declared, available_memory()
    if need > free:
        raise fail(
            path,
            f"needs {size(need)} of memory, {size(free)} are free; "
            "store fewer rows or use a larger machine",
        )


def available_memory() -> int:
    """Bytes of free memory: the machine's, or the container's limit if that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(int(line.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
        limits.append(int(pathlib.Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(limits)


def size(nbytes: float) -> str:
    """A number of bytes with its unit, e.g. `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if nbytes < 1000 or unit == "TB":
            break
        nbytes /= 1000
    return f"{nbytes:.0f} {unit}" if unit == "bytes" else f"{nbytes:.1f} {unit}"
