"""Several hosts as one program, each with its share of the runs.

Runs never exchange anything while they learn, so each host compiles, simulates and
learns its own. What they have to say is gathered once per epoch, and host 0 writes it:
the run folder, checkpoints included, is that of a single host, and can be resumed by
any number of them.
"""

import contextlib
import dataclasses
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from experiments import flags
from experiments.experiment import Experiment, part
from h2o_jax.errors import ConfigError


def join() -> None:
    """Meets the other hosts, if the flags say that there are any.

    Raises:
        ConfigError: the flags are incomplete, or JAX found no cluster.
    """
    named = flags.FLAGS.coordinator, flags.FLAGS.hosts, flags.FLAGS.host
    if not flags.FLAGS.distributed:
        if any(x not in ("", None) for x in named):
            raise ConfigError("--coordinator, --hosts, --host: give --distributed too")
        return
    coordinator, count, index = named
    if bool(coordinator) != (count is not None) or (count is None) != (index is None):
        raise ConfigError("--coordinator, --hosts, --host: give all three, or none")
    try:
        jax.distributed.initialize(coordinator or None, count, index)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"--distributed: {error}") from None


def leads() -> bool:
    """Whether this host writes what all of them found."""
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
    """This host's part of a tuple or an array `[R, ...]` of all runs."""
    return part(rows, jax.process_index(), jax.process_count())


def gather(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every host's arrays `[r, ...]` as arrays `[R, ...]` of all runs, on every host.

    Raises:
        ConfigError: a run's rows are not as long on every host.
    """
    hosts = jax.process_count()
    if hosts == 1:
        return dict(arrays)
    # As bytes: JAX would round 64-bit numbers. One message for all arrays.
    rows = {name: _bytes(array) for name, array in arrays.items()}
    mine = np.concatenate(list(rows.values()), axis=1)
    shapes = multihost_utils.process_allgather(np.array([mine.shape]), tiled=True)
    if len({width for _, width in shapes}) > 1:
        raise ConfigError("--gap: hosts cannot share runs of different latencies")
    sizes = [rows for rows, _ in shapes]
    padding = np.zeros((max(sizes) - len(mine), mine.shape[1]), np.uint8)
    sent = np.concatenate([mine, padding])[None]
    found = np.asarray(multihost_utils.process_allgather(sent, tiled=True))
    every = np.concatenate([x[:n] for x, n in zip(found, sizes, strict=True)])
    ends = np.cumsum([row.shape[1] for row in rows.values()])
    return {
        name: np.ascontiguousarray(column)
        .view(arrays[name].dtype)
        .reshape(len(every), *arrays[name].shape[1:])
        for name, column in zip(rows, np.split(every, ends[:-1], axis=1), strict=True)
    }


def agree(asked: signal.Signals | None) -> signal.Signals | None:
    """A signal that came to any of the hosts, so that all of them stop together."""
    number = int(gather({"asked": np.array([asked or 0])})["asked"].max())
    return signal.Signals(number) if number else None


@contextlib.contextmanager
def one_first() -> Iterator[None]:
    """Lets host 0 pass before the others, which then find what it made."""
    if not leads():
        multihost_utils.sync_global_devices("host 0 is done")
    yield
    if leads() and jax.process_count() > 1:
        multihost_utils.sync_global_devices("host 0 is done")


def _bytes(array: np.ndarray) -> np.ndarray:
    """`[r, ...]` -> `[r, bytes]`."""
    flat = np.ascontiguousarray(array).reshape(len(array), -1)
    return flat.view(np.uint8)
