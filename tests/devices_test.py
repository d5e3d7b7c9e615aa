"""What the flags ask of JAX before the first array exists."""

import jax
import pytest

from experiments import devices
from experiments.cli import console
from h2o_jax.errors import ConfigError
from tests.commands import parsed


@pytest.fixture
def asked(monkeypatch):
    """Settings that JAX is given, by name; none of them takes effect."""
    found = {}
    monkeypatch.setattr(jax.config, "update", found.__setitem__)
    monkeypatch.setattr(console, "use_cores", lambda cores, runs: None)
    return found


def test_nothing_is_changed_without_flags(asked):
    with parsed():
        devices.prepare(2, None)
    assert asked == {}


def test_precision_and_compile_cache(asked, tmp_path):
    with parsed(f"--compile_cache={tmp_path}"):
        devices.prepare(2, "bfloat16")
    assert asked["jax_default_matmul_precision"] == "bfloat16"
    assert asked["jax_compilation_cache_dir"] == str(tmp_path)
    assert asked["jax_persistent_cache_min_compile_time_secs"] == 0.0


def test_a_cache_that_cannot_be_written_is_refused(asked, tmp_path):
    (tmp_path / "file").write_text("")
    with (
        parsed(f"--compile_cache={tmp_path / 'file' / 'cache'}"),
        pytest.raises(ConfigError, match=r"--compile_cache=.*: Not a directory"),
    ):
        devices.prepare(2, None)
