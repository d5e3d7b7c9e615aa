"""The registry of what robots bring: complete for one, empty for the rest, light."""

import subprocess
import sys

import pytest

from experiments import robots
from h2o_jax.sim import tasks
from h2o_jax.sim.robot import log, scripted_operator


def test_most_robots_bring_nothing():
    robot = robots.of(tasks.get("hopper"))
    assert (dict(robot.readers), robot.recorder, robot.report_run) == ({}, None, None)


@pytest.mark.parametrize("name", ["wheel_legged_stand", "wheel_legged_forward"])
def test_the_wheel_legged_robot_brings_log_operator_and_report(name):
    robot = robots.of(tasks.get(name))
    assert robot.readers == {".txt": log.load}
    assert robot.recorder == ("operator", 16_588, scripted_operator.record)
    assert robot.report_run is not None


def test_asking_draws_no_figures():
    code = (
        "import sys; from experiments import robots; from h2o_jax.sim import tasks; "
        "robots.of(tasks.get('wheel_legged_stand')); print('matplotlib' in sys.modules)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert child.stdout == "False\n"
