"""Stopping a run from outside without losing it."""

import pathlib
import signal
from types import FrameType
from typing import Any

from h2o_jax.errors import StoppedError

_EXIT_CODES = {signal.SIGTERM: 75, signal.SIGINT: 130}
"""Of a preempted run, which a scheduler may start again, and of Ctrl-C."""


class Stop:
    """While entered, the first SIGTERM or Ctrl-C only asks; a second one acts at once.

    Attributes:
        asked: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stop":
        for number in _EXIT_CODES:
            self._former[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.asked = signal.Signals(number)
        signal.signal(number, self._former[self.asked])


def stopped(asked: signal.Signals, folder: pathlib.Path, epoch: int) -> StoppedError:
    """What ends a run that was asked to, once its checkpoint is written."""
    return StoppedError(
        f"{asked.name}: stopped after epoch {epoch}, which is saved; "
        f"continue with --resume={folder}",
        _EXIT_CODES[asked],
    )
