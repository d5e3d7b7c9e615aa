"""Signals that stop a command from outside without losing what it has done."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

from experiments import watchdog
from h2o_jax.errors import StoppedError

CTRL_C = 130
"""Exit code of a command that Ctrl-C ended, as shells have it."""
EXIT_CODES = {signal.SIGTERM: 75, signal.SIGHUP: 75, signal.SIGINT: CTRL_C}
"""Of a command that a signal ended; 75 is that of a run that was preempted, or whose
terminal was closed."""
STOPPED = tuple(set(EXIT_CODES.values()))
"""Those after which the same command goes on from what was saved."""


_BUSY = 5.0
"""Seconds after which a signal ends a process that is too busy to notice it."""


class Interrupt(KeyboardInterrupt):
    """A signal that ends a command at once."""

    def __init__(self, received: signal.Signals):
        super().__init__(
            f"{received.name}: ended at once; a run goes on from its last checkpoint, "
            "if it has one"
        )
        self.exit_code = EXIT_CODES[received]


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """While entered, a signal raises an `Interrupt`, also where Python cannot.

    A handler runs between two steps of Python, so not while XLA compiles or a file is
    read. A thread waits for that, and then ends the process.

    Once it is left, the command has ended and only Python's own end is to come, which
    takes seconds. SIGTERM and SIGHUP are ignored in them, so that the exit code is that
    of what was done.
    """
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    former_fd = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    threading.Thread(target=_end_if_busy, args=(ours,), daemon=True).start()
    former = {number: signal.getsignal(number) for number in EXIT_CODES}
    for number, handler in former.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in former:
            last = former[number] if number == signal.SIGINT else signal.SIG_IGN
            signal.signal(number, last)
        signal.set_wakeup_fd(former_fd)
        os.close(theirs)  # which ends the thread


def _interrupt(number: int, _: FrameType | None) -> None:
    _Noticed.last = time.monotonic()
    raise Interrupt(signal.Signals(number))


class _Noticed:
    """What the thread of `ending` knows of the others."""

    last = 0.0
    """When a handler last ran, in time.monotonic."""
    waits = False
    """Whether other hosts may be what Python waits for."""


def wait_for_hosts() -> None:
    """Ends nothing any more because it is busy: all hosts must end in order."""
    _Noticed.waits = True


def _end_if_busy(signals: int) -> None:
    """Reads the numbers of signals as they come, whatever Python is doing."""
    while number := os.read(signals, 1):
        came = time.monotonic() - 1  # a handler may be faster than this thread
        received = signal.Signals(number[0])
        if received not in EXIT_CODES:
            continue
        time.sleep(_BUSY)
        if _Noticed.last < came and not _Noticed.waits:
            watchdog.end(str(Interrupt(received)), EXIT_CODES[received])
    os.close(signals)


class Stop:
    """While entered, a first signal is noted; a second one acts at once.

    A SIGHUP that `nohup` has switched off stays so.

    Attributes:
        received: the signal that came, or None.
    """

    def __init__(
        self,
        then: str,
        signals: Iterable[signal.Signals] = tuple(EXIT_CODES),
        do: Callable[[], object] = lambda: None,
    ):
        """Prepares; signals are handled once it is entered.

        Args:
            then: what happens once a signal has come, for its sender to read.
            signals: which ones; SIGTERM, SIGHUP and Ctrl-C by default.
            do: called when one comes.
        """
        self.received: signal.Signals | None = None
        self._then, self._do = then, do
        nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._signals = [x for x in signals if not (x == signal.SIGHUP and nohup)]
        self._former: dict[signal.Signals, Any] = {}
        # Once the terminal is closed, `isatty` can no longer tell.
        self._terminal = [fd for fd in (1, 2) if os.isatty(fd)]

    def __enter__(self) -> "Stop":
        for number in self._signals:
            self._former[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises what ends the command, once a signal has come.

        Raises:
            StoppedError: whoever catches it saves, and says how to go on.
        """
        if self.received:
            raise StoppedError(
                f"{self.received.name}: stopped", EXIT_CODES[self.received]
            )

    def _receive(self, number: int, _: FrameType | None) -> None:
        _Noticed.last = time.monotonic()
        self.received = signal.Signals(number)
        signal.signal(number, self._former[self.received])
        if self.received is signal.SIGHUP:
            self._mute()
        # Not `print`: the signal may have interrupted one.
        text = f"h2o_jax: {self.received.name}: {self._then}; once more ends at once\n"
        with contextlib.suppress(OSError):
            os.write(2, text.encode())
        self._do()

    def _mute(self) -> None:
        """Redirects output from a closed terminal, where printing would be an error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in self._terminal:
            os.dup2(nowhere, fd)
        os.close(nowhere)


def saved(error: StoppedError, epoch: int, how: str) -> StoppedError:
    """What ends a run that was stopped, once its checkpoint is written.

    Args:
        error: what stopped it.
        epoch: the last whole one.
        how: says how to go on.
    """
    return StoppedError(
        f"{error} after epoch {epoch}, which is saved; {how}", error.exit_code
    )
