"""What the flags ask of JAX before the first array exists."""

import subprocess
import sys

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


_GARBLES = """
import pathlib, sys, jax
from experiments import devices
devices.prepare(devices.Machine(compile_cache=sys.argv[1]), 1, None)

def compiled():
    jax.clear_caches()
    return float(jax.jit(lambda x: 3 * x + 1)(2.0))

assert compiled() == 7
programs = [x for x in pathlib.Path(sys.argv[1]).iterdir() if x.is_file()]
assert programs
for path in programs:
    path.write_bytes(b"garbled")
print(compiled())
"""


@pytest.mark.fault
def test_a_garbled_cache_is_compiled_again(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", _GARBLES, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout.split()[-1:]) == (0, ["7.0"]), ended.stderr


@pytest.mark.fault
def test_a_cache_that_cannot_be_written_is_refused(updates, tmp_path):
    (tmp_path / "file").write_text("")
    machine = Machine(compile_cache=str(tmp_path / "file" / "cache"))
    with pytest.raises(ConfigError, match=r"--compile_cache=.*: Not a directory"):
        devices.prepare(machine, 2, None)
