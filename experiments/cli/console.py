"""What a person sees: help, progress and one line per error."""

import contextlib
import os
import pathlib
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import jax
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
from h2o_jax.errors import ConfigError, H2OError, MemoryLimitError, refused

_HELP = frozenset(["--help", "-h", "--helpfull", "--helpshort"])
_DEBUG = "--debug"
_CLOSED = 141
"""Exit code of a command whose reader has gone, such as `| head`, as shells have it."""


def command(
    main: Callable[[Flags], None],
    describe: str,
    settings: Sequence[type],
    hidden: Sequence[type | str] = (),
    argument: str = "",
) -> None:
    """Runs `main` with the parsed flags, and turns errors into one line.

    Places that the flags name are tried before: what cannot be written is refused now,
    not once there is something to write. With `--debug` an error's traceback comes
    before its line.

    Args:
        main: the command.
        describe: what it does, for `--help`.
        settings: the groups whose flags it takes; see `Flags`.
        hidden: flags that it accepts but does not use.
        argument: the flag whose dashes and name may be left out.
    """
    flags = Flags(*settings, hidden=hidden, argument=argument)
    absl_flags.FLAGS([sys.argv[0]])  # absl's own logging asks for parsed flags
    # orbax reports every step that it takes, and every error that it also raises.
    logging.set_verbosity(logging.FATAL)
    sys.unraisablehook = _unraisable
    try:
        with interrupts.ending():
            given = [x for x in sys.argv if x not in {*_HELP, _DEBUG}]
            if _HELP & set(sys.argv[1:]):
                with contextlib.suppress(H2OError):  # help is for those who erred, too
                    flags.parse(given)
                print(flags.help(describe))
            else:
                flags.parse(given)
                flags.try_places()
                for name in flags.unread():
                    print(f"warning   this command never reads --{name}")
                main(flags)
            # Now, as what is refused at the end of Python has no line.
            sys.stdout.flush()
    except BaseException as error:
        code = tell(error)
        if code is None:
            raise
        if isinstance(error, interrupts.Interrupt):
            # An orderly exit crashes where XLA was interrupted.
            os._exit(code)
        sys.exit(code)


def tell(error: BaseException, who: str = "") -> int | None:
    """Says an error in a line, after its traceback with `--debug`.

    Args:
        error: what was raised.
        who: begins the line.

    Returns:
        The exit code; None, and nothing is said, for other ends of a program.
    """
    told = _explained(error)
    if told is None:
        return None
    text, code = told
    _leave_stdout()
    if _DEBUG in sys.argv:
        traceback.print_exception(error)
    complain(f"{who}{text}")
    return code


def _explained(error: BaseException) -> tuple[str, int] | None:
    """The line and the exit code of an error; None for other ends of a program."""
    if isinstance(error, interrupts.Interrupt):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", interrupts.CTRL_C
    if isinstance(error, BrokenPipeError):
        return "standard output was closed before all was written", _CLOSED
    if isinstance(error, OSError):
        error = refused(error)
    if isinstance(error, H2OError):
        return str(error), error.exit_code
    if isinstance(error, OverflowError):
        return f"a number is too large ({error}); see --help", ConfigError.exit_code
    exhausted = isinstance(error, jax.errors.JaxRuntimeError) and (
        "RESOURCE_EXHAUSTED" in str(error)
    )
    if exhausted or isinstance(error, MemoryError):
        fix = "give fewer runs or rows, smaller networks, or use a larger machine"
        return f"out of memory ({error}); {fix}", MemoryLimitError.exit_code
    return (_bug(error), H2OError.exit_code) if isinstance(error, Exception) else None


def _bug(error: Exception) -> str:
    """Says what nobody foresaw, and where it arose: a long run is not soon repeated."""
    *_, last = traceback.extract_tb(error.__traceback__) or [None]
    where = f" ({pathlib.Path(last.filename).name}:{last.lineno})" if last else ""
    return (
        f"{type(error).__name__}: {error}{where}; the program is at fault: {_DEBUG} "
        "shows the traceback, please report it"
    )


def _unraisable(what: Any) -> None:
    """Python's traceback, but for writes that outlive a checkpoint that failed.

    Each would print one: orbax's event loop, which they report to, is closed by then.
    """
    if str(what.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(what)


def _leave_stdout() -> None:
    """Drops what standard output refuses: Python would try once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """One line on standard error."""
    line = " ".join(text.split())
    print(f"h2o_jax: error: {line}", file=sys.stderr, flush=True)


class _Console(Console):
    """Rich's, which ends a program itself where nobody reads its output."""

    def on_broken_pipe(self) -> None:
        """Raises what it met, for `command` to say."""
        raise


class Display:
    """A progress bar on a terminal, plain lines elsewhere."""

    def __init__(self, title: str, total: int, quiet: bool = False):
        self._console = _Console(quiet=quiet)
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
