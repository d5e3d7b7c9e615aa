"""Parquet files, and LeRobot's folders of them (version 3).

References:
    LeRobot dataset v3.0: meta/info.json, meta/episodes/, data/chunk-*/file-*.parquet.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from h2o_jax.data import files
from h2o_jax.data.extras import needed
from h2o_jax.data.frames import Ask, Frame, widen
from h2o_jax.errors import DatasetError

VERSION = "v3."
"""Of LeRobot's layout."""


def read(path: pathlib.Path, ask: Ask) -> Frame:
    """Every column of numbers, dates or text; lists as several columns."""
    return _frame(path, [path], {})


def read_lerobot(path: pathlib.Path, ask: Ask) -> Frame:
    """All frames of a LeRobot dataset in their order; images are left out.

    Raises:
        DatasetError: another version of the layout, or files that are missing.
    """
    about = path / "meta" / "info.json"
    info = json.loads(files.read_text(about, files.LARGEST_TEXT, DatasetError))
    version = str(info.get("codebase_version"))
    if not version.startswith(VERSION):
        raise files.fail(
            path,
            f"LeRobot layout {version}, not {VERSION}x; convert it with LeRobot's own "
            "tool",
        )
    parts = sorted((path / "data").glob("*/*.parquet"))
    if not parts:
        raise files.fail(path, "no data/*/*.parquet; copy the whole dataset")
    names = {k: v.get("names") for k, v in info.get("features", {}).items()}
    frame = _frame(path, parts, names)
    columns = frame.columns
    if "index" in columns:  # of the frame in the whole dataset
        order = np.argsort(columns["index"], kind="stable")
        columns = {name: x[order] for name, x in columns.items()}
    rows = len(next(iter(columns.values()), ()))
    if rows != info.get("total_frames", rows):
        finding = f"{rows} frames, meta/info.json says {info['total_frames']}"
        raise files.fail(path, f"{finding}; copy the whole dataset")
    return frame._replace(columns=columns)


def _frame(
    path: pathlib.Path, parts: Sequence[pathlib.Path], names: dict[str, Any]
) -> Frame:
    """Columns of several files of one schema, one after another.

    Args:
        path: of all of them, for errors.
        parts: the files.
        names: column -> names of the numbers in its rows, where they have any.
    """
    parquet, arrow = needed("pyarrow.parquet", "logs"), needed("pyarrow", "logs")
    facts = [parquet.read_metadata(part) for part in parts]
    groups = [x.row_group(i) for x in facts for i in range(x.num_row_groups)]
    files.check_memory(path, sum(group.total_byte_size for group in groups))
    tables = []
    for part in parts:
        with parquet.ParquetFile(part) as file:  # `read_table` would guess partitions
            tables.append(file.read())
    table = arrow.concat_tables(tables)
    arrays, left = {}, []
    for name in table.column_names:
        array = _array(arrow, table[name])
        if array is None:
            left.append(f"{name} holds {table[name].type}: left out")
        else:
            arrays[name] = array
    frame = widen(arrays)
    columns = _named(frame.columns, names)
    return Frame(columns, notes=(*left, *frame.notes))


def _array(arrow: Any, column: Any) -> np.ndarray | None:
    """`[N]` or `[N, D]`; None for ragged lists, images and the like."""
    types = arrow.types
    column = _plain(arrow, column.combine_chunks())
    kind = column.type
    lists = (types.is_list, types.is_fixed_size_list, types.is_large_list)
    if any(is_list(kind) for is_list in lists):
        flat = column.flatten()
        if not (types.is_floating(flat.type) or types.is_integer(flat.type)):
            return None
        rows = len(column)
        if column.null_count or len(column.value_lengths().unique()) != 1:
            return None
        return flat.to_numpy(zero_copy_only=False).reshape(rows, -1)
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(["" if x is None else x for x in column.to_pylist()])
    plain = types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind)
    if plain or types.is_timestamp(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return None


def _plain(arrow: Any, column: Any) -> Any:
    """A column as floats, text or times, where Arrow has a type of its own for them."""
    types, kind = arrow.types, column.type
    if types.is_dictionary(kind):
        column = column.dictionary_decode()
    elif types.is_date(kind):
        column = column.cast(arrow.timestamp("ms"))
    elif types.is_decimal(kind):
        column = column.cast(arrow.float64())
    elif types.is_duration(kind):
        seconds = column.cast(arrow.duration("ns")).cast(arrow.int64())
        column = arrow.compute.multiply(seconds, 1e-9)
    elif types.is_boolean(kind) and column.null_count:
        column = column.cast(arrow.uint8()).cast(arrow.float64())
    return column


def _named(columns: Mapping[str, np.ndarray], names: dict[str, Any]) -> dict[str, Any]:
    """`state_0` as `state.NAME`, where LeRobot names the numbers of a feature."""
    better = {
        f"{feature}_{i}": f"{feature}.{own}"
        for feature, given in names.items()
        if isinstance(given, list)
        for i, own in enumerate(given)
    }
    return {better.get(name, name): x for name, x in columns.items()}
