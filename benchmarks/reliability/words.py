"""Command lines of `experiments.run`: every flag valid, or all but one."""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.reliability.damage import EXTREMES
from experiments.cli import values
from experiments.cli.flags import flag_name
from experiments.run import SETTINGS
from h2o_jax import settings
from h2o_jax.settings import Range

_FLAGS = 4
"""Of a command line."""
_ODD = (
    *EXTREMES,
    *("", " ", ",", "..", "0..3", "1,2", "true", "none", "@", "é", "\x00", "a" * 300),
)


def valid(rng: np.random.Generator) -> list[str]:
    """Different flags, each with a value near its default or a name that it takes."""
    known = [x for x in _settings() if _can_be_drawn(*x)]
    chosen = (known[i] for i in rng.choice(len(known), _FLAGS, replace=False))
    return [_word(field, _value(field, allowed, rng)) for field, allowed in chosen]


def damaged(rng: np.random.Generator) -> list[str]:
    """The same after one of any flag, whose value may be anything."""
    known = list(_settings())
    field, _ = known[rng.integers(len(known))]
    odd = [*_ODD, f"{field.default}"[:3], f"{field.default}x"]
    rest = [x for x in valid(rng) if not x.startswith(_word(field, ""))]
    return [_word(field, str(odd[rng.integers(len(odd))])), *rest]


def _settings() -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    """Every setting of a run, and the values that it takes."""
    for group in SETTINGS:
        hints = typing.get_type_hints(group)
        for field, setting in settings.of(group):
            if field.name not in ("resume", "compile_cache"):
                yield field, setting.values or values.choices(hints[field.name])


def _can_be_drawn(field: dataclasses.Field[Any], allowed: Any) -> bool:
    named = allowed is not None and not isinstance(allowed, Range)
    return named or field.default not in (None, "", ())


def _value(
    field: dataclasses.Field[Any], allowed: Any, rng: np.random.Generator
) -> str:
    default: Any = field.default
    if isinstance(default, bool):
        return str(rng.choice(["true", "false"]))
    if not isinstance(allowed, Range):
        return str(default) if allowed is None else str(rng.choice(allowed))
    numbers = default if isinstance(default, tuple) else (default,)
    near = np.clip(rng.uniform(0.5, 1.5, len(numbers)) * numbers, *allowed[:2])
    kind = type(numbers[0])
    return ",".join(str(kind(x)) for x in near)


def _word(field: dataclasses.Field[Any], value: str) -> str:
    return f"--{flag_name(field.name)}={value}"
