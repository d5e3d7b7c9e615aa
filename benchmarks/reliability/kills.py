"""Runs killed or stopped at random moments, and continued: is anything lost?"""

import itertools
import pathlib
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.reliability import runs
from benchmarks.reliability.score import Score
from experiments import run_folder

_RESUMABLE = 75
_GRACE = 10.0
"""Seconds that a run may take to stop; Kubernetes kills after 30."""


def killed(count: int, seed: int) -> Score:
    """Kills runs `count` times with SIGKILL, and continues each until it ends.

    A cycle fails where the newest checkpoint is unreadable or older than before it, or
    where the run that ends is not, to the bit, the one that nobody killed. What is
    killed before its first save begins again.
    """
    rng = np.random.default_rng(seed)
    failures: list[str] = []
    kills = unsaved = equal = 0
    with tempfile.TemporaryDirectory() as place:
        for case in itertools.count():
            if kills >= count:
                break
            name = runs.TASKS[case % len(runs.TASKS)]
            wanted, folder = runs.undisturbed(name), pathlib.Path(place) / f"{case}"
            before = -1
            for code in _cycles(folder, name, wanted.times.whole, rng):
                kills += code == -signal.SIGKILL
                before, finding = _finding(folder, code, before, wanted.digest)
                if finding:
                    failures.append(f"run {case}, {name}: {finding}")
                    break
                unsaved += before == -1
            else:
                equal += 1
    facts = {"runs equal to the bit": equal, "before the first save": unsaved}
    return Score(kills, tuple(failures), facts)


def stopped(count: int, seed: int) -> Score:
    """Stops runs with SIGTERM `count` times, and continues each to its end.

    Each is stopped after its first line of metrics. A stop fails where the exit code is
    not 75, where it takes more than ten seconds, where an epoch is lost whose metrics
    had been written, or where the end is not, to the bit, that of a run that nobody
    stopped.
    """
    rng = np.random.default_rng(seed)
    failures: list[str] = []
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        for case in itertools.count():
            if len(seconds) == count:
                break
            name = runs.TASKS[case % len(runs.TASKS)]
            wanted, folder = runs.undisturbed(name), pathlib.Path(place) / f"{case}"
            process = runs.start(folder, name)
            runs.wait_for_line(folder, process)
            time.sleep(rng.uniform(0, 0.9) * wanted.times.after)
            written, begun = runs.written(folder), time.monotonic()
            code, said = process.send(signal.SIGTERM), process.said()
            if code == 0:
                continue  # it had done all before the signal
            seconds.append(time.monotonic() - begun)
            finding = _stop(folder, code, written, seconds[-1])
            if not finding:
                runs.finish(folder, name)
                same = runs.digest(folder, runs.ITEMS) == wanted.digest
                finding = "" if same else "ends with other bits"
            if finding:
                failures.append(f"run {case}, {name}: {finding} {said}")
    facts = {"slowest, s": round(max(seconds), 1)}
    return Score(count, tuple(failures), facts)


def _stop(folder: pathlib.Path, code: int, written: int, seconds: float) -> str:
    """What is wrong with a run that was stopped; empty: nothing."""
    if code != _RESUMABLE:
        return f"ended with {code} after epoch {written}"
    if (saved := runs.epoch(folder)) < written:
        return f"epoch {written} was written, {saved} is saved"
    return "" if seconds <= _GRACE else f"took {seconds:.1f} s to stop"


def _cycles(
    folder: pathlib.Path,
    task: str,
    seconds: float,
    rng: np.random.Generator,
) -> Iterator[int]:
    """Starts a run again and again, and kills it, until it ends; the exit codes.

    A run without a checkpoint begins in a fresh folder.
    """
    code = -signal.SIGKILL
    while code == -signal.SIGKILL:
        if not run_folder.has_checkpoint(folder):
            shutil.rmtree(folder, ignore_errors=True)
        process = runs.start(folder, task)
        process.wait(rng.uniform(0.3, 1.2) * seconds)
        code = process.send(signal.SIGKILL)
        yield code


def _finding(
    folder: pathlib.Path, code: int, before: int, wanted: str
) -> tuple[int, str]:
    """The epoch that is saved after a cycle, and what is wrong, if anything."""
    if code not in (0, -signal.SIGKILL):
        return before, f"ended with {code}"
    try:
        after = runs.epoch(folder)
    except Exception as error:  # whatever it is, the run is lost
        return before, f"unreadable after a kill: {error}"
    if after < before:
        return after, f"epoch {before} was saved, {after} is left"
    if code == 0 and runs.digest(folder, runs.ITEMS) != wanted:
        return after, "ends with other bits"
    return after, ""
