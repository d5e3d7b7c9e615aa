"""The run folder: its files by name, how they are read and how they are written.

flags.flags     a flagfile that repeats the run
versions.json   software, machine, data hash, labels of the runs
metrics.jsonl   one line per epoch and run
curve.png       returns over simulator steps, see `reports.draw`
checkpoint/     everything needed to continue; actors of all runs, last and best
judged.json     what experiments.judge estimated, if it was asked
run.lock        locked while a process writes here

A file that is written appears complete or not at all, and carries a digest, so that
nobody goes by one that was edited or damaged.
"""

import dataclasses
import fcntl
import json
import pathlib
import secrets
import shlex
import time
from collections.abc import Iterable, Mapping
from typing import IO, Any, Literal

from experiments import places, software
from experiments.run_folder import sealed
from h2o_jax.data import writing
from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.settings import FOLDER, FREE, MACHINE, PLACE, setting

FLAGS, VERSIONS, METRICS = "flags.flags", "versions.json", "metrics.jsonl"
CURVE, LOCK, JUDGED = "curve.png", "run.lock", "judged.json"
CHECKPOINT = "checkpoint"
STATE, POLICY, BEST = "state", "policy", "best"
"""Items of a checkpoint: what goes on, and the actors of all runs, last and best."""
LAST, CHOSEN = "last", "chosen"
"""Values of `--which`: `last` is the item `POLICY`; `chosen` is the default (see
`WHICH`)."""
WHICH = (
    "The last policy, the best of all evaluations, or the chosen: the best where a "
    "right simulator tells which that is, and the last otherwise."
)
"""What a flag of that name says."""
_SEAL = "# seal "
"""Begins the first line of flags.flags; the digest of the rest follows."""
_BUSY = "{}: another process is writing there; wait for it, or give another --run_dir"
Line = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """Where things go."""

    run_dir: str = setting(
        "",
        "Folder of this run; empty: a fresh one under runs/.",
        tags=[MACHINE, FOLDER],
    )
    resume: str = setting(
        "",
        "Folder of a run to continue bit for bit with its own flags; only --epochs, "
        "evaluation and logging flags may be given besides.",
        tags=[MACHINE, FOLDER],
    )
    preset: str = setting(
        "", "Name of these settings, for tables and figures.", tags=[FREE]
    )
    tracker: Literal["none", "tensorboard", "wandb", "trackio"] = setting(
        "none",
        "Also show the metrics there, from files on this machine; extras of the same "
        "name.",
        tags=[MACHINE],
    )
    results_dir: str = setting(
        "",
        "Also store one small file per run here, for tables.",
        tags=[FREE, PLACE, FOLDER],
    )


class RunFolder:
    """A run folder to write into, locked until `close`."""

    def __init__(self, path: pathlib.Path, busy: str = _BUSY):
        """Locks the folder `path`; `busy` is said where another process has it.

        Raises:
            ConfigError: another process is writing there, or it cannot be written.
        """
        self.path = path
        with places.writing("run_dir", path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ConfigError(busy.format(path)) from None
        self._metrics: IO[str] | None = None

    def begin(self, flags_text: str, facts: Mapping[str, Any]) -> None:
        """Writes the flags and the software; keeps what a resumed run began with."""
        if (self.path / FLAGS).is_file():
            content = versions(self.path)
            content.setdefault("resumed", []).append(software.describe())
        else:
            name = {"run": secrets.token_hex(8)}
            content = {**name, **software.describe(), **facts}
        text = json.dumps(sealed.seal(content), indent=1) + "\n"
        _write(self.path / VERSIONS, text)
        # Last, as a folder with it is one that can be continued.
        seal = f"{_SEAL}{sealed.digest(flags_text)}\n"
        _write(self.path / FLAGS, seal + flags_text)

    def keep_until(self, epoch: int) -> None:
        """Drops lines after `epoch`, which a resumed run will write again."""
        lines = [x for x in metrics(self.path) if x["epoch"] <= epoch]
        text = "".join(map(_sealed_line, lines))
        _write(self.path / METRICS, text)

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Appends lines to metrics.jsonl."""
        with places.writing("run_dir", self.path):
            if self._metrics is None:
                self._metrics = (self.path / METRICS).open("a")
            self._metrics.writelines(map(_sealed_line, lines))
            self._metrics.flush()

    def close(self) -> None:
        """Releases the folder."""
        with places.writing("run_dir", self.path), self._lock:
            if self._metrics is not None:
                self._metrics.close()


class WrittenElsewhere(RunFolder):
    """The folder on a host that leaves all writing to another; writes nothing."""

    def __init__(self, path: pathlib.Path):
        """Locks nothing."""
        self.path = path

    def begin(self, flags_text: str, facts: Mapping[str, Any]) -> None:
        """Nothing; as the others."""

    def keep_until(self, epoch: int) -> None:
        """Nothing."""

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def place(output: Output, task: str, algorithm: str) -> pathlib.Path:
    """Where a run goes: the resumed folder, the one that is named, or a fresh one.

    Raises:
        ConfigError: the folder already holds something, and it is not resumed.
    """
    if output.resume and output.run_dir:
        raise ConfigError(
            f"--run_dir={output.run_dir}: a resumed run stays in its folder; drop it"
        )
    if output.resume:
        return pathlib.Path(output.resume)
    if not output.run_dir:
        return fresh(task, algorithm)
    path = pathlib.Path(output.run_dir)
    check_free(path)
    return path


def check_free(path: pathlib.Path) -> None:
    """Refuses a folder in which a run cannot begin.

    Raises:
        ConfigError: it holds something.
    """
    if not is_free(path):
        raise ConfigError(
            f"--run_dir={path}: not an empty folder; choose another, or continue it "
            f"with --resume={shlex.quote(str(path))}"
        )


def fresh(task: str, algorithm: str) -> pathlib.Path:
    """A new folder name under runs/; of two in a second, too."""
    when = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return pathlib.Path("runs") / f"{task}-{algorithm}-{when}"


def is_free(path: pathlib.Path) -> bool:
    """Whether a run may begin there.

    A command that ended before it trained leaves no flags.
    """
    if not path.exists():
        return True
    return path.is_dir() and {x.name for x in path.iterdir()} <= {LOCK, VERSIONS}


def has_checkpoint(path: pathlib.Path) -> bool:
    """Whether there is one to continue from; one cut short has a longer name."""
    return any(x.parent.name.isdecimal() for x in path.glob(f"{CHECKPOINT}/*/{STATE}"))


def metrics(path: pathlib.Path) -> list[Line]:
    """Lines of metrics.jsonl; a last line cut short by a kill is left out.

    Raises:
        CheckpointError: a line was altered.
    """
    file = path / METRICS
    if not file.exists():
        return []
    *lines, rest = sealed.read_text(file).split("\n")
    if _is_whole(rest[:-1]):
        raise sealed.damaged(str(file), f"ends with {rest[-1]!r}, not a new line")
    return [
        sealed.unseal(sealed.parse(line, source := f"{file}: line {i}"), source)
        for i, line in enumerate(lines, start=1)
    ]


def _is_whole(line: str) -> bool:
    """Whether a line has its end: what a kill has cut short is no JSON."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def has_only_begun(path: pathlib.Path) -> bool:
    """Whether a run ended before its first checkpoint: it can begin again."""
    return not has_checkpoint(path) and all(x["epoch"] == 0 for x in metrics(path))


def flags(path: pathlib.Path) -> dict[str, str]:
    """Flag -> value of a run folder, as text.

    Raises:
        CheckpointError: `path` is no run folder, or its flags were edited.
    """
    pairs = [line[2:].partition("=") for line in flag_lines(path)]
    return {name: value for name, _, value in pairs}


def flag_lines(path: pathlib.Path) -> list[str]:
    """The lines of flags.flags: a flag each.

    Raises:
        CheckpointError: see `flags`.
    """
    head, _, text = sealed.read_text(_of_run(path) / FLAGS).partition("\n")
    if head != _SEAL + sealed.digest(text):
        raise CheckpointError(
            f"{path / FLAGS}: was edited, or is of another version; restore it, or "
            "start a fresh run by --flagfile=COPY, without its first line; one that "
            "names no --defaults had the published ones"
        )
    return text.splitlines()


def versions(path: pathlib.Path) -> dict[str, Any]:
    """What versions.json says.

    Raises:
        CheckpointError: `path` is no run folder, or the file was altered.
    """
    return sealed.read_json(_of_run(path) / VERSIONS)


def identity(path: pathlib.Path) -> str | None:
    """What the run drew as its name; None in a folder that only keeps a checkpoint.

    Raises:
        CheckpointError: versions.json was altered.
    """
    if not (path / VERSIONS).exists():
        return None
    return str(versions(path)["run"])


def _of_run(path: pathlib.Path) -> pathlib.Path:
    for name in (FLAGS, VERSIONS):
        if not (path / name).exists():
            raise CheckpointError(f"{path}: no run folder, it has no {name}")
    return path


def _sealed_line(line: Mapping[str, Any]) -> str:
    return json.dumps(sealed.seal(line)) + "\n"


def _write(path: pathlib.Path, text: str) -> None:
    with places.writing("run_dir", path.parent):
        writing.write_text(path, text)
