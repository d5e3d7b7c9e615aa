"""Shared settings: strict JAX, pinned threads, and where local data may lie."""

import os
import pathlib

# Bits depend on how XLA's thread pool splits its work; set before JAX is imported.
os.environ.setdefault("NPROC", "2")

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")

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
