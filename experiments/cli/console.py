"""What a person sees: help, progress and one line per error."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import flags as absl_flags
from absl import logging
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from experiments.cli import interrupts
from experiments.cli.flags import Flags
from h2o_jax.errors import H2OError

_HELP = frozenset(["--help", "-h", "--helpfull", "--helpshort"])


def command(
    main: Callable[[Flags], None],
    describe: str,
    settings: Sequence[type],
    hidden: Sequence[type | str] = (),
    argument: str = "",
) -> None:
    """Runs `main` with the parsed flags, and turns errors into one line.

    Args:
        main: the command.
        describe: what it does, for `--help`.
        settings: the groups whose flags it takes; see `Flags`.
        hidden: flags that it accepts but does not use.
        argument: the flag whose dashes and name may be left out.
    """
    flags = Flags(*settings, hidden=hidden, argument=argument)
    if _HELP & set(sys.argv[1:]):
        print(flags.help(describe))
        return
    absl_flags.FLAGS([sys.argv[0]])  # absl's own logging asks for parsed flags
    # orbax reports every step that it takes, and every error that it also raises.
    logging.set_verbosity(logging.FATAL)
    try:
        with interrupts.ending():
            flags.parse(sys.argv)
            main(flags)
    except H2OError as error:
        fail(error)
    except interrupts.Interrupt as error:
        complain(str(error))
        sys.stdout.flush()
        # An orderly exit crashes where XLA was interrupted.
        os._exit(error.exit_code)


def fail(error: H2OError) -> NoReturn:
    """One line on standard error, and the error's exit code."""
    complain(str(error))
    sys.exit(error.exit_code)


def complain(text: str) -> None:
    """One line on standard error."""
    line = " ".join(text.split())
    print(f"h2o_jax: error: {line}", file=sys.stderr, flush=True)


class Display:
    """A progress bar on a terminal, plain lines elsewhere."""

    def __init__(self, title: str, total: int, quiet: bool = False):
        self._console = Console(quiet=quiet)
        self._total = total
        self._begin: tuple[int, float] | None = None
        self._epoch = 0
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
        if self._begin is None:
            self._begin = (epoch, time.monotonic())
        self._epoch = epoch

    def line(self, text: str) -> None:
        """Prints above the bar; without one, with the time left."""
        if not self._console.is_terminal:
            text += self._left()
        self._console.print(text, highlight=False, soft_wrap=True)

    def _left(self) -> str:
        """How long the rest takes at the pace so far; empty before there is one."""
        if self._begin is None or not self._begin[0] < self._epoch < self._total:
            return ""
        first, since = self._begin
        rate = (time.monotonic() - since) / (self._epoch - first)
        return f"  ({duration(rate * (self._total - self._epoch))} left)"


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
