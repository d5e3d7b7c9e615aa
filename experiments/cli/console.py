"""What a person sees: progress, tables, and one line per error."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
from absl import app, logging
from absl import flags as absl_flags
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from experiments import command_line
from experiments.cli import interrupts
from h2o_jax.errors import H2OError


def command(main: Callable[[], None], describe: str) -> None:
    """Runs `main` after reading the flags, and turns errors into one line.

    Args:
        main: the command; reads `flags`.
        describe: what it does, for `--help`.
    """
    sys.modules["__main__"].__doc__ = describe
    absl_flags.FLAGS.set_gnu_getopt(True)
    for flag in command_line.defined():  # what --help shows
        absl_flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)

    def run(_: Sequence[str]) -> None:
        # orbax reports every step it takes at the level above.
        logging.set_verbosity(logging.WARNING)
        try:
            main()
        except H2OError as error:
            fail(error)
        except KeyboardInterrupt:
            complain("interrupted")
            sys.exit(interrupts.CTRL_C)

    app.run(run, flags_parser=_parse)


def _parse(argv: Sequence[str]) -> list[str]:
    app.define_help_flags()
    try:
        rest = command_line.parse(argv)
    except H2OError as error:
        fail(error)
    return rest


def fail(error: H2OError) -> NoReturn:
    """One line on standard error, and the error's exit code."""
    complain(str(error))
    sys.exit(error.exit_code)


def complain(text: str) -> None:
    """One line on standard error."""
    line = " ".join(text.split())
    print(f"h2o_jax: error: {line}", file=sys.stderr, flush=True)


def use_cores(cores: int, runs: int) -> None:
    """Spreads runs over the cores: one device each, with the threads that are left.

    XLA reads NPROC when its CPU client starts, which is why this comes before any
    array exists. A value that the user has set stays.

    Args:
        cores: how many to use; 0 for all.
        runs: how many runs share them.
    """
    cores = cores or usable_cores()
    devices = min(cores, runs)
    os.environ.setdefault("NPROC", str(cores // devices))
    jax.config.update("jax_num_cpu_devices", devices)


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Display:
    """A progress bar on a terminal, plain lines elsewhere."""

    def __init__(self, title: str, total: int, quiet: bool = False):
        self._console = Console(quiet=quiet)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total)

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.stop()

    def epoch(self, epoch: int) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=epoch)

    def line(self, text: str) -> None:
        """Prints above the bar."""
        self._console.print(text, highlight=False, soft_wrap=True)
