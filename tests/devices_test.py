"""What the flags ask of JAX before the first array exists."""

import jax
import pytest

from experiments import devices
from experiments.devices import Machine
from h2o_jax.errors import ConfigError


@pytest.fixture
def updates(monkeypatch):
    """Settings that JAX is given, by name; none of them takes effect."""
    settings = {}
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    monkeypatch.setattr(devices, "use_cores", lambda cores, runs: None)
    return settings


def test_nothing_is_changed_without_flags(updates):
    devices.prepare(Machine(), 2, None)
    assert updates == {}


def test_precision_and_compile_cache(updates, tmp_path):
    devices.prepare(Machine(compile_cache=str(tmp_path)), 2, "bfloat16")
    assert updates["jax_default_matmul_precision"] == "bfloat16"
    assert updates["jax_compilation_cache_dir"] == str(tmp_path)
    assert updates["jax_persistent_cache_min_compile_time_secs"] == 0.0


@pytest.mark.fault
def test_a_cache_that_cannot_be_written_is_refused(updates, tmp_path):
    (tmp_path / "file").write_text("")
    machine = Machine(compile_cache=str(tmp_path / "file" / "cache"))
    with pytest.raises(ConfigError, match=r"--compile_cache=.*: Not a directory"):
        devices.prepare(machine, 2, None)
