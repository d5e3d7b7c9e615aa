"""A small log with episodes in it, as columns, as transitions and as a file."""

import h5py
import numpy as np

from h2o_jax.data import datasets
from h2o_jax.types import Transition

N, OBS, A = 60, 3, 2
DIMS = {"obs_dim": OBS, "action_dim": A}
MINARI_ID = "h2o/test/log-v0"


def columns(rows=N, ends=(19, 39), terminal=(39,), seed=0):
    """A log whose episodes end after `ends`, some of them at a terminal state."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(rows + 1, OBS)).astype(np.float32)
    successors = states[1:].copy()
    successors[list(ends)] = rng.normal(size=(len(ends), OBS))
    terminals = np.isin(np.arange(rows), terminal)
    return {
        "observations": states[:-1],
        "actions": rng.uniform(-1, 1, (rows, A)).astype(np.float32),
        "rewards": rng.normal(size=rows).astype(np.float32),
        "next_observations": successors,
        "terminals": terminals,
        "timeouts": np.isin(np.arange(rows), ends) & ~terminals,
    }


def without(log, *names):
    return {name: x for name, x in log.items() if name not in names}


def as_transition(log):
    return Transition(
        log["observations"],
        log["actions"],
        log["rewards"],
        1.0 - log["terminals"],
        log["next_observations"],
    )


def save_hdf5(path, log):
    with h5py.File(path, "w") as file:
        for name, values in log.items():
            file[name] = values
    return path


def load(path, **options):
    return datasets.load(str(path), **DIMS | options)


def assert_same(one, other):
    for x, y, name in zip(one, other, Transition._fields, strict=True):
        np.testing.assert_array_equal(x, y, name)
