"""Stopping a run from outside without losing it."""

import os
import signal
from collections.abc import Iterable
from types import FrameType
from typing import Any

from h2o_jax.errors import StoppedError

CTRL_C = 130
_EXIT_CODES = {signal.SIGTERM: 75, signal.SIGHUP: 75, signal.SIGINT: CTRL_C}
"""Of a run that was preempted or lost its terminal, which may be started again, and of
Ctrl-C."""


class Stop:
    """While entered, a first signal only asks; a second one acts at once.

    Attributes:
        asked: the signal that came, or None.
    """

    def __init__(
        self, then: str, signals: Iterable[signal.Signals] = tuple(_EXIT_CODES)
    ):
        """For SIGTERM, SIGHUP and Ctrl-C, but for a SIGHUP that `nohup` holds off.

        Args:
            then: says what happens once one has come.
            signals: if not all of them.
        """
        self.asked: signal.Signals | None = None
        self._then = then
        hung_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        self._signals = [x for x in signals if x != signal.SIGHUP or hung_up]
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stop":
        for number in self._signals:
            self._former[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.asked = signal.Signals(number)
        signal.signal(number, self._former[self.asked])
        # `print` may be at work in the line that was interrupted.
        text = f"h2o_jax: {self.asked.name}: {self._then}; once more ends at once\n"
        os.write(2, text.encode())


def stopped(asked: signal.Signals, epoch: int, how: str) -> StoppedError:
    """What ends a run that was asked to, once its checkpoint is written.

    Args:
        asked: the signal.
        epoch: the last one.
        how: says how to go on.
    """
    return StoppedError(
        f"{asked.name}: stopped after epoch {epoch}, which is saved; {how}",
        _EXIT_CODES[asked],
    )
