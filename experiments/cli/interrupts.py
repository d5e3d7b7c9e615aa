"""Signals that stop a command from outside without losing what it has done."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from h2o_jax.errors import StoppedError

CTRL_C = 130
"""Exit code of a command that Ctrl-C ended, as shells have it."""
_EXIT_CODES = {signal.SIGTERM: 75, signal.SIGHUP: 75, signal.SIGINT: CTRL_C}
"""75 is that of a run that was preempted, or whose terminal was closed."""


class Stop:
    """While entered, a first signal is noted; a second one acts at once.

    A SIGHUP that `nohup` has switched off stays so.

    Attributes:
        received: the signal that came, or None.
    """

    def __init__(
        self,
        then: str,
        signals: Iterable[signal.Signals] = tuple(_EXIT_CODES),
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

    def _receive(self, number: int, _: FrameType | None) -> None:
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


def exit_code(received: signal.Signals) -> int:
    """What a command ends with after a signal."""
    return _EXIT_CODES[received]


def stopped(received: signal.Signals, epoch: int, how: str) -> StoppedError:
    """The error that ends a run after a signal, once its checkpoint is written.

    Args:
        received: the signal.
        epoch: the last one.
        how: says how to go on.
    """
    return StoppedError(
        f"{received.name}: stopped after epoch {epoch}, which is saved; {how}",
        _EXIT_CODES[received],
    )
