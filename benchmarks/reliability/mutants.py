"""Small changes of the maths and resume code: its tests must notice every one.

    python -m benchmarks.reliability.mutants

reads a line of JSON for each mutant, a module and the number of its change, and prints
how its tests ended, as pytest has it. Every mutant lives in a copy of a process that
has imported the libraries, and in memory only; nothing is written beside the sources.
"""

import atexit
import functools
import importlib
import importlib.abc
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.reliability.changes import Changes
from benchmarks.reliability.score import Score

_FOLDERS = ("run_folder", "foreign_folders", "checkpoints")
TESTS: Mapping[str, Sequence[str]] = {
    "h2o_jax.value_losses": ("value_losses",),
    "h2o_jax.targets": ("targets", "batch_shapes"),
    "h2o_jax.ratios": ("ratios", "batch_shapes"),
    "h2o_jax.policy_losses": ("policy_losses", "batch_shapes"),
    "h2o_jax.critic_losses": ("critic_losses", "batch_shapes"),
    "h2o_jax.distributions": ("distributions", "batch_shapes"),
    "h2o_jax.replay": ("replay",),
    "h2o_jax.packing": ("packing",),
    "h2o_jax.learner": ("learner",),
    "experiments.run_folder.sealed": _FOLDERS,
    "experiments.run_folder.checkpoints": ("checkpoints",),
    "experiments.run_folder.saving": ("saving", "golden_run"),
    "experiments.run_folder": _FOLDERS,
}
"""Module -> modules of tests that must notice a change of it."""
_IMPORTED = (
    *("chex", "flax", "gymnasium", "h5py", "jax", "minari", "mujoco", "optax"),
    *("orbax.checkpoint", "scipy.stats", "tensorstore"),
)
# Hypothesis then has the same examples for every mutant, and keeps none that failed.
_SETTINGS = {"NPROC": "1", "JAX_PLATFORMS": "cpu", "CI": "true"}
_SECONDS = 300
"""That tests may take before they count as hung."""


class Mutant(NamedTuple):
    """A module with one change."""

    module: str
    site: int
    says: str
    """Where and what."""


def killed(count: int, seed: int) -> Score:
    """Changes the code at `count` random sites, or at all if they are fewer.

    Raises:
        RuntimeError: tests fail without a change.
    """
    every = [x for module in TESTS for x in mutants(module)]
    order = np.random.default_rng(seed).permutation(len(every))
    drawn = sorted(every[i] for i in order[:count])
    for module in sorted({x.module for x in drawn}):
        if code := _ends(module, None):
            raise RuntimeError(f"the tests of {module} end with {code} as it is")
    codes = [_ends(x.module, x.site) for x in drawn]
    survivors = [x for x, code in zip(drawn, codes, strict=True) if not code]
    facts = {"sites": len(every), "hung": codes.count(-signal.SIGALRM)}
    return Score(len(drawn), tuple(x.says for x in survivors), facts)


def mutants(module: str) -> list[Mutant]:
    """All changes of a module, in the order of its text."""
    path = _path(module)
    changes = Changes(path.read_text())
    return [Mutant(module, i, f"{path}:{what}") for i, what in enumerate(changes.found)]


def _path(module: str) -> pathlib.Path:
    path = pathlib.Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


# --- running their tests --------------------------------------------------------------


def _ends(module: str, site: int | None) -> int:
    """The exit code of a module's tests after a change of it, or after none."""
    copies = _copies()
    assert copies.stdin and copies.stdout
    print(json.dumps([module, site]), file=copies.stdin, flush=True)
    return int(copies.stdout.readline())


@functools.cache
def _copies() -> subprocess.Popen[str]:
    """What runs the tests; it ends with this process."""
    place = tempfile.TemporaryDirectory()  # for what tests that hang leave behind
    copies = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reliability.mutants"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **_SETTINGS, "TMPDIR": place.name},
    )
    atexit.register(place.cleanup)
    atexit.register(copies.communicate)
    return copies


def main() -> None:
    """Runs the tests of every mutant, one after the other."""
    for name in (*_IMPORTED, "pytest"):
        importlib.import_module(name)
    for line in sys.stdin:
        if not (child := os.fork()):
            sys.exit(_test(*json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _test(module: str, site: int | None) -> int:
    """Runs the tests of a module; ends this process where they hang."""
    signal.alarm(_SECONDS)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.meta_path.insert(0, _Importer(module, site))
    tests = [f"tests/{name}_test.py" for name in TESTS[module]]
    plain = ("-p", "no:cacheprovider", "-p", "no:xdist")
    return int(importlib.import_module("pytest").main(["-x", *plain, *tests]))


class _Importer(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports one module changed, and leaves the others to Python."""

    def __init__(self, module: str, site: int | None):
        self._module, self._site = module, site

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self._module:
            return None
        place = _path(fullname).absolute()
        return importlib.util.spec_from_file_location(fullname, place, loader=self)

    def is_package(self, fullname: str) -> bool:
        return _path(fullname).name == "__init__.py"

    def get_source(self, fullname: str) -> str:
        return _path(fullname).read_text()

    def get_code(self, fullname: str) -> CodeType:
        tree = Changes(self.get_source(fullname), self._site).tree
        place = str(_path(fullname).absolute())
        return self.source_to_code(tree, place)  # which takes trees, too


if __name__ == "__main__":
    main()
