"""Ends a command whose simulator hangs, and says which; nothing else could end it."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

from h2o_jax.errors import DivergenceError

SECONDS = 600.0
"""Longest time between two steps of simulators."""


@contextlib.contextmanager
def watching(what: str) -> Iterator[Callable[[], None]]:
    """Ends the process, with the exit code of divergence, where steps stop coming.

    Args:
        what: is stepped, for the message.

    Yields:
        A function to call at every step.
    """
    heard, over = time.monotonic(), threading.Event()

    def step() -> None:
        nonlocal heard
        heard = time.monotonic()

    def watch() -> None:
        while not over.wait(SECONDS / 10):
            if time.monotonic() - heard > SECONDS:
                sys.stdout.flush()
                text = f"h2o_jax: error: {what}: no step in {SECONDS:g} s; mend the "
                text += "simulator, and go on from the last checkpoint with --resume\n"
                os.write(2, text.encode())
                os._exit(DivergenceError.exit_code)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield step
    finally:
        over.set()
