"""Shared settings: strict JAX, two devices, a compile cache, local data."""

import atexit
import importlib.metadata
import os
import pathlib
import signal
import tempfile

# Bits depend on how XLA's thread pool splits its work; set before JAX is imported.
os.environ.setdefault("NPROC", "1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# XLA's former way to fuse compiles in half the time. A version that does not know the
# flag would end at once.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    given = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{given} --xla_cpu_use_fusion_emitters=false"

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tests compile the same tiny programs again and again. The first process says where
# they are kept, so that its workers and their commands share them.
PLACE = "JAX_COMPILATION_CACHE_DIR"
if PLACE not in os.environ:
    _CACHE = tempfile.TemporaryDirectory(prefix="h2o_jax_test_cache_")
    atexit.register(_CACHE.cleanup)  # left to itself it warns
    os.environ[PLACE] = _CACHE.name
jax.config.update("jax_compilation_cache_dir", os.environ[PLACE])

LONGEST = (
    *("algorithms", "learning", "run", "hosts", "own_robot", "robot", "benchmarks"),
    *("report", "run_ends", "routes", "grid", "readme", "correct", "run_methods"),
)
"""Modules that take long, the longest first."""
SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config):
    """Workers get whole modules in the order below, not by their numbers of tests."""
    if hasattr(config.option, "loadscopereorder"):  # where pytest-xdist is installed
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Long modules first: one left for the end would keep a single worker busy."""
    rank = {f"{name}_test.py": i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture
def shared_file():
    """Path of a file beside the project; skips the test where it is absent."""

    def find(name: str) -> pathlib.Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs {name} in shared/data")
        return path

    return find


@pytest.fixture(autouse=True)
def signals():
    """Handles signals as before: a command that has ended ignores some."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    former = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, former, strict=True):
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def fast_compile():
    """For a few tiny updates: compiles quickly, and commands share their programs.

    What is compiled so runs slowly.
    """
    from tests import programs  # here, so that tests of pure maths start at once

    jax.config.update("jax_disable_most_optimizations", True)
    with programs.shared():
        yield
    jax.config.update("jax_disable_most_optimizations", False)
