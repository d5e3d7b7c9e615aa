"""Fills a ledger with the cells of a plan, in the plan's order.

Runs what --results_dir lacks, in as few programs as the machine holds, one after the
other; continues what was interrupted; stops at --minutes, at Ctrl-C or at SIGTERM with
everything saved; and says what is left and how long it takes. Several of these commands
may work on one ledger. PLAN is a file, or the name of a plan that comes with the
package, such as smoke or small/table1; the dashes and name of --plan may be left out.
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

import jax

from experiments import collect, computer, pace, plans, run, work
from experiments.cli import console, interrupts
from experiments.cli.flags import Flags
from experiments.computer import Computer
from experiments.plans import Group, Wanted
from experiments.work import Program
from h2o_jax.errors import ConfigError, JobError, StoppedError
from h2o_jax.settings import FOLDER, NOT_NEGATIVE, at_least, setting

_STOPPED = (*interrupts.STOPPED, -signal.SIGTERM)
"""Exit codes of a run that a signal ended; the last before it had anything to save."""
_POLL = 0.5
_NEWS = 600.0
"""Seconds between lines about a running program."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filling:
    """What is made, where, and for how long."""

    plan: str = setting("", "What the ledger should hold: a file or a name.")
    results_dir: str = setting("results", "Root of the ledger.", tags=[FOLDER])
    logs: str = setting("", "Folder of the logs that a plan names without one.")
    add: str = setting("", "Flags that are added to each line of the plan.")
    minutes: float = setting(
        0.0,
        "Stop in time for this, with everything saved; 0: at the end.",
        NOT_NEGATIVE,
    )
    list: bool = setting(False, "Only say what is left.")
    threads: int = setting(0, "CPU cores to use; 0: all.", at_least(0))
    most: int = setting(
        0,
        "Most runs of a program; 0: what memory holds, and on a CPU four per core.",
        at_least(0),
    )
    compile_cache: str = setting(
        "", "Folder that keeps compiled programs.", tags=[FOLDER]
    )
    keep_dir: str = setting(
        "",
        "Keep run folders here, without their checkpoints, once they are finished; "
        "empty: only their cells.",
        tags=[FOLDER],
    )


SETTINGS = (Filling,)


class Session(NamedTuple):
    """One call of the command."""

    choice: Filling
    root: pathlib.Path
    groups: Sequence[Group]
    computer: Computer
    ends: float
    """In time.monotonic; infinite where nothing was said."""
    failed: dict[str, Program]
    """Identity -> program that failed in this session, and is not tried again."""

    def over(self, epoch: float = 0.0) -> bool:
        """Whether it is time to stop, where one more epoch takes so long."""
        whole = 60 * self.choice.minutes
        return time.monotonic() + min(5 + 1.5 * epoch, whole / 4) > self.ends


def main(flags: Flags) -> None:
    """The command."""
    # Children train; an accelerator belongs to one process at a time.
    jax.config.update("jax_platforms", "cpu")
    choice = flags.of(Filling)
    if not choice.plan:
        raise ConfigError("--plan=: nothing to make; give a plan, such as smoke")
    groups = _read(choice)
    ends = time.monotonic() + 60 * choice.minutes if choice.minutes else float("inf")
    machine, root = computer.here(choice.threads), pathlib.Path(choice.results_dir)
    session = Session(choice, root, groups, machine, ends, {})
    stopped = None if choice.list else _fill(session)
    session = session._replace(groups=_fresh(session))
    print(pace.report(pace.standing(session.groups, root, machine.backend)))
    if stopped:
        raise stopped
    missing = [x.experiment.dataset for x in session.groups if x.missing]
    if len(missing) == len(session.groups) and not choice.list:
        raise ConfigError(
            f"--plan={choice.plan}: none of its logs is here, such as {missing[0]}; "
            "give the folder with --logs"
        )
    if session.failed:
        programs = {x.folder: x for x in session.failed.values()}.values()
        logs = ", ".join(str(x.log) for x in programs)
        raise JobError(f"{len(programs)} program(s) failed, see {logs}")


def _fresh(session: Session) -> Sequence[Group]:
    """The groups as they are now that a log may have been collected."""
    if all(x.log != "" for x in session.groups):
        return session.groups
    return _read(session.choice)


def _read(choice: Filling) -> list[Group]:
    return plans.read(plans.find(choice.plan), choice.logs, choice.add)


def _fill(session: Session) -> StoppedError | None:
    """Trains program after program; the error with which a signal ends that."""
    _tidy(session)
    with interrupts.Stop("the last whole epoch is saved") as stop:
        while not (stop.received or session.over()):
            session = session._replace(groups=_fresh(session))
            program = choose(session)
            if program is None:
                break
            try:
                _do(session, program, stop)
            finally:
                program.release()
    if stop.received:
        return StoppedError(
            f"{stop.received.name}: stopped; the same command continues",
            interrupts.EXIT_CODES[stop.received],
        )
    return None


def _tidy(session: Session) -> None:
    """Removes programs that went on to their end after their command was killed."""
    have = plans.stored(session.root)
    for program in work.begun(session.root):
        if program.stored(have) and program.claim():
            work.finish(session.root, program, session.choice.keep_dir)


def choose(session: Session) -> Program | None:
    """The next program, claimed: one that is begun, or a new one."""
    with work.choosing(session.root):
        have, begun = plans.stored(session.root), work.begun(session.root)
        taken = set(session.failed)
        for group in session.groups:
            lacks = _lacks(group, have, taken)
            found = _continued(begun, group, {x.identity for x in lacks}, taken)
            if found is not None:
                return found
            free = [x for x in lacks if x.identity not in taken]
            if free:
                return work.begin(session.root, _content(session, group, free))
    return None


def _lacks(group: Group, have: dict[str, int], taken: set[str]) -> list[Wanted]:
    """What a group needs next: its log, or the cells that are not there."""
    if group.missing:
        return []
    if group.log == "":
        wanted = [Wanted(0, f"log {plans.collected(group)}", 0)]
    else:
        wanted = plans.lacking(group, have)
    return [x for x in wanted if x.identity not in taken]


def _continued(
    begun: Sequence[Program], group: Group, lacks: set[str], taken: set[str]
) -> Program | None:
    """A begun program with lacking cells, claimed; `taken` learns of others' cells."""
    for program in begun:
        cells = program.content.cells.keys()
        if not lacks & cells:
            continue
        if program.claim():
            work.lengthen(program, group.experiment.epochs)
            return program
        taken.update(cells)
    return None


def _content(session: Session, group: Group, free: Sequence[Wanted]) -> work.Content:
    """A new program for as many of these cells as the machine holds."""
    if group.log == "":
        title = f"the log of {group.experiment.model.name}"
        arguments = plans.arguments(group, collect.SETTINGS)
        cells = {free[0].identity: 0}
        return work.Content(title, cells, "experiments.collect", arguments, 0, "log")
    fit = computer.capacity(session.computer, group, session.choice.most)
    chosen = free[:fit]
    return work.Content(
        title=f"{group.title}, {len(chosen)} run(s)",
        cells={x.identity: x.place for x in chosen},
        command="experiments.run",
        arguments=[
            *plans.arguments(group, run.SETTINGS),
            *_extra(session.choice, group),
            f"--results_dir={session.root}",
        ],
        epochs=group.experiment.epochs,
        kind=pace.kind_of(group),
    )


def _extra(choice: Filling, group: Group) -> list[str]:
    """Flags of every run that a line does not give."""
    own = {"threads": choice.threads, "compile_cache": choice.compile_cache}
    return [
        f"--{name}={value}"
        for name, value in own.items()
        if value and group.flags.is_default(name)
    ]


def _do(session: Session, program: Program, stop: interrupts.Stop) -> None:
    """Trains a program until it is done or has to stop."""
    begin = time.monotonic()
    title, total = program.content.title, program.content.epochs
    print(f"begins    {title}, log {program.log}", flush=True)
    code = _train(session, program, stop)
    took = console.duration(time.monotonic() - begin)
    if code == 0:
        work.finish(session.root, program, session.choice.keep_dir)
        print(f"stored    {title}, {took}", flush=True)
    elif code in _STOPPED:
        at = f"epoch {program.last.get('epoch', 0)} of {total}, " if total else ""
        print(f"saved     {title}, {at}{took}", flush=True)
    else:
        session.failed.update(dict.fromkeys(program.content.cells, program))
        tail = program.log.read_text().strip().rpartition("\n")[2]
        print(f"failed    {title}, exit code {code}: {tail}", flush=True)


def _train(session: Session, program: Program, stop: interrupts.Stop) -> int:
    """The run as a child process, told to stop in time; its exit code.

    Ctrl-C reaches this process alone, so that a run is told once.
    """
    with program.log.open("a") as log:
        child = subprocess.Popen(
            program.command(),
            stdout=log,
            stderr=log,
            pass_fds=program.inherited,
            start_new_session=True,
        )
    _share_nice(child.pid)
    total = program.content.epochs
    told, news = False, time.monotonic() + _NEWS
    while True:
        try:
            return child.wait(timeout=_POLL)
        except subprocess.TimeoutExpired:
            pass
        if not told and (stop.received or session.over(program.epoch_seconds)):
            child.terminate()
            told = True
        if total and time.monotonic() > news:
            news += _NEWS
            epoch = program.last.get("epoch", 0)
            left = console.duration(program.epoch_seconds * (total - epoch))
            print(f"epoch     {epoch} of {total}, {left} left", flush=True)


def _share_nice(pid: int) -> None:
    """Makes a run as nice as this command.

    A run is a session of its own. Linux shares the cores among sessions first, by the
    niceness of their autogroups (sched(7)), and a new one has none.
    """
    nice = os.nice(0)
    if nice > 0:
        with contextlib.suppress(OSError):  # no autogroups, or written a moment ago
            pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(nice))


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, argument="plan")
