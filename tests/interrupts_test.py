"""Signals that ask, and those that are left alone."""

import os
import signal

from experiments import interrupts, jobs


def test_nohup_holds_off_a_closed_terminal():
    with jobs.handled(signal.SIGHUP, signal.SIG_IGN), interrupts.Stop("") as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.asked is None
    with interrupts.Stop("") as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.asked is signal.SIGHUP


def test_a_second_signal_acts_as_before(capfd):
    came = []
    former = jobs.handled(signal.SIGTERM, lambda *_: came.append(1))
    with former, interrupts.Stop("the epoch ends") as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked is signal.SIGTERM and not came
        os.kill(os.getpid(), signal.SIGTERM)
        assert came
    assert capfd.readouterr().err == (
        "h2o_jax: SIGTERM: the epoch ends; once more ends at once\n"
    )
