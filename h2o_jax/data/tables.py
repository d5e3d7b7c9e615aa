"""Logs as named columns: which names mean what, and the reader of npz."""

import contextlib
import pathlib
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from h2o_jax.data import files
from h2o_jax.errors import ConfigError, nearest

ACCEPTED = {
    "observations": ("observations", "obs", "states", "s"),
    "actions": ("actions", "action", "a"),
    "rewards": ("rewards", "reward", "r"),
    "terminals": ("terminals", "terminations", "terminated"),
    "next_observations": ("next_observations", "next_obs", "next_states", "s_next"),
    "timeouts": ("timeouts", "truncations", "truncated"),
}
"""Column -> the names it is looked for under, D4RL's first."""
OPTIONAL = ("next_observations", "timeouts")
LISTED = 12
"""Names that an error quotes at most."""

ColumnMap = Mapping[str, str] | None
Plan = dict[str, list[str]]


def plan(path: pathlib.Path, fields: Collection[str], columns: ColumnMap) -> Plan:
    """Column -> the names in the file that make it up.

    Args:
        path: the file, for errors.
        fields: every name in the file.
        columns: column -> name, or names such as `"x, y, joint_0..joint_5"` that are
            put side by side; a name may also stand for `name_0`, `name_1`, ...

    Raises:
        ConfigError: if `columns` has an unknown key.
        DatasetError: if the file lacks a column that is required or was asked for.
    """
    columns = columns or {}
    for unknown in set(columns) - set(ACCEPTED):
        raise ConfigError(
            f"--columns: {unknown} is unknown; {nearest(unknown, ACCEPTED)}use "
            f"{', '.join(ACCEPTED)}"
        )
    chosen: Plan = {}
    for column, names in ACCEPTED.items():
        wanted = (columns[column],) if column in columns else names
        members = next(filter(None, (_members(name, fields) for name in wanted)), None)
        if members is not None:
            chosen[column] = members
        elif column in columns or column not in OPTIONAL:
            listed = ", ".join(sorted(fields)[:LISTED]) or "nothing"
            raise files.fail(
                path,
                f"no {column} (found {listed}; accepted {', '.join(wanted)}); "
                "name them by --columns; experiments.inspect drafts a columns file",
            )
    return chosen


def _members(spec: str, fields: Collection[str]) -> list[str]:
    """Names in the file that `spec` stands for; none if any of them is missing."""
    members: list[str] = []
    for part in map(str.strip, spec.split(",")):
        names = span(part)
        if names == [part] and part not in fields:
            numbered = (f"{part}_{i}" for i in range(len(fields)))
            names = [name for name in numbered if name in fields]
        if not names or not all(name in fields for name in names):
            return []
        members += names
    return members


def span(part: str) -> list[str]:
    """`"q_0..q_2"` as `q_0`, `q_1`, `q_2`; any other name as it is."""
    ends = re.fullmatch(r"(.*?)(\d{1,6})\.\.\1(\d{1,6})", part)
    if ends is None:
        return [part]
    return [f"{ends[1]}{i}" for i in range(int(ends[2]), int(ends[3]) + 1)]


def stack(path: pathlib.Path, column: str, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """One array as it is; several side by side as `[N, ...]`."""
    if len(arrays) == 1:
        return np.asarray(arrays[0])
    if len({np.shape(array)[:1] for array in arrays}) > 1:
        raise files.fail(path, f"parts of {column} differ in length; align them")
    return np.column_stack(arrays)


def read_npz(path: pathlib.Path, columns: ColumnMap) -> dict[str, np.ndarray]:
    """Columns of an .npz file; Python objects in it are refused, never unpickled."""
    with opened_npz(path) as arrays:
        chosen = plan(path, arrays.files, columns)
        return {
            column: stack(path, column, [_plain(path, arrays, m) for m in members])
            for column, members in chosen.items()
        }


def npz_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Every array of an .npz file by name, under the same checks."""
    with opened_npz(path) as arrays:
        return {name: _plain(path, arrays, name) for name in arrays.files}


@contextlib.contextmanager
def opened_npz(path: pathlib.Path) -> Iterator[Any]:
    """An .npz file, once it is one and no larger than it claims."""
    if not zipfile.is_zipfile(path):
        finding = f"damaged or not npz, looks like {files.looks_like(path)}"
        raise files.fail(path, f"{finding}; copy or download it again")
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            declared, stored = member.file_size, member.compress_size
            files.check_expansion(path, member.filename, declared, stored)
        files.check_memory(path, sum(m.file_size for m in archive.infolist()))
    with np.load(path, allow_pickle=False) as arrays:
        yield arrays


def _plain(
    path: pathlib.Path, arrays: Mapping[str, np.ndarray], name: str
) -> np.ndarray:
    try:
        return arrays[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise files.fail(
            path,
            f"{name} holds Python objects, and unpickling can run code; "
            "save it again as a plain array of numbers",
        ) from error
