"""Trains, and leaves what is told of every epoch: lines, metrics and checkpoints."""

from collections.abc import Mapping
from typing import NamedTuple

import jax

from experiments import health, hosts, loop, reports
from experiments.cli import console, interrupts
from experiments.experiment import Experiment
from experiments.phases import Clock, phases_of
from experiments.run_folder import RunFolder, saving
from experiments.runs import Run
from experiments.trackers import Tracker
from experiments.training import Training


class Record(NamedTuple):
    """Where epochs are told of."""

    whole: Experiment
    """All runs."""
    where: RunFolder
    tracker: Tracker
    display: console.Display
    facts: reports.Facts


def train(
    training: Training, record: Record, stop: interrupts.Stop
) -> Mapping[Run, str]:
    """Trains epoch after epoch, and tells of each; the runs that were lost, and why.

    It saves after every evaluation, and ends early where no run is left.

    Raises:
        StoppedError: after a signal; the state is that of the last whole epoch.
    """
    whole, where, tracker, display, facts = record
    # Several hosts can only agree to stop where they meet, which is after an epoch.
    check = stop.check if jax.process_count() == 1 else lambda: None
    clock, told = Clock(), set[str]()
    lost = health.lost_before(reports.by_run(whole, where.path))
    reported = loop.train(training, clock.over(phases_of(training, check)))
    for report in map(hosts.gather_report, reported):
        lost = health.lost(whole, report)
        lines = reports.lines(whole, report, clock.lap(), lost)
        where.write(lines)
        tracker.write(lines)
        display.epoch(report.epoch)
        if report.scores:
            display.line(reports.progress(whole, report))
        for note in health.notes(whole, report):
            if note not in told:
                display.line(note)
        told.update(health.notes(whole, report))
        stop.received = hosts.agree(stop.received)
        stop.check()
        ends = len(lost) == len(whole.runs)
        if report.scores or ends:
            saving.save(where.path, training, hosts.gathering())
        if report.scores and hosts.leads():
            reports.draw(where.path, whole, facts)
        if ends:
            break
    return lost
