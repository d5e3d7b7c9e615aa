"""Inputs of every kind, damaged at random: each is used rightly or refused in a line.

    python -m benchmarks.reliability.fuzz KIND FIRST COUNT FOLDER

reads inputs FIRST to FIRST + COUNT of a kind, and prints a line for each before it, so
that what ends the process can be told.
"""

import faulthandler
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from benchmarks.reliability import samples
from benchmarks.reliability.score import Score
from experiments.cli import parsing
from experiments.cli.flags import Flags
from experiments.experiment import Experiment
from experiments.exporting.policy import Policy, PolicyError
from experiments.run import SETTINGS
from experiments.run_folder import checkpoints
from h2o_jax.data import columns_file, datasets
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.errors import H2OError
from h2o_jax.sim import gaps, simulator_file
from h2o_jax.sim.tasks import files as task_files
from h2o_jax.sim.tasks import mjcf

_SECONDS = 20
"""That reading one input may take."""
_LINE = '{"case": '
"""Begins the lines of a child."""


def fuzzed(count: int, seed: int) -> Score:
    """Reads about `count` damaged inputs, an equal share of every kind."""
    each = -(-count // len(kinds()))
    failures: list[str] = []
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for kind in kinds():
            found, accepted = _kind(kind, seed, each, place)
            failures += found
            facts[kind] = {"refused": each - accepted - len(found), "used": accepted}
    return Score(each * len(kinds()), tuple(failures), facts)


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
        said = child.stdout.splitlines()  # simulators print there, too
        lines = [json.loads(x) for x in said if x.startswith(_LINE)]
        results = [x for x in lines if "what" in x]
        failures += [f"{kind} {x['case']}: {x['what']}" for x in results if x["bad"]]
        accepted += sum(x["what"] == "used" for x in results)
        if child.returncode == 0:
            break
        last = lines[-1]["case"] if lines else first
        failures.append(f"{kind} {last}: ended the process with {child.returncode}")
        first = last + 1
    return failures, accepted


def read_flags(words: list[str]) -> Experiment:
    """Every flag of a run, as `experiments.run` reads them."""
    flags = Flags(*SETTINGS)
    flags.parse(["run", *words])
    for group in SETTINGS:
        flags.values(group)
    return parsing.experiment(flags)


def _flags(words: list[str]) -> None:
    runs = read_flags(words).runs
    _finite(np.float32(value) for run in runs for _, value in run.hyper)
    _finite(x.factor for run in runs for x in run.gap)


def _log(path: str, columns: ColumnsFile | None = None) -> None:
    rows = datasets.load(
        path, obs_dim=samples.OBS, action_dim=samples.ACTIONS, columns=columns
    ).transition
    for x in rows[:-1]:
        assert np.isfinite(x).all() and len(x) == len(rows.r_t)
    assert np.abs(rows.a_tm1).max() <= 1


def _columns(path: str) -> None:
    read = columns_file.read(path)
    _finite(x for x in (read.rate, read.gap, read.latency) if x is not None)
    _finite(limit for limits in read.bounds for limit in limits)


def _simulator(path: str) -> None:
    read = simulator_file.read(path)
    _finite(x for value in read.fields for x in value[1:])


def _gaps(text: str) -> None:
    _finite(x.factor for gap in gaps.parse_list(text, "hopper") for x in gap)


def _model(path: str) -> None:
    task = mjcf.from_mjcf(
        path,
        frame_skip=4,
        observe=lambda qpos, qvel: np.concatenate((qpos, qvel), axis=1),
        reward=lambda motion: -motion.s_t[:, 0],
        spread=0.1,
    )
    model = task_files.named(task, pathlib.Path(path).read_bytes()).spec().compile()
    _finite((model.opt.timestep, *model.opt.gravity, *model.body_mass))
    _finite(model.actuator_ctrlrange.flat)


def _checkpoint(folder: str) -> None:
    found = checkpoints.read(pathlib.Path(folder))
    assert found.info == samples.INFO, "other facts were accepted"
    for name, x in samples.SAVED.items():
        assert np.array_equal(found.arrays[name], x), "other arrays were accepted"


def _policy(path: str) -> None:
    action = Policy(path)(np.zeros(samples.OBS))
    assert np.allclose(action, samples.ACTION), "another policy was accepted"


def _finite(numbers: Iterable[Any]) -> None:
    assert all(map(np.isfinite, numbers)), "a number that is not finite was accepted"


READERS: Mapping[str, Callable[[Any], object]] = {
    "hdf5": _log,
    "npz": _log,
    "arrays": _log,
    "csv": _log,
    "parquet": lambda path: _log(path, samples.columns()),
    "mcap": lambda path: _log(path, samples.columns(f"{samples.TOPIC}.")),
    "columns": _columns,
    "simulator": _simulator,
    "model": _model,
    "gaps": _gaps,
    "flags": _flags,
    "flagfile": lambda path: _flags([f"--flagfile={path}"]),
    "checkpoint": _checkpoint,
    "policy": _policy,
}
"""Kind -> reads an input; raises H2OError where it cannot be used, AssertionError where
what it says makes no sense."""
_NEEDS = {"parquet": ("pyarrow",), "mcap": ("mcap", "mcap_ros2")}
"""Kind -> modules of extras without which it is left out."""


def kinds() -> list[str]:
    """The kinds that can be read here."""
    return [
        kind
        for kind in READERS
        if all(importlib.util.find_spec(x) for x in _NEEDS.get(kind, ()))
    ]


def _late(*_: int | FrameType | None) -> NoReturn:
    raise TimeoutError(f"took more than {_SECONDS} s")


def main(kind: str, first: int, count: int, folder: pathlib.Path) -> None:
    """Reads `count` inputs of a kind, a line before and one after each."""
    signal.signal(signal.SIGALRM, _late)
    os.chdir(folder)  # simulators leave logs where they are
    make = samples.maker(kind, folder)
    for case in range(first, first + count):
        given = make(np.random.default_rng(case))
        print(json.dumps({"case": case}), flush=True)
        signal.alarm(_SECONDS)
        # Ends what does not come back from a library in C.
        faulthandler.dump_traceback_later(2 * _SECONDS, exit=True)
        try:
            READERS[kind](given)
            what, bad = "used", False
        except (H2OError, PolicyError) as error:
            what, bad = "refused", "\n" in str(error) or not str(error)
        except BaseException as error:  # what a user would see as a traceback
            what, bad = f"{type(error).__name__}: {error}"[:200], True
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps({"case": case, "what": what, "bad": bad}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4]))
