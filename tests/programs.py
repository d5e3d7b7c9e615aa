"""Methods and programs that commands share: JAX traces and loads each but once.

A method is a function of its settings, and a program of its method, so commands in one
process may share them, compiled, as they share those of JAX's cache on disk. What they
learn differs by their arguments alone.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from experiments import build, judging
from h2o_jax import algorithms


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Within, a command takes what an earlier one made of the same settings.

    Not for tests that replace a part of a method: it would be traced no more.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, builder in algorithms.ALGORITHMS.items():
            patch.setitem(algorithms.ALGORITHMS, name, _once(builder))
        program = _once(build.make_program)
        patch.setattr(build, "make_program", program)
        patch.setattr(judging, "make_program", program)
        yield


def _once(make: Callable[..., Any]) -> Callable[..., Any]:
    """`make`, for arguments of which some have no hash, such as slices."""
    made: dict[str, tuple[Any, ...]] = {}

    @functools.wraps(make)
    def found(*arguments: Any, **settings: Any) -> Any:
        key = repr((arguments, sorted(settings.items())))
        if key not in made:
            # The arguments stay alive, so that no other's address is in a key.
            made[key] = make(*arguments, **settings), arguments, settings
        return made[key][0]

    return found
