"""Accidents of bytes: bits flipped, parts lost or repeated, other numbers."""

import re
from collections.abc import Callable

import numpy as np

Damage = Callable[[bytes, np.random.Generator], bytes]
EXTREMES = (
    *("0", "-0", "-1", "1e-45", "1e38", "1e39", "1e308", "1e400"),
    *("nan", "inf", "-inf", "9223372036854775808"),
)
"""Numbers at and beyond the ends of what is sensible."""


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Content after an accident or two."""
    accidents: tuple[Damage, ...] = (_flip, _cut, _drop, _repeat, _number, _insert)
    if content.isascii() and rng.random() < 0.7:  # most damage to bytes ends no text
        accidents = (_number, _number, _line)
    for _ in range(rng.integers(1, 3)):
        content = accidents[rng.integers(len(accidents))](content, rng)
    return content


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(rng.integers(1, 9)):
        changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _span(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    first, last = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    return first, min(last, first + 64)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content) + 1)]


def _drop(content: bytes, rng: np.random.Generator) -> bytes:
    first, last = _span(content, rng)
    return content[:first] + content[last:]


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    first, last = _span(content, rng)
    return (
        content[:last] + content[first:last] * int(rng.integers(1, 5)) + content[last:]
    )


def _number(content: bytes, rng: np.random.Generator) -> bytes:
    """Another number in place of one, where the content is text."""
    numbers = list(re.finditer(rb"[0-9][0-9.e+-]*", content))
    if not numbers:
        return content
    found = numbers[rng.integers(len(numbers))]
    other = str(rng.choice(EXTREMES)).encode()
    return content[: found.start()] + other + content[found.end() :]


def _line(content: bytes, rng: np.random.Generator) -> bytes:
    """A line less, or one twice."""
    lines = content.split(b"\n")
    place = int(rng.integers(len(lines)))
    lines[place : place + 1] = [lines[place]] * (2 * int(rng.integers(2)))
    return b"\n".join(lines)


def _insert(content: bytes, rng: np.random.Generator) -> bytes:
    place = rng.integers(len(content) + 1)
    return content[:place] + rng.bytes(int(rng.integers(1, 9))) + content[place:]
