"""The run folder: what was asked, with what software, and what came out.

flags.flags     a flagfile that repeats the run
versions.json   software, machine, data hash, labels of the runs
metrics.jsonl   one line per epoch and run
curve.png       real returns over simulator steps
checkpoint/     everything needed to continue
policy/, best/  actors of all runs: the last, and each run's best so far
"""

import contextlib
import fcntl
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import IO, Any

import jax

import h2o_jax
from h2o_jax.errors import CheckpointError, ConfigError

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "mujoco", "gymnasium", "numpy")


class Record:
    """Writes into one run folder, which it holds locked until `close`."""

    def __init__(self, folder: pathlib.Path):
        """Locks `folder`.

        Raises:
            ConfigError: another process is writing there, or it cannot be written.
        """
        self.folder = folder
        with writing("run_dir", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "run.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ConfigError(
                f"--run_dir={folder}: another process is writing there; choose another"
            ) from None
        self._metrics: IO[str] | None = None

    def begin(self, flags_text: str, facts: Mapping[str, Any]) -> None:
        """Writes what was asked and with what software; keeps what a run began with."""
        part = self.folder / "flags.flags.part"
        part.write_text(flags_text)
        part.replace(self.folder / "flags.flags")
        path = self.folder / "versions.json"
        if path.is_file():
            versions = json.loads(path.read_text())
            versions.setdefault("resumed", []).append(environment())
        else:
            versions = {**environment(), **facts}
        path.write_text(json.dumps(versions, indent=1) + "\n")

    def keep_until(self, epoch: int) -> None:
        """Drops lines after `epoch`, which a resumed run will write again."""
        lines = [x for x in read(self.folder) if x["epoch"] <= epoch]
        part = self.folder / "metrics.jsonl.part"
        part.write_text("".join(json.dumps(line) + "\n" for line in lines))
        part.replace(self.folder / "metrics.jsonl")

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Appends lines to metrics.jsonl."""
        if self._metrics is None:
            self._metrics = (self.folder / "metrics.jsonl").open("a")
        self._metrics.writelines(json.dumps(line) + "\n" for line in lines)
        self._metrics.flush()

    def close(self) -> None:
        """Releases the folder."""
        if self._metrics is not None:
            self._metrics.close()
        self._lock.close()


class Elsewhere(Record):
    """The record of a host that leaves all writing to another; writes nothing."""

    def __init__(self, folder: pathlib.Path):
        """Locks nothing."""
        self.folder = folder

    def begin(self, flags_text: str, facts: Mapping[str, Any]) -> None:
        """Nothing; as the others."""

    def keep_until(self, epoch: int) -> None:
        """Nothing."""

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@contextlib.contextmanager
def writing(flag: str, path: pathlib.Path | str) -> Iterator[None]:
    """Turns what the file system refuses into one line.

    Raises:
        ConfigError: with the flag that named the place.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(f"--{flag}={path}: {error.strerror}") from None


def is_free(folder: pathlib.Path) -> bool:
    """Whether a run may begin there.

    A command that ended before it trained leaves its lock and nothing else.
    """
    if not folder.exists():
        return True
    return folder.is_dir() and {x.name for x in folder.iterdir()} <= {"run.lock"}


def fresh_folder(task: str, algorithm: str) -> pathlib.Path:
    """A new folder name under runs/."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return pathlib.Path("runs") / f"{task}-{algorithm}-{stamp}"


def read(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl; a last line cut short by a kill is left out."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def asked(folder: pathlib.Path) -> dict[str, str]:
    """Flag -> value of a run folder, as text.

    Raises:
        CheckpointError: `folder` is no run folder.
    """
    path = folder / "flags.flags"
    if not path.is_file():
        raise CheckpointError(f"{folder}: no run folder (no flags.flags)")
    pairs = [line[2:].partition("=") for line in path.read_text().splitlines()]
    return {name: value for name, _, value in pairs}


def environment() -> dict[str, Any]:
    """Software and machine kind, as far as they can change a result."""
    return {
        "h2o_jax": h2o_jax.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
        "nproc": os.environ.get("NPROC"),
        "backend": jax.default_backend(),
        "devices": [device.device_kind for device in jax.devices()],
        "processor": _processor(),
        "system": platform.system(),
    }


def store_results(
    folder: pathlib.Path,
    run_folder: pathlib.Path,
    cells: Iterable[tuple[pathlib.PurePath, Mapping[str, Any]]],
) -> None:
    """Writes one small JSON file per cell of a result table.

    Args:
        folder: root of the results.
        run_folder: the run that the cells come from; its software is stored with them.
        cells: path below `folder` (task, gap, algorithm, seed, steps) and content.
    """
    software = json.loads((run_folder / "versions.json").read_text())
    software = {key: software[key] for key in environment()}
    for place, content in cells:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**content, **software}, indent=1) + "\n")


def _commit() -> str | None:
    """Commit of the source tree this package runs from, `+` if it was changed."""
    root = pathlib.Path(h2o_jax.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def _processor() -> str:
    """Name of the processor's model."""
    if sys.platform == "linux":
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
