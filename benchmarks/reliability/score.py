"""What one part of the scoreboard found."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Score(NamedTuple):
    """Cases tried, and those that did not do what they promise."""

    tried: int
    failures: tuple[str, ...]
    """A line each: the case, so that it can be seen again, and what it did."""
    facts: Mapping[str, Any] = {}
    """Other figures of the part, by name."""

    @property
    def met(self) -> int:
        """Cases that did what they promise."""
        return self.tried - len(self.failures)


Part = Callable[[int, int], Score]
"""`(count, seed) -> Score`: a part of the scoreboard, `count` cases of it."""
