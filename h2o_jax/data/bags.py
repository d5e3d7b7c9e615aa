"""MCAP files and ROS 2 bags, read without ROS.

A message becomes columns by the path of each number in it, such as
`joint_states.position.knee` (by the message's own `name` list) or `imu.gyro.x`. Topics
have clocks of their own: a row holds the last message of every topic at its time, and
never one from later.
"""

import dataclasses
import itertools
import json
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from h2o_jax.data import files
from h2o_jax.data.extras import needed
from h2o_jax.data.frames import Ask, Frame

TIME = "time"
"""Column of the seconds at which rows were taken."""
LONGEST = 64
"""Arrays of more numbers, such as images, are left out."""
PAUSE = 3
"""Periods, of the rows or of the fastest topic, without a message that are a pause."""
SLOW = 10
"""Intervals of the leading topic that are longer than those of a regular one."""
_DECODED = 8
"""Bytes in memory for one of a message, about."""
_UNUSED = ("header", "layout")
"""Fields of messages that are no measurement."""


class _Topic:
    """The messages of one topic."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.rows: list[dict[str, float]] = []

    @property
    def columns(self) -> list[str]:
        """Of any of its messages, as some may lack what others have."""
        return list(dict.fromkeys(itertools.chain.from_iterable(self.rows)))


def read(path: pathlib.Path, ask: Ask) -> Frame:
    """The topics of a file or bag on one clock.

    Rows are taken at the times of the topic with the last column that is asked for, by
    default of that with the most messages; with `ask.rate`, evenly from the first of
    them on, but for pauses of all topics, in which nothing was recorded.

    Raises:
        DatasetError: no messages of numbers, or none at which every topic is known.
    """
    topics = _topics(path, ask)
    clock, silent = _clock(topics, ask)
    if not len(clock):
        raise files.fail(path, "topics do not overlap in time; log them together")
    columns = {TIME: (clock - clock[0]) * 1e-9}
    for topic in topics.values():
        times = np.array(topic.times)
        order = np.argsort(times, kind="stable")
        last = order[np.searchsorted(times[order], clock, side="right") - 1]
        for name in topic.columns:
            values = np.array([row.get(name, np.nan) for row in topic.rows])
            columns[name] = values[last]
    notes = []
    if len(topics) > 1:
        notes.append(
            f"{len(topics)} topics, each row with the last message of every one"
        )
    if silent:
        notes.append(
            f"{silent} rows in pauses of all topics, or after the end of one, left out"
        )
    return Frame(columns, {TIME: "s"}, tuple(notes))


def _topics(path: pathlib.Path, ask: Ask) -> dict[str, _Topic]:
    """Name -> messages, of the topics that have something that is asked for."""
    topics: dict[str, _Topic] = {}
    for name, time, message in _messages(path):
        row = dict(_flat(name.strip("/").replace("/", "."), message))
        if row:
            topic = topics.setdefault(name, _Topic())
            topic.times.append(time)
            topic.rows.append(row)
    if not topics:
        raise files.fail(path, "no messages with numbers; log more")
    asked = {
        name: topic
        for name, topic in topics.items()
        if not ask.columns or not {*topic.columns}.isdisjoint(ask.columns)
    }
    if not asked:
        found = ", ".join(itertools.chain(*(x.columns for x in topics.values())))
        raise files.fail(path, f"no column {ask.columns[0]} (found {found}); name one")
    return asked


def _clock(topics: Mapping[str, _Topic], ask: Ask) -> tuple[np.ndarray, int]:
    """`[N]` times of the rows in ns, and how many were left out.

    Those in pauses of all topics, and those after the end of one.
    """
    stamps = {name: np.sort(np.array(x.times)) for name, x in topics.items()}
    every, leading = [*stamps.values()], stamps[_leading(topics, ask)]
    clock = leading[leading >= max(x[0] for x in every)]
    if not len(clock):
        return clock, 0
    end = _end(leading, every)
    if ask.rate is None:
        left = clock > end
    else:
        period = round(1e9 / ask.rate)
        clock = np.arange(clock[0], clock[-1] + period, period)
        left = (clock >= end) | _pauses(clock, every, period)
    return clock[~left], int(left.sum())


def _end(leading: np.ndarray, stamps: Sequence[np.ndarray]) -> float:
    """When the first topic ends that is about as fast as the leading one, in ns.

    One that is sent when something happens has no end.
    """
    if len(leading) < 2:
        return math.inf
    slow = SLOW * np.median(np.diff(leading))
    usual = [(x[-1], np.median(np.diff(x))) for x in stamps if len(x) > 1]
    return min(int(last + step) for last, step in usual if step <= slow)


def _pauses(clock: np.ndarray, stamps: Sequence[np.ndarray], period: int) -> np.ndarray:
    """`[N]` which rows would repeat messages from before a pause of all topics."""
    usual = [np.median(np.diff(x)) for x in stamps if len(x) > 1]
    newest = np.sort(np.concatenate(stamps))
    age = clock - newest[np.searchsorted(newest, clock, side="right") - 1]
    silent: np.ndarray = age > PAUSE * max(period, min(usual, default=period))
    return silent


def _leading(topics: Mapping[str, _Topic], ask: Ask) -> str:
    """The topic whose clock is that of the rows.

    An action is computed from what was known before it, so that the last column that
    is asked for, an action's, leads; else the topic with the most messages.
    """
    if ask.columns:
        for name, topic in topics.items():
            if ask.columns[-1] in topic.columns:
                return name
    return max(topics, key=lambda name: len(topics[name].times))


def _messages(path: pathlib.Path) -> Iterator[tuple[str, int, Any]]:
    """`(topic, time in ns, message)` of a file or of every file of a bag."""
    parts = sorted(path.glob("*.mcap")) if path.is_dir() else [path]
    if (path.is_file() and path.suffix.lower() == ".mcap") or (path.is_dir() and parts):
        for part in parts:
            yield from _mcap(part)
    else:
        yield from _sqlite(path if path.is_dir() else path.parent)


def _mcap(path: pathlib.Path) -> Iterator[tuple[str, int, Any]]:
    reader, ros = needed("mcap.reader", "logs"), needed("mcap_ros2.decoder", "logs")
    factory, decoders = ros.DecoderFactory(), {}
    with open(path, "rb") as file:
        messages = reader.make_reader(file)
        _check_chunks(path, messages.get_summary())
        for schema, channel, message in messages.iter_messages():
            if channel.id not in decoders:
                kind = channel.message_encoding
                if kind == "json":
                    decoders[channel.id] = json.loads
                else:
                    decoders[channel.id] = factory.decoder_for(kind, schema)
            decode = decoders[channel.id]
            if decode is not None:
                yield channel.topic, message.log_time, decode(message.data)


def _check_chunks(path: pathlib.Path, summary: Any) -> None:
    """Refuses what would not fit once it is unpacked and decoded."""
    total = 0
    for chunk in summary.chunk_indexes if summary is not None else ():
        declared, stored = chunk.uncompressed_size, chunk.compressed_size
        files.check_expansion(path, "a chunk", declared, stored)
        total += declared
    files.check_memory(path, _DECODED * total)


def _sqlite(folder: pathlib.Path) -> Iterator[tuple[str, int, Any]]:
    """A bag in SQLite, ROS 2's format before MCAP."""
    rosbags = needed("rosbags.highlevel", "rosbags")
    stores = needed("rosbags.typesys", "rosbags")
    store = stores.get_typestore(stores.Stores.ROS2_HUMBLE)
    with rosbags.AnyReader([folder], default_typestore=store) as bag:
        for connection, time, raw in bag.messages():
            yield connection.topic, time, bag.deserialize(raw, connection.msgtype)


def _flat(place: str, value: Any) -> Iterator[tuple[str, float]]:
    """Every number of a message by its path."""
    if isinstance(value, bool | int | float | np.number | np.bool_):
        yield place, float(value)
    elif isinstance(value, list | tuple | np.ndarray):
        if len(value) <= LONGEST and not any(isinstance(x, str) for x in value):
            for i, x in enumerate(value):
                yield from _flat(f"{place}_{i}", x)
    elif not isinstance(value, str | bytes | memoryview | None):
        fields = _fields(value)
        own: Any = fields.get("name")
        for name, x in fields.items():
            if name in _UNUSED:
                continue
            if _is_named(own, x):
                for joint, number in zip(own, x, strict=True):
                    yield from _flat(f"{place}.{name}.{joint}", number)
            else:
                yield from _flat(f"{place}.{name}", x)


def _is_named(names: Any, values: Any) -> bool:
    """Whether a message names the numbers of one of its lists, as JointState does."""
    named = isinstance(names, list | tuple) and all(isinstance(x, str) for x in names)
    many = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
    return named and many and len(values) == len(names) and values is not names


def _fields(message: Any) -> Mapping[str, Any]:
    """Name -> value of a message of any of the decoders."""
    if isinstance(message, Mapping):
        return message
    if dataclasses.is_dataclass(message):
        names = [x.name for x in dataclasses.fields(message)]
    else:
        names = list(getattr(message, "__slots__", ()))
    return {x: getattr(message, x) for x in names if not x.startswith("_")}
