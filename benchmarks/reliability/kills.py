"""Runs killed or stopped at random moments, and continued: is anything lost?"""

import pathlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.reliability import runs
from benchmarks.reliability.bits import ITEMS
from benchmarks.reliability.score import Score

_RESUMABLE = 75
_PATIENCE = 600


class _Undisturbed(NamedTuple):
    """A run that nobody disturbed."""

    digest: str
    seconds: float


def killed(count: int, seed: int) -> Score:
    """Kills runs `count` times with SIGKILL, and continues each until it ends.

    A cycle fails where the newest checkpoint is unreadable or older than before it, or
    where the run that ends is not, to the bit, the one that nobody killed.
    """
    rng = np.random.default_rng(seed)
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        root, wanted = pathlib.Path(place), {}
        kills = ended = 0
        while kills < count:
            name = runs.TASKS[ended % len(runs.TASKS)]
            if name not in wanted:
                wanted[name] = _undisturbed(root / name, name, root / "cache")
            folder, before = root / f"{ended}", -1
            for code in _cycles(
                folder, name, root / "cache", wanted[name].seconds, rng
            ):
                kills += code == -signal.SIGKILL
                after, finding = _finding(folder, code, before, wanted[name].digest)
                before = max(before, after)
                failures += [f"run {ended}, {name}: {finding}"] if finding else []
                if finding:
                    break
            ended += 1
    return Score(kills, tuple(failures), {"runs equal to the bit": ended})


def stopped(count: int, seed: int) -> Score:
    """Stops runs with SIGTERM `count` times: each is saved, and goes on to the bit."""
    rng = np.random.default_rng(seed)
    failures: list[str] = []
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        root, wanted = pathlib.Path(place), {}
        for case in range(count):
            name = runs.TASKS[case % len(runs.TASKS)]
            if name not in wanted:
                wanted[name] = _undisturbed(root / name, name, root / "cache")
            folder = root / f"{case}"
            process = runs.start(folder, name, root / "cache")
            time.sleep(rng.uniform(0.1, 0.8) * wanted[name].seconds)
            begun = time.monotonic()
            process.terminate()
            _, said = process.communicate(timeout=_PATIENCE)
            if process.returncode == _RESUMABLE:
                seconds.append(time.monotonic() - begun)
                runs.finish(folder, name, root / "cache")
            elif process.returncode:  # 0: it had ended before the signal
                failures.append(f"case {case}, {name}: {process.returncode}: {said}")
                continue
            if runs.digest(folder, ITEMS) != wanted[name].digest:
                failures.append(f"case {case}, {name}: other bits at the end")
    facts = {"stopped": len(seconds), "slowest, s": round(max(seconds, default=0), 1)}
    return Score(count, tuple(failures), facts)


def _cycles(
    folder: pathlib.Path,
    task: str,
    cache: pathlib.Path,
    seconds: float,
    rng: np.random.Generator,
) -> Iterator[int]:
    """Starts a run again and again, and kills it, until it ends; the exit codes."""
    code = -signal.SIGKILL
    while code == -signal.SIGKILL:
        process = runs.start(folder, task, cache)
        try:
            process.communicate(timeout=rng.uniform(0.3, 1.2) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        code = process.returncode
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
    if code == 0 and runs.digest(folder, ITEMS) != wanted:
        return after, "ends with other bits"
    return after, ""


def _undisturbed(folder: pathlib.Path, task: str, cache: pathlib.Path) -> _Undisturbed:
    seconds = runs.finish(folder, task, cache)
    return _Undisturbed(runs.digest(folder, ITEMS), seconds)
