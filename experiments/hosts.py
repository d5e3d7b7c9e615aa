"""Several hosts train one experiment, each of them a shard of its runs.

Runs exchange nothing while they learn, so each host compiles, simulates and learns its
own shard. Once per epoch the hosts gather their metrics, and host 0 writes them. The
run folder, checkpoints included, is the same as that of a single host, and any number
of hosts can resume it.
"""

import contextlib
import dataclasses
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from experiments.cli import console, interrupts
from experiments.devices import Machine
from experiments.experiment import Experiment
from experiments.loop import Report
from experiments.runs import shard
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
    interrupts.wait_for_hosts()
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
    """Ends the other hosts when an error ends this one; they would wait for it."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if jax.process_count() == 1:
            raise
        code = console.tell(error, f"host {jax.process_index()}: ")
        # An orderly exit would wait for hosts that wait for this one.
        os._exit(H2OError.exit_code if code is None else code)


def leads() -> bool:
    """Whether this host writes the record of all."""
    return jax.process_index() == 0


def take_shard(experiment: Experiment) -> Experiment:
    """The experiment with this host's shard of the runs; see `runs.shard`.

    Raises:
        ConfigError: there are more hosts than runs.
    """
    runs, hosts = experiment.runs, jax.process_count()
    if len(runs) < hosts:
        raise ConfigError(
            f"--seed: {len(runs)} runs for {hosts} hosts; ask for more runs"
        )
    return dataclasses.replace(experiment, runs=own_shard(runs))


def own_shard(rows: Any) -> Any:
    """This host's shard of a tuple or an array `[R, ...]` over all runs."""
    return shard(rows, jax.process_index(), jax.process_count())


class Gathering(NamedTuple):
    """How arrays over runs pass between this host's shard and all hosts' runs."""

    gather: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]] = dict
    """Arrays `[r, ...]` of this host's runs -> `[R, ...]` of all; used on host 0."""
    own_shard: Callable[[np.ndarray], np.ndarray] = np.asarray
    """Rows `[R, ...]` of all runs -> `[r, ...]` of this host's."""
    writes: bool = True
    """Whether this host writes the gathered arrays to disk."""


ALONE = Gathering()
"""This host has all runs, so that there is nothing to gather."""


def gathering() -> Gathering:
    """The gathering over all hosts, each of which has its shard."""
    return Gathering(gather, own_shard, leads())


def gather(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every host's arrays `[r, ...]` as arrays `[R, ...]` of all runs.

    All hosts call it with the same names. Where the arrays do not fit one message, only
    host 0 gets them; the other hosts get none of the rows.

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
    """`[r, w]` bytes -> `[R, w]`; `[0, w]` on other hosts than 0 if w is large."""
    shapes = _all(np.array([mine.shape]))
    if len({width for _, width in shapes}) > 1:
        raise ConfigError("--distributed: the hosts' runs are not laid out alike")
    sizes, width = [int(runs) for runs, _ in shapes], mine.shape[1]
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
            rows = [x[:n] for x, n in zip(pieces, sizes, strict=True)]
            every[:, first : first + columns] = np.concatenate(rows)
    return every


def _all(x: np.ndarray) -> np.ndarray:
    """Every host's `x`, one after the other.

    Raises:
        HostError: a host does not answer.
    """
    with _needs_every_host():
        return np.asarray(multihost_utils.process_allgather(x, tiled=True))


@contextlib.contextmanager
def _needs_every_host() -> Iterator[None]:
    """Turns the failure of a call that needs every host into a `HostError`."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):  # this host is out of memory
            raise
        raise HostError(
            f"another host is gone, and its own output says why ({error}); start all "
            "of them again, with --resume if there is a checkpoint"
        ) from error


def gather_report(report: Report) -> Report:
    """Every host's report of its runs, as one report of all runs."""
    epoch, *rest = report
    arrays, shape = jax.tree.flatten(rest)
    every = gather({str(i): array for i, array in enumerate(arrays)})
    return Report(epoch, *jax.tree.unflatten(shape, every.values()))


def agree(received: signal.Signals | None) -> signal.Signals | None:
    """The signal that any host received, so that all stop after the same epoch."""
    number = int(gather({"signal": np.array([received or 0])})["signal"].max())
    return signal.Signals(number) if number else None


@contextlib.contextmanager
def one_first() -> Iterator[None]:
    """Lets host 0 run the body first; the other hosts then find what it made."""
    if not leads():
        with _needs_every_host():
            multihost_utils.sync_global_devices("host 0 is done")
    yield
    if leads() and jax.process_count() > 1:
        with _needs_every_host():
            multihost_utils.sync_global_devices("host 0 is done")


def _bytes(array: np.ndarray) -> np.ndarray:
    """`[r, ...]` -> `[r, bytes]`."""
    flat = np.ascontiguousarray(array).reshape(len(array), -1)
    return flat.view(np.uint8)
