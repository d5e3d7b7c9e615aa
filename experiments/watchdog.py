"""Ends a command whose simulator hangs, and says which; nothing else could end it."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from h2o_jax.errors import DivergenceError

SECONDS = 600.0
"""Longest time between two steps of simulators."""
_LOOKS = 10
"""How often it is looked at in that time."""


@contextlib.contextmanager
def watching(what: str) -> Iterator[Callable[[], None]]:
    """Ends the process, with the exit code of divergence, where steps stop coming.

    Looks are counted, not seconds: a process that was suspended has missed none.

    Args:
        what: is stepped, for the message.

    Yields:
        A function to call at every step.
    """
    silent, over = 0, threading.Event()

    def step() -> None:
        nonlocal silent
        silent = 0

    def watch() -> None:
        nonlocal silent
        while not over.wait(SECONDS / _LOOKS):
            silent += 1
            if silent > _LOOKS:
                end(
                    f"{what}: no step in {SECONDS:g} s; mend the simulator, and go on "
                    "from the last checkpoint with --resume",
                    DivergenceError.exit_code,
                )

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield step
    finally:
        over.set()


def end(text: str, exit_code: int) -> NoReturn:
    """Ends the process from any thread, with one line where somebody reads it."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, f"h2o_jax: error: {text}\n".encode())
    os._exit(exit_code)
