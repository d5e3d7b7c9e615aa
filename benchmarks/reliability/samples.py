"""Valid inputs of every kind, and damage to them."""

import io
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from experiments.cli.flags import flag_name
from experiments.exporting import contract, forms
from experiments.run import SETTINGS
from h2o_jax import settings

OBS, ACTIONS, ROWS = 3, 2, 40
_COLUMNS = """rate = 50.0
time = "stamp"
reward = "task"
terminal = "none"
latency = 0.02

[[observations]]
column = "pitch"
unit = "rad"

[[actions]]
column = "torque_0..torque_1"
unit = "N m"
low = -3.0
high = 3.0
"""
_SIMULATOR = """gap = "gravity:2"

[fields]
gravity = { value = 1.5, low = 1.4, high = 1.6 }
friction = 0.5
latency = 2

[provenance]
log = "log.hdf5"
"""
_FLAGFILE = "--task=hopper\n--gap=gravity:2\n--critic_lr=1e-3\n--seed=0..3\n"
_GAPS = "gravity:2,friction:0.3+gravity:1.5,none,joint_noise:0.05"
_EXTREMES = (
    *("0", "-0", "-1", "1e-45", "1e38", "1e39", "1e308", "1e400"),
    *("nan", "inf", "-inf", "9223372036854775808"),
)
_WORDS = [
    "",
    " ",
    ",",
    "..",
    "0..3",
    "1,2",
    "true",
    "none",
    "@",
    "é",
    "\x00",
    "a" * 300,
]
Make = Callable[[np.random.Generator], Any]
Damage = Callable[[bytes, np.random.Generator], bytes]


def maker(kind: str, folder: pathlib.Path, damage: Damage | None = None) -> Make:
    """`rng -> input` of a kind: a valid one, then damaged; its file is in `folder`."""
    damage = damage or damaged
    if kind == "flags":
        return _words
    if kind == "gaps":
        return lambda rng: damage(_GAPS.encode(), rng).decode("utf-8", "ignore")
    if kind == "policy":
        return _policies(folder / "policy.npz", damage)
    if kind == "arrays":
        return _arrays(folder / "log.npz")
    valid, suffix = _VALID[kind]
    path, content = folder / f"{kind}{suffix}", valid()

    def make(rng: np.random.Generator) -> str:
        path.write_bytes(damage(content, rng))
        return str(path)

    return make


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
    other = str(rng.choice(_EXTREMES)).encode()
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


def _words(rng: np.random.Generator) -> list[str]:
    """Flags, all valid but one, so that what reads them is reached."""
    known = [
        (flag_name(field.name), field, setting)
        for group in SETTINGS
        for field, setting in settings.of(group)
        if field.name not in ("resume", "compile_cache")
    ]
    chosen = rng.choice(len(known), 4, replace=False)
    words = []
    for place, i in enumerate(chosen):
        name, field, setting = known[i]
        value = _plain(field.default)
        if isinstance(setting.values, Sequence):
            value = str(rng.choice(list(setting.values)))
        if place == 0:
            odd = [*_EXTREMES, *_WORDS, value[: len(value) // 2], value + "x"]
            value = odd[rng.integers(len(odd))]
        words.append(f"--{name}={value}")
    return words


def _plain(default: Any) -> str:
    """A default as a command line has it; 1 where there is none."""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "1" if default is None else str(default).lower()


def _policies(path: pathlib.Path, damage: Damage) -> Make:
    """An exported policy, with damage to it or to its contract."""
    forms.write_npz(path, FUNCTION, {})
    beside = contract.write(path, {"format": 1, "observations": [], "actions": []}, {})
    valid = {file: file.read_bytes() for file in (path, beside)}

    def make(rng: np.random.Generator) -> str:
        for file, content in valid.items():
            file.write_bytes(content)
        file = (path, beside)[rng.integers(2)]
        file.write_bytes(damage(valid[file], rng))
        return str(path)

    return make


def _arrays(path: pathlib.Path) -> Make:
    """A log whose file is whole, and whose columns are not."""
    odd = [float(x) for x in _EXTREMES]

    def make(rng: np.random.Generator) -> str:
        log: dict[str, Any] = _log()
        name = str(rng.choice(list(log)))
        column = log[name]
        changes: tuple[Callable[[], Any], ...] = (
            lambda: np.where(rng.random(column.shape) < 0.02, rng.choice(odd), column),
            lambda: column * rng.choice(odd),
            lambda: column[: rng.integers(ROWS)],
            lambda: column[..., None],
            lambda: column.T,
            lambda: column.astype(str),
            lambda: column.astype(complex),
            lambda: np.roll(column, rng.integers(1, ROWS), axis=0),
            lambda: np.array(column.tolist(), object),
        )
        with np.errstate(all="ignore"):
            log[name] = changes[rng.integers(len(changes))]()
        np.savez(path, **log)
        return str(path)

    return make


def _function() -> forms.Function:
    rng = np.random.default_rng(0)
    layers = tuple(
        (rng.normal(size=shape).astype(np.float32), np.zeros(shape[1], np.float32))
        for shape in ((OBS, 8), (8, ACTIONS))
    )
    ones = np.ones(OBS, np.float32)
    return forms.Function(
        -9 * ones,
        9 * ones,
        0.1 * ones,
        ones,
        layers,
        *np.ones((2, ACTIONS), np.float32),
    )


FUNCTION = _function()
"""The policy that is exported."""
ACTION = FUNCTION.act(np.zeros((1, OBS)))[0]
"""What it does where all observations are 0."""


def _log() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(ROWS + 1, OBS)).astype(np.float32)
    ends = np.arange(1, ROWS + 1) % 20 == 0
    return {
        "observations": states[:-1],
        "actions": rng.uniform(-1, 1, (ROWS, ACTIONS)).astype(np.float32),
        "rewards": rng.normal(size=ROWS).astype(np.float32),
        "next_observations": states[1:],
        "terminals": np.zeros(ROWS, bool),
        "timeouts": ends,
    }


def _hdf5() -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for name, column in _log().items():
            file[name] = column
    return memory.getvalue()


def _npz() -> bytes:
    memory = io.BytesIO()
    arrays: dict[str, Any] = _log()
    np.savez(memory, **arrays)
    return memory.getvalue()


def _csv() -> bytes:
    columns: dict[str, np.ndarray] = {}
    for name, column in _log().items():
        parts = column.astype(float).reshape(ROWS, -1).T
        many = len(parts) > 1
        columns |= {f"{name}_{i}" if many else name: x for i, x in enumerate(parts)}
    rows = [", ".join(columns)]
    rows += [", ".join(map(repr, row)) for row in zip(*_lists(columns), strict=True)]
    return "\n".join(rows).encode()


def _lists(columns: Mapping[str, np.ndarray]) -> list[list[float]]:
    return [x.tolist() for x in columns.values()]


_VALID: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "hdf5": (_hdf5, ".hdf5"),
    "npz": (_npz, ".npz"),
    "csv": (_csv, ".csv"),
    "columns": (_COLUMNS.encode, ".toml"),
    "simulator": (_SIMULATOR.encode, ".toml"),
    "flagfile": (_FLAGFILE.encode, ".flags"),
}
"""Kind -> makes a valid file of it, and how its name ends."""
