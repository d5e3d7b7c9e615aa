"""Shared settings: strict JAX, two devices, a compile cache, local data."""

import atexit
import os
import pathlib
import signal
import tempfile

# Bits depend on how XLA's thread pool splits its work; set before JAX is imported.
os.environ.setdefault("NPROC", "1")

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Commands compile the same tiny programs again and again.
_CACHE = tempfile.TemporaryDirectory(prefix="h2o_jax_test_cache_")
atexit.register(_CACHE.cleanup)  # left to itself it warns
jax.config.update("jax_compilation_cache_dir", _CACHE.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


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
    """Compiles quickly and runs slowly: for commands that run a few tiny updates."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
