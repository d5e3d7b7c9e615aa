"""A log as the columns that its file has, whoever wrote it.

Unlike `tables`, nothing is looked for here: every column of numbers, dates or text is
read by its own name, rows of several numbers as `name_0`, `name_1`, ... A columns file
or a column map says later what they mean.
"""

import datetime
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from h2o_jax.data import cells, files, hdf5, tables

EPOCHS = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
"""Stamps above a value are in these seconds since 1970."""
SUFFIXES = {
    **dict.fromkeys(("ns", "nsec"), 1e-9),
    **dict.fromkeys(("us", "usec"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("s", "sec"), 1.0),
}
"""Units of a column of times, in brackets or at the end of its name."""


class Frame(NamedTuple):
    """Columns of one length."""

    columns: Mapping[str, np.ndarray]
    """Name -> `[N]` numbers, dates or text."""
    units: Mapping[str, str] = {}
    """Name -> unit, where the file says it."""
    notes: tuple[str, ...] = ()
    """Changes that reading made."""


class Ask(NamedTuple):
    """What is wanted of a file that could give more."""

    columns: Sequence[str] = ()
    """Names; empty: all."""
    rate: float | None = None
    """Rows per second, for files whose columns have clocks of their own."""


Read = Callable[[pathlib.Path, Ask], Frame]


def reader(path: pathlib.Path) -> Read | None:
    """What reads a file or folder of this name; None: nothing does."""
    from h2o_jax.data import bags, delimited, parquet  # they import this module

    if path.is_dir():
        kinds = {"meta/info.json": parquet.read_lerobot, "metadata.yaml": bags.read}
        return next((x for name, x in kinds.items() if (path / name).is_file()), None)
    by_suffix: dict[str, Read] = {
        ".hdf5": _read_hdf5,
        ".h5": _read_hdf5,
        ".npz": _read_npz,
        ".csv": delimited.read,
        ".tsv": delimited.read,
        ".parquet": parquet.read,
        ".mcap": bags.read,
        ".db3": bags.read,
    }
    return by_suffix.get(path.suffix.lower())


def read(path: pathlib.Path, ask: Ask = Ask()) -> Frame:
    """Reads a log of any kind that has rows.

    Raises:
        DatasetError: in one line, the file, the finding and the fix.
    """
    if not path.exists():
        raise files.fail(path, "no such file; check the path")
    own = reader(path)
    if own is None:
        raise files.fail(
            path,
            "no kind of log that is known; use CSV, Parquet, npz, HDF5, a LeRobot "
            "folder, MCAP or a ROS 2 bag",
        )
    with files.readable(path):
        frame = own(path, ask)
    if not len(next(iter(frame.columns.values()), ())):
        raise files.fail(path, "0 rows; log more")
    return frame


def read_named(path: pathlib.Path, columns: tables.ColumnMap) -> dict[str, np.ndarray]:
    """Columns by D4RL's names, for `datasets.load`."""
    frame = read(path)
    chosen = tables.plan(path, frame.columns, columns)
    return {
        column: tables.stack(path, column, numbers(path, frame, members))
        for column, members in chosen.items()
    }


def numbers(path: pathlib.Path, frame: Frame, names: Sequence[str]) -> list[np.ndarray]:
    """The columns of these names.

    Raises:
        DatasetError: one does not hold numbers.
    """
    for name in names:
        found = cells.finding(f"column {name}", frame.columns[name])
        if found is not None:
            raise files.fail(path, f"{found}; mend it or name another column")
    return [frame.columns[name] for name in names]


def widen(arrays: Mapping[str, np.ndarray]) -> Frame:
    """Arrays `[N]` and `[N, D]` as columns; those of another length are left out.

    The length is the one that most arrays have; of several such, the largest.
    """
    fitting = {k: v for k, v in arrays.items() if v.ndim in (1, 2)}
    lengths = [len(x) for x in fitting.values()]
    rows = max(lengths, key=lambda x: (lengths.count(x), x), default=0)
    columns: dict[str, np.ndarray] = {}
    notes = []
    for name, array in fitting.items():
        if len(array) != rows:
            notes.append(f"{name} has {len(array):,} rows, not {rows:,}: left out")
        elif array.ndim == 1:
            columns[name] = array
        else:
            columns |= {f"{name}_{i}": x for i, x in enumerate(array.T)}
    return Frame(columns, notes=tuple(notes))


def _timestamp(text: str) -> float:
    """Seconds of an ISO date, nan of a missing one; without a zone it is UTC's."""
    if text.strip().lower() in cells.MISSING:
        return math.nan
    stamp = datetime.datetime.fromisoformat(text)
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=datetime.UTC)).timestamp()


def seconds(frame: Frame, name: str, rate: float | None = None) -> np.ndarray:
    """A column of times as float64 seconds since the first stamp; nan without one.

    Numbers are in the unit that the file or the name's end says, such as `stamp_ns`;
    else in the one that makes the most sense of `rate`, or of stamps since 1970; else
    in seconds.

    Raises:
        DatasetError: text that is no ISO date.
    """
    values = frame.columns[name]
    if values.dtype.kind in "UO":
        try:
            values = np.array([_timestamp(str(x)) for x in values])
        except ValueError as error:
            raise files.fail(
                name, f"no column of times ({error}); name another"
            ) from None
        return values - _first(values)
    if values.dtype.kind == "M":
        return (values - _first(values)) / np.timedelta64(1, "s")
    scale = _scale(name, frame.units.get(name, ""), values, rate)
    if values.dtype.kind in "iu":
        return (values.astype(np.int64) - np.int64(values[0])) * scale
    return (values.astype(float) - float(_first(values))) * scale


def _first(stamps: np.ndarray) -> Any:
    """The first that is there."""
    missing = np.isnat if stamps.dtype.kind == "M" else np.isnan
    return stamps[np.argmin(missing(stamps))]


def _scale(name: str, unit: str, values: np.ndarray, rate: float | None) -> float:
    said = unit or name.replace(".", "_").rpartition("_")[2]
    if said in SUFFIXES:
        return SUFFIXES[said]
    steps = np.diff(values.astype(float))
    steps = steps[steps > 0]
    if rate is not None and len(steps):
        apart = {x: abs(np.log(np.median(steps) * x * rate)) for x in SUFFIXES.values()}
        return min(apart, key=lambda x: apart[x])
    size = float(np.nanmax(np.abs(values), initial=0))
    return next((x for least, x in EPOCHS if size > least), 1.0)


def _read_hdf5(path: pathlib.Path, ask: Ask) -> Frame:
    with hdf5.opened(path) as datasets:
        numbers = {k: v for k, v in datasets.items() if v.dtype.kind in "biuf"}
        files.check_memory(path, sum(x.nbytes for x in numbers.values()))
        return widen({name: x[()] for name, x in numbers.items() if x.shape})


def _read_npz(path: pathlib.Path, ask: Ask) -> Frame:
    return widen(tables.npz_arrays(path))
