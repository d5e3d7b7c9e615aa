"""Programs of a ledger that are begun and not finished: ROOT/.work/NAME/.

program.json    the cells that it makes
lock            locked while anyone trains it, by the grid and by the run itself
run/, log.txt   the run folder, and what the run printed

Who chooses what to do next holds ROOT/.work/lock meanwhile, so that two commands on one
ledger never choose the same.
"""

import contextlib
import fcntl
import hashlib
import json
import pathlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple

from experiments import places, run_folder
from experiments.run_folder import checkpoints
from h2o_jax.data import writing

NOTE = "program.json"
_TAIL = 1 << 16
"""Bytes at the end of metrics.jsonl that hold its last line."""


class Content(NamedTuple):
    """What program.json says."""

    title: str
    cells: dict[str, int]
    """Identity -> index in the grid of its group."""
    command: str
    """Module."""
    arguments: list[str]
    epochs: int
    """0 where a log is collected."""
    kind: str
    """What its speed depends on."""


class Program:
    """A folder of begun work."""

    def __init__(self, folder: pathlib.Path):
        """Reads what is there."""
        self.folder = folder
        self.content = Content(**json.loads((folder / NOTE).read_text()))
        self._lock: IO[str] | None = None

    @property
    def run(self) -> pathlib.Path:
        """The run folder."""
        return self.folder / "run"

    @property
    def log(self) -> pathlib.Path:
        """What the run printed."""
        return self.folder / "log.txt"

    @property
    def last(self) -> Mapping[str, Any]:
        """The last line of its metrics; empty before there is one."""
        path = self.run / run_folder.METRICS
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            lines = file.read().split(b"\n")[:-1]
        last: Mapping[str, Any] = json.loads(lines[-1]) if lines else {}
        return last

    @property
    def epoch_seconds(self) -> float:
        """Wall time of its last epoch; 0 where none is over."""
        return float(sum(self.last.get("seconds", {}).values()))

    def claim(self) -> bool:
        """Locks it; False where it is being trained, or gone."""
        try:
            lock = (self.folder / "lock").open("a")
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def stored(self, have: Mapping[str, int]) -> bool:
        """Whether it has come to its end and a ledger holds its cells.

        Args:
            have: identity -> steps of what the ledger holds.
        """
        last, (_, cells, _, _, epochs, _) = self.last, self.content
        if not epochs or last.get("epoch") != epochs:
            return False
        return all(have.get(x, 0) >= last["steps"] for x in cells)

    def release(self) -> None:
        """Unlocks it, unless its run is still alive: that inherits the lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def inherited(self) -> list[int]:
        """File descriptors that keep it locked in a child process."""
        assert self._lock is not None
        return [self._lock.fileno()]

    def command(self) -> list[str]:
        """What to run, to begin or to continue."""
        _, cells, command, given, epochs, _ = self.content
        words = [sys.executable, "-u", "-m", command]
        if not epochs:
            return [*words, *given]
        place = "resume"
        if not run_folder.has_checkpoint(self.run):
            place = "run_dir"
            shutil.rmtree(self.run, ignore_errors=True)
        only = ",".join(map(str, sorted(cells.values())))
        given = [*given, f"--only={only}", f"--epochs={epochs}"]
        return [*words, *given, f"--{place}={self.run}"]


@contextlib.contextmanager
def choosing(root: pathlib.Path) -> Iterator[None]:
    """Keeps others on this ledger from choosing meanwhile.

    Raises:
        ConfigError: the ledger cannot be written.
    """
    with places.writing("results_dir", root):
        (root / ".work").mkdir(parents=True, exist_ok=True)
        lock = (root / ".work" / "lock").open("a")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def begun(root: pathlib.Path) -> list[Program]:
    """Every program that is begun, whether or not it is being trained."""
    programs = []
    for note in sorted(root.glob(f".work/*/{NOTE}")):
        with contextlib.suppress(FileNotFoundError):  # another has just finished it
            programs.append(Program(note.parent))
    return programs


def begin(root: pathlib.Path, content: Content) -> Program:
    """A new program, claimed; call it while `choosing`."""
    name = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
    folder = root / ".work" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _note(folder, content)
    program = Program(folder)
    program.claim()
    return program


def lengthen(program: Program, epochs: int) -> None:
    """Lets a begun program go on for longer, where a plan asks for that now."""
    if program.content.epochs and epochs > program.content.epochs:
        program.content = program.content._replace(epochs=epochs)
        _note(program.folder, program.content)


def _note(folder: pathlib.Path, content: Content) -> None:
    writing.write_json(folder / NOTE, content._asdict())


def finish(root: pathlib.Path, program: Program, keep: str) -> None:
    """Removes a program whose cells are stored; its policies are kept on demand."""
    with choosing(root):
        if keep and program.run.is_dir():
            target = pathlib.Path(keep) / program.folder.name
            checkpoints.drop_state(program.run / run_folder.CHECKPOINT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            shutil.move(program.run, target)
        shutil.rmtree(program.folder)
    program.release()
