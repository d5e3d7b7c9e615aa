"""Inputs of every kind, damaged at random: each is used rightly or refused in a line.

    python -m benchmarks.reliability.fuzz KIND FIRST COUNT FOLDER

reads inputs FIRST to FIRST + COUNT of a kind, and prints a line for each before it, so
that what ends the process can be told.
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from benchmarks.reliability import samples
from benchmarks.reliability.score import Score
from experiments.cli import parsing
from experiments.cli.flags import Flags
from experiments.exporting.policy import Policy, PolicyError
from experiments.run import SETTINGS
from h2o_jax.data import columns_file, datasets
from h2o_jax.errors import H2OError
from h2o_jax.sim import gaps, simulator_file

_SECONDS = 20
"""That reading one input may take."""


def fuzzed(count: int, seed: int) -> Score:
    """Reads about `count` damaged inputs, an equal share of every kind."""
    each = -(-count // len(READERS))
    failures: list[str] = []
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for kind in READERS:
            found, accepted = _kind(kind, seed, each, place)
            failures += found
            facts[kind] = {"refused": each - accepted - len(found), "used": accepted}
    return Score(each * len(READERS), tuple(failures), facts)


def _kind(kind: str, seed: int, count: int, place: str) -> tuple[list[str], int]:
    """Failures of a kind, and how many inputs were used; a crash costs one input."""
    failures, accepted, first = [], 0, seed
    while first < seed + count:
        rest = str(seed + count - first)
        child = subprocess.run(
            [sys.executable, "-m", __spec__.name, kind, str(first), rest, place],
            capture_output=True,
            text=True,
        )
        lines = [json.loads(line) for line in child.stdout.splitlines()]
        results = [x for x in lines if "what" in x]
        failures += [f"{kind} {x['case']}: {x['what']}" for x in results if x["bad"]]
        accepted += sum(x["what"] == "used" for x in results)
        if child.returncode == 0:
            break
        last = lines[-1]["case"] if lines else first
        failures.append(f"{kind} {last}: ended the process with {child.returncode}")
        first = last + 1
    return failures, accepted


def _flags(words: list[str]) -> None:
    flags = Flags(*SETTINGS)
    flags.parse(["run", *words])
    parsing.experiment(flags)


def _log(path: str) -> None:
    rows = datasets.load(
        path, obs_dim=samples.OBS, action_dim=samples.ACTIONS
    ).transition
    for x in rows[:-1]:
        assert np.isfinite(x).all() and len(x) == len(rows.r_t)
    assert np.abs(rows.a_tm1).max() <= 1


def _policy(path: str) -> None:
    action = Policy(path)(np.zeros(samples.OBS))
    assert np.allclose(action, samples.ACTION), "another policy was accepted"


READERS: Mapping[str, Callable[[Any], object]] = {
    "hdf5": _log,
    "npz": _log,
    "arrays": _log,
    "csv": _log,
    "columns": lambda path: columns_file.read(path),
    "simulator": simulator_file.read,
    "gaps": lambda text: gaps.parse_list(text, "hopper"),
    "flags": _flags,
    "flagfile": lambda path: _flags([f"--flagfile={path}"]),
    "policy": _policy,
}
"""Kind -> reads an input; raises H2OError where it cannot be used."""


def _late(*_: int | FrameType | None) -> NoReturn:
    raise TimeoutError(f"took more than {_SECONDS} s")


def main(kind: str, first: int, count: int, folder: pathlib.Path) -> None:
    """Reads `count` inputs of a kind, a line before and one after each."""
    signal.signal(signal.SIGALRM, _late)
    make = samples.maker(kind, folder)
    for case in range(first, first + count):
        given = make(np.random.default_rng(case))
        print(json.dumps({"case": case}), flush=True)
        signal.alarm(_SECONDS)
        try:
            READERS[kind](given)
            what, bad = "used", False
        except (H2OError, PolicyError) as error:
            what, bad = "refused", "\n" in str(error) or not str(error)
        except BaseException as error:  # what a user would see as a traceback
            what, bad = f"{type(error).__name__}: {error}"[:200], True
        signal.alarm(0)
        print(json.dumps({"case": case, "what": what, "bad": bad}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4]))
