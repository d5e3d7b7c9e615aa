"""Several hosts as one program, each with its share of the runs.

Runs never exchange anything while they learn, so each host compiles, simulates and
learns its own. What they have to say is gathered once per epoch, and host 0 writes it:
the run folder, checkpoints included, is that of a single host, and can be resumed by
any number of them.
"""

import contextlib
import dataclasses
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from experiments.cli import console, interrupts
from experiments.devices import Machine
from experiments.experiment import Experiment, shard
from experiments.loop import Report
from experiments.steps import Scores
from h2o_jax.errors import ConfigError, H2OError, HostError

_CHUNK = 2**25
"""Bytes per host of one message, so that devices never hold a whole checkpoint."""


def join(machine: Machine) -> None:
    """Meets the other hosts, if the flags say that there are any.

    Raises:
        ConfigError: the flags are incomplete, or JAX found no cluster.
    """
    named = machine.coordinator, machine.hosts, machine.host
    if not machine.distributed:
        if any(x not in ("", None) for x in named):
            raise ConfigError("--coordinator, --hosts, --host: give --distributed too")
        return
    coordinator, count, index = named
    if bool(coordinator) != (count is not None) or (count is None) != (index is None):
        raise ConfigError("--coordinator, --hosts, --host: give all three, or none")
    if count is not None and index is not None and not index < count:
        raise ConfigError(f"--host={index}: hosts are counted from 0 to {count - 1}")
    try:
        jax.distributed.initialize(coordinator or None, count, index)
        # CPUs connect with the first message, for which the others wait half a minute
        # only; later ones may take as long as they like.
        multihost_utils.sync_global_devices("joined")
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"--distributed: {error}") from None


@contextlib.contextmanager
def end_together() -> Iterator[None]:
    """Makes what ends this host end the others too, which would wait for it."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if jax.process_count() == 1:
            raise
        code, text = getattr(error, "exit_code", 1), str(error)
        if isinstance(error, KeyboardInterrupt):
            code, text = interrupts.CTRL_C, "interrupted"
        elif not isinstance(error, H2OError):
            traceback.print_exc()
        console.complain(f"host {jax.process_index()}: {text}")
        sys.stdout.flush()
        # An orderly exit would wait for hosts that wait for this one.
        os._exit(code)


def leads() -> bool:
    """Whether this host writes the record of all."""
    return jax.process_index() == 0


def share(experiment: Experiment) -> Experiment:
    """The experiment with this host's runs alone; contiguous, sizes differ by one.

    Raises:
        ConfigError: there are more hosts than runs.
    """
    runs, hosts = experiment.runs, jax.process_count()
    if len(runs) < hosts:
        raise ConfigError(
            f"--seed: {len(runs)} runs for {hosts} hosts; ask for more runs"
        )
    return dataclasses.replace(experiment, runs=own(runs))


def own(rows: Any) -> Any:
    """This host's share of a tuple or an array `[R, ...]` of all runs."""
    return shard(rows, jax.process_index(), jax.process_count())


class Share(NamedTuple):
    """How what all runs are is put together, and what of it is here."""

    gather: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]] = dict
    """Arrays `[r, ...]` of the runs here -> `[R, ...]` of all; of use on host 0."""
    own: Callable[[np.ndarray], np.ndarray] = np.asarray
    """Rows `[R, ...]` of all runs -> `[r, ...]` of those here."""
    writes: bool = True
    """Whether this host keeps them."""


ALONE = Share()
"""All runs are here, whatever other hosts do."""


def shared() -> Share:
    """Every host has its part."""
    return Share(gather, own, leads())


def gather(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every host's arrays `[r, ...]` as arrays `[R, ...]` of all runs.

    All hosts call it alike. Arrays that do not fit a message come to host 0 alone.

    Raises:
        ConfigError: a run's rows are not as long on every host.
    """
    if jax.process_count() == 1:
        return dict(arrays)
    # As bytes: JAX would round 64-bit numbers. One row per run for all arrays.
    rows = {name: _bytes(array) for name, array in arrays.items()}
    every = _gather_rows(np.concatenate(list(rows.values()), axis=1))
    ends = np.cumsum([row.shape[1] for row in rows.values()])
    return {
        name: np.ascontiguousarray(column)
        .view(arrays[name].dtype)
        .reshape(len(every), *arrays[name].shape[1:])
        for name, column in zip(rows, np.split(every, ends[:-1], axis=1), strict=True)
    }


def _gather_rows(mine: np.ndarray) -> np.ndarray:
    """`[r, w]` bytes -> `[R, w]`; none of them on other hosts if they are many."""
    shapes = _all(np.array([mine.shape]))
    if len({width for _, width in shapes}) > 1:
        raise ConfigError("--distributed: the hosts' runs are not laid out alike")
    sizes, width = [int(rows) for rows, _ in shapes], mine.shape[1]
    columns = min(width, _CHUNK // max(sizes))
    keeps = leads() or columns == width
    every = np.empty((sum(sizes) if keeps else 0, width), np.uint8)
    # One shape of message, so that one program is compiled.
    message = np.zeros((1, max(sizes), columns), np.uint8)
    for first in range(0, width, columns):
        here = mine[:, first : first + columns]
        message[0, : len(mine), : here.shape[1]] = here
        pieces = _all(message)[..., : here.shape[1]]
        if keeps:
            parts = [x[:n] for x, n in zip(pieces, sizes, strict=True)]
            every[:, first : first + columns] = np.concatenate(parts)
    return every


def _all(x: np.ndarray) -> np.ndarray:
    """Every host's `x`, one after the other.

    Raises:
        HostError: a host does not answer.
    """
    with _others():
        return np.asarray(multihost_utils.process_allgather(x, tiled=True))


@contextlib.contextmanager
def _others() -> Iterator[None]:
    """Around what other hosts take part in."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):  # which is this host's own
            raise
        raise HostError(
            f"another host is gone, and its own output says why ({error}); start all "
            "of them again, with --resume if there is a checkpoint"
        ) from error


def gather_report(report: Report) -> Report:
    """The report of this host's runs, as one of every host's."""
    arrays = dict(report.metrics)
    if report.scores is not None:
        arrays |= report.scores._asdict()
    every = gather(arrays) if arrays else {}
    scores = report.scores and Scores(*(every.pop(name) for name in Scores._fields))
    return Report(report.epoch, every, scores)


def agree(received: signal.Signals | None) -> signal.Signals | None:
    """A signal that came to any of the hosts, so that all of them stop together."""
    number = int(gather({"signal": np.array([received or 0])})["signal"].max())
    return signal.Signals(number) if number else None


@contextlib.contextmanager
def one_first() -> Iterator[None]:
    """Lets host 0 pass before the others, which then find what it made."""
    if not leads():
        with _others():
            multihost_utils.sync_global_devices("host 0 is done")
    yield
    if leads() and jax.process_count() > 1:
        with _others():
            multihost_utils.sync_global_devices("host 0 is done")


def _bytes(array: np.ndarray) -> np.ndarray:
    """`[r, ...]` -> `[r, bytes]`."""
    flat = np.ascontiguousarray(array).reshape(len(array), -1)
    return flat.view(np.uint8)
