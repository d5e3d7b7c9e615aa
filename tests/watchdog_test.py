"""The watchdog of simulators: silent while they step, final when they hang."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from experiments import watchdog

pytestmark = pytest.mark.fault

HUNG = """
import time
from experiments import watchdog
watchdog.SECONDS = 0.2
with watchdog.watching("simulators of hopper (gravity:2, seed 0)") as step:
    step()
    time.sleep(60)
"""


def test_a_simulator_that_hangs_ends_the_command_and_is_named():
    done = subprocess.run(
        [sys.executable, "-c", HUNG], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 5
    assert done.stderr == (
        "h2o_jax: error: simulators of hopper (gravity:2, seed 0): no step in 0.2 s; "
        "mend the simulator, and go on from the last checkpoint with --resume\n"
    )


SUSPENDED = """
import time
from experiments import watchdog
watchdog.SECONDS = 1.0
with watchdog.watching("simulators") as step:
    print("begun", flush=True)
    for _ in range(40):
        time.sleep(0.05)
        step()
"""


def test_time_in_which_a_process_is_suspended_does_not_count():
    command = [sys.executable, "-c", SUSPENDED]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0


def test_simulators_that_step_are_left_alone(monkeypatch):
    monkeypatch.setattr(watchdog, "SECONDS", 0.5)
    before = threading.active_count()
    with watchdog.watching("simulators") as step:
        for _ in range(20):
            time.sleep(0.05)
            step()
    time.sleep(0.1)
    assert threading.active_count() == before  # nobody watches what is over
