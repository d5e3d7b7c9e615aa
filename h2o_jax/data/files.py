"""Files: what a reader asks of one before it reads it."""

import contextlib
import hashlib
import itertools
import math
import os
import pathlib
import re
import stat
from collections.abc import Iterator

from h2o_jax.data import writing
from h2o_jax.errors import DatasetError, H2OError

COPIES = 3
"""Copies of the arrays that loading may hold at once: raw, float32, on the device."""
MAX_EXPANSION = 2000
"""Largest ratio of declared to stored bytes; compression reaches about 1030."""
FREE_BYTES = 1 << 20
"""Declared sizes up to this are never refused."""
LARGEST = 1 << 40
"""Bytes of a log."""
_HOLES = 1 << 32
"""Bytes of a file from which on its holes matter: fewer are soon read."""
LARGEST_TEXT = 1 << 24
"""Bytes of a file that a person could have written."""
_DIGEST = ".sha256"
_SHA256 = re.compile(r"\b[0-9a-fA-F]{64}\b")
MOST_FILES = 100_000
"""In the folder of a log."""

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
    """Looks at a log, then turns any error of its reader into a `DatasetError`.

    Raises:
        DatasetError: in one line, the file, the finding and the fix.
    """
    try:
        check_log(path)
        yield
    except H2OError:
        raise
    except FileNotFoundError as error:
        raise fail(error.filename or path, "no such file; check the path") from error
    except MemoryError as error:
        raise fail(path, "does not fit in memory; use fewer rows") from error
    except Exception as error:  # a damaged file can raise anything
        raise fail(path, f"cannot be read ({error}); mend or copy it again") from error


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


def read_bytes(
    path: pathlib.Path, largest: int, error: type[H2OError], said: str = ""
) -> bytes:
    """A file of the user's, once it is a regular one and no larger than it should be.

    Args:
        path: of the file.
        largest: bytes that it may have.
        error: what is raised otherwise.
        said: comes before the path in an error, such as the flag that named it.
    """
    reason = unreadable(path, largest)
    if reason is None:
        try:
            return path.read_bytes()
        except OSError as refused:
            reason = f"cannot be read ({refused.strerror})"
    raise error(f"{said}{path}: {reason}")


def read_text(
    path: pathlib.Path, largest: int, error: type[H2OError], said: str = ""
) -> str:
    """A text of the user's; see `read_bytes`."""
    content = read_bytes(path, largest, error, said)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error(f"{said}{path}: is no text (UTF-8); mend it") from None


def check_log(path: pathlib.Path) -> None:
    """Refuses a log that is more than it seems, before a byte of it is read.

    Raises:
        DatasetError: a pipe, a device, a hole where rows should be, or too many files.
    """
    parts = list(itertools.islice(_files(path), MOST_FILES + 1))
    if len(parts) > MOST_FILES:
        raise fail(path, f"holds more than {MOST_FILES} files; give the log alone")
    for part in parts:
        if reason := unreadable(part, LARGEST):
            raise fail(part, reason)
        found = part.stat()
        if found.st_size > _HOLES:
            # Of what was written, a disk stores nearly all; its blocks have 512 bytes.
            check_expansion(part, "the log", found.st_size, found.st_blocks * 512)


def _files(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path, or whatever else than folders there is below it."""
    if not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (pathlib.Path(folder, name) for name in names)


def looks_like(path: pathlib.Path) -> str:
    """The kind of a file by its first bytes, in words."""
    with open(path, "rb") as file:
        head = file.read(64)
    if not head:
        return "an empty file"
    known = (name for start, name in SIGNATURES if head.lstrip().startswith(start))
    return next(known, "no known kind of file")


def check_hash(path: pathlib.Path, expected: str | None = None) -> str:
    """The SHA-256 in hex of a file, or of all files of a folder by name.

    Args:
        path: the file or folder.
        expected: in hex; by default what `path`.sha256 says, where there is one.

    Raises:
        DatasetError: another one is expected, or `path`.sha256 has none.
    """
    beside, says = path.with_name(path.name + _DIGEST), ""
    if not expected and beside.is_file():
        stated = _SHA256.search(read_text(beside, 1 << 12, DatasetError))
        if stated is None:
            finding = "no SHA-256 of 64 hexadecimal digits"
            raise fail(beside, f"{finding}; write it with sha256sum, or remove it")
        expected, says = stated[0], f", as {beside.name} has it"
    found = _hash(path)
    if expected and found != expected.lower():
        raise fail(path, f"its SHA-256 is {found}, not {expected}{says}; copy it again")
    return found


def write_hash(path: pathlib.Path) -> None:
    """Writes a file's SHA-256 beside it, as sha256sum does, for `check_hash`."""
    with writing.replacing(path.with_name(path.name + _DIGEST)) as part:
        part.write_text(f"{_hash(path)}  {path.name}\n")


def _hash(path: pathlib.Path) -> str:
    if path.is_dir():
        parts = sorted(x for x in path.rglob("*") if x.is_file())
        content = "".join(f"{x.relative_to(path)} {_hash(x)}\n" for x in parts)
        return hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
