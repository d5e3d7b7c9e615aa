"""Signals that stop a command, and those that are left alone."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from experiments import jobs
from experiments.cli import interrupts
from h2o_jax.errors import StoppedError

pytestmark = pytest.mark.fault

HUNG_UP = """
import os, signal, sys
from experiments.cli import interrupts
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
with interrupts.Stop("the epoch ends") as stop:
    os.write(1, b"ready\\n")  # at once, as the terminal closes after it
    sys.stdin.read()  # until the terminal is closed
    os.kill(os.getpid(), signal.SIGHUP)
    print("one more line", flush=True)
sys.exit(75 if stop.received is signal.SIGHUP else 1)
"""


ENDED = """
import hashlib, os, signal, sys, time
from experiments.cli import console, interrupts

def main(flags):
    os.write(1, b"ready\\n")
    if sys.argv[0] == "busy":  # for minutes, and nowhere in Python
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    time.sleep(60)

interrupts._BUSY = 0.2
sys.argv = sys.argv[1:]
# A shell or nohup may have them ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
console.command(main, "", ())
"""


@pytest.mark.parametrize(
    ("name", "kind"), [("SIGTERM", "busy"), ("SIGHUP", "idle"), ("SIGINT", "idle")]
)
def test_a_command_that_has_nothing_to_save_ends_at_once(name, kind):
    child = subprocess.Popen(
        [sys.executable, "-c", ENDED, kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    began = time.monotonic()
    child.send_signal(signal.Signals[name])
    _, errors = child.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert child.returncode == (130 if name == "SIGINT" else 75)
    assert errors == (
        f"h2o_jax: error: {name}: ended at once; a run goes on from its last "
        "checkpoint, if it has one\n"
    )


LATE = """
import atexit, os, signal, sys
from experiments.cli import console

def main(flags):
    atexit.register(os.kill, os.getpid(), signal.Signals[sys.argv[0]])

sys.argv = sys.argv[1:]
console.command(main, "", ())
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_comes_when_all_is_done_changes_nothing(name):
    subprocess.run([sys.executable, "-c", LATE, name], check=True)


def test_a_closed_terminal_is_a_reason_to_stop_and_no_error():
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", HUNG_UP, "SIG_DFL"],
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    assert os.read(ours, 100).startswith(b"ready")
    os.close(ours)
    child.stdin.close()
    assert child.wait(timeout=60) == 75


def test_nohup_holds_it_off():
    done = subprocess.run(
        [sys.executable, "-c", HUNG_UP, "SIG_IGN"],
        input="",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["ready", "one more line"]


def test_a_second_signal_acts_as_before(capfd):
    came = []
    former = jobs.handled(signal.SIGTERM, lambda *_: came.append(1))
    with former, interrupts.Stop("the epoch ends") as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received is signal.SIGTERM and not came
        with pytest.raises(StoppedError, match="SIGTERM") as stopped:
            stop.check()
        assert stopped.value.exit_code == 75
        os.kill(os.getpid(), signal.SIGTERM)
        assert came
    assert capfd.readouterr().err == (
        "h2o_jax: SIGTERM: the epoch ends; once more ends at once\n"
    )
