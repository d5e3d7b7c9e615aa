"""Two processes on this machine do what one does, and any number goes on."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments import hosts, run_folder
from experiments.devices import Machine
from experiments.run_folder import checkpoints
from h2o_jax.errors import ConfigError, HostError
from tests.commands import TINY, parsed

pytestmark = pytest.mark.usefixtures("fast_compile")
ROOT = pathlib.Path(__file__).resolve().parents[1]
# One run needs a channel for its commands, the others do not. The replay does not grow
# with the epochs, so that one program serves them all.
THREE = (
    *TINY,
    "--algorithm=sac",
    "--gap=gravity:2,gravity:1.5,joint_noise:1",
    "--replay_rows=120",
)


def start(*arguments):
    """A host on its own, one device per run it may get."""
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.run", "--defaults=published", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "NPROC": "1",
            "JAX_PLATFORMS": "cpu",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            # With those of conftest.py bits depend on a process's number of devices.
            "XLA_FLAGS": "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes):
    """Output of each, once all have ended well."""
    found = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(found), found
    return found


def both(*arguments):
    """The same command on two hosts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    join = ("--distributed", f"--coordinator=127.0.0.1:{port}", "--hosts=2")
    return [start(*arguments, *join, f"--host={i}") for i in range(2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same three runs on one host, on two, and on two with one that resumed."""
    folder = tmp_path_factory.mktemp("hosts")
    command = (*THREE, "--epochs=2")
    one = start(*command, f"--run_dir={folder / 'one'}")
    outputs = finish(*both(*command, f"--run_dir={folder / 'two'}"))
    finish(one)
    (folder / "output.json").write_text(json.dumps(outputs))
    return folder


def same_bits(first, second):
    for item in ("state", "policy", "best"):
        one, two = (checkpoints.read(x / "checkpoint", item) for x in (first, second))
        assert one.info["epoch"] == two.info["epoch"]
        assert one.arrays.keys() == two.arrays.keys()
        for path, array in one.arrays.items():
            np.testing.assert_array_equal(array, two.arrays[path], err_msg=path)


def results(folder):
    drop = ("seconds",)
    return [
        {k: v for k, v in line.items() if k not in drop}
        for line in run_folder.metrics(folder)
    ]


def test_two_hosts_do_what_one_does(folder):
    same_bits(folder / "one", folder / "two")
    assert results(folder / "one") == results(folder / "two")


def test_host_0_alone_speaks(folder):
    first, second = json.loads((folder / "output.json").read_text())
    assert "final return" in first
    assert "final return" not in second and "epoch" not in second


def test_an_error_on_one_host_ends_all(folder):
    processes = both(*THREE, "--epochs=2", f"--run_dir={folder / 'one'}")
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert processes[0].returncode == ConfigError.exit_code
    # JAX may be first to miss the host that all others report to.
    assert processes[1].returncode in (HostError.exit_code, -signal.SIGABRT)
    # What JAX's own network layer says comes whenever its buffer is emptied.
    ours = [x for x in outputs[0].splitlines() if not x.startswith("[Gloo]")]
    assert "host 0: --run_dir=" in ours[-1]


def test_another_number_of_hosts_goes_on_until_one_is_lost(folder):
    """One host's runs on two, of which one dies; then two hosts' on one, as far."""
    place = folder / "one"
    processes = both(f"--resume={place}", "--epochs=1000")
    deadline = time.monotonic() + 120
    while max(line["epoch"] for line in run_folder.metrics(place)) < 4:
        assert time.monotonic() < deadline and processes[1].poll() is None
        time.sleep(0.1)
    processes[1].kill()
    output = processes[0].communicate(timeout=120)[0]
    processes[1].communicate()
    assert processes[0].returncode == HostError.exit_code, output
    assert "host 0: another host is gone" in output.splitlines()[-1]
    saved = checkpoints.read(place / "checkpoint").info["epoch"]
    assert saved > 2
    finish(start(f"--resume={folder / 'two'}", f"--epochs={saved}"))
    same_bits(folder / "one", folder / "two")


def test_long_rows_come_to_host_0_in_pieces(monkeypatch):
    """Two hosts of two rows and one, played by one process."""
    rows = np.arange(30, dtype=np.uint8).reshape(3, 10)
    sent = []

    def everybodys(x):
        if x.ndim == 2:
            return np.array([[2, 10], [1, 10]])
        sent.append(x.shape)
        first = 4 * (len(sent) - 1)
        other = np.zeros_like(x)
        other[0, :1, : len(rows[0, first : first + 4])] = rows[2:, first : first + 4]
        return np.concatenate([x, other])

    monkeypatch.setattr(hosts, "_all", everybodys)
    monkeypatch.setattr(hosts, "_CHUNK", 8)
    np.testing.assert_array_equal(hosts._gather_rows(rows[:2]), rows)
    assert sent == [(1, 2, 4)] * 3
    sent.clear()
    monkeypatch.setattr(hosts, "leads", lambda: False)
    assert hosts._gather_rows(rows[:2]).shape == (0, 10)


def test_gather_keeps_every_bit_on_one_host():
    arrays = {"a": np.array([[1.0, np.nan], [2.0, 3.0]]), "b": np.array([True, False])}
    for name, array in hosts.gather(arrays).items():
        np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.fault
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hosts=2",), "give --distributed too"),
        (("--distributed", "--hosts=2"), "give all three, or none"),
        (("--distributed", "--coordinator=here:1", "--host=0"), "give all three"),
    ],
)
def test_incomplete_flags(arguments, message):
    with pytest.raises(ConfigError, match=message):
        hosts.join(parsed(*arguments).of(Machine))
