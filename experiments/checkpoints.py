"""Saves and restores arrays: atomic, verified by digest, numbered by epoch."""

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from h2o_jax.errors import CheckpointError

_FORMAT = 2
"""2: the simulated rows are called `replay`; they were `memory`."""


class Checkpoint(NamedTuple):
    """A checkpoint as `read` gives it."""

    arrays: dict[str, np.ndarray]
    """Path in the saved tree -> array."""
    epoch: int
    info: dict[str, Any]


def save(
    folder: pathlib.Path,
    epoch: int,
    arrays: Mapping[str, np.ndarray],
    info: Mapping[str, Any],
) -> None:
    """Writes arrays as the only checkpoint of `folder`, replacing an older one.

    The older one goes only after the new one is complete, so that a kill at any time
    leaves a readable checkpoint.

    Args:
        folder: holds one checkpoint at a time; made if absent.
        epoch: its number.
        arrays: of a pytree, by path; see `flatten`.
        info: JSON values to keep beside it.

    Raises:
        CheckpointError: the checkpoint cannot be written.
    """
    leaves = {f"{i:04d}": array for i, array in enumerate(arrays.values())}
    record = {
        "format": _FORMAT,
        "names": list(arrays),
        "digests": [_digest(array) for array in arrays.values()],
        "info": dict(info),
    }
    try:
        with _manager(folder) as manager:
            saved = manager.save(
                epoch,
                args=ocp.args.Composite(
                    arrays=ocp.args.PyTreeSave(leaves),
                    record=ocp.args.JsonSave(record),
                ),
            )
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: could not save: {_line(error)}") from error
    if not saved:
        raise CheckpointError(f"{folder}: orbax refused to save epoch {epoch}")


def read(folder: pathlib.Path) -> Checkpoint:
    """Reads the checkpoint of `folder` and verifies every array.

    Raises:
        CheckpointError: none there, unreadable, or altered after it was saved.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no checkpoint here; start a fresh run")
    with _manager(folder) as manager:
        epoch = manager.latest_step()
        if epoch is None:
            raise CheckpointError(f"{folder}: no checkpoint here; start a fresh run")
        try:
            args = ocp.args.Composite(
                arrays=ocp.args.PyTreeRestore(), record=ocp.args.JsonRestore()
            )
            stored = manager.restore(epoch, args=args)
        except Exception as error:  # orbax raises whatever its storage layers raise
            raise CheckpointError(
                f"{folder}: epoch {epoch} is unreadable: {_line(error)}"
            ) from error
    record = stored.record
    if record.get("format") != _FORMAT:
        raise CheckpointError(
            f"{folder}: format {record.get('format')}, this version reads {_FORMAT}; "
            "go on with the version that wrote it, or start a fresh run"
        )
    leaves = [np.asarray(stored.arrays[key]) for key in sorted(stored.arrays)]
    arrays = dict(zip(record["names"], leaves, strict=True))
    for (name, array), digest in zip(arrays.items(), record["digests"], strict=True):
        if _digest(array) != digest:
            raise CheckpointError(f"{folder}: {name} was altered after it was saved")
    return Checkpoint(arrays, epoch, record["info"])


def fit(arrays: Mapping[str, np.ndarray], like: Any) -> Any:
    """Arrays by path as a tree like `like`, with its random keys typed again.

    Raises:
        CheckpointError: an array is missing or has another shape or type.
    """
    for name, wanted in flatten(like).items():
        array = arrays.get(name)
        if array is None or (array.shape, array.dtype) != (wanted.shape, wanted.dtype):
            has = "missing" if array is None else f"{array.dtype}{list(array.shape)}"
            raise CheckpointError(
                f"checkpoint: {name} is {has}, this run needs "
                f"{wanted.dtype}{list(wanted.shape)}; give the flags of the saved run"
            )

    def typed(path: Any, x: Any) -> Any:
        array = arrays.get(jax.tree_util.keystr(path), x)
        return jax.random.wrap_key_data(jnp.asarray(array)) if _is_key(x) else array

    return jax.tree_util.tree_map_with_path(typed, like)


def flatten(tree: Any) -> dict[str, np.ndarray]:
    """Path -> array, with random keys as raw numbers.

    Arrays without elements are left out: orbax refuses them.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    arrays = {
        jax.tree_util.keystr(path): np.asarray(
            jax.random.key_data(x) if _is_key(x) else x
        )
        for path, x in leaves
    }
    return {name: array for name, array in arrays.items() if array.size}


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _manager(folder: pathlib.Path) -> ocp.CheckpointManager:
    # Orbax must not wait for other hosts: one host saves, and each reads by itself.
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"host{me}"
    )
    options = ocp.CheckpointManagerOptions(
        max_to_keep=1,
        enable_async_checkpointing=False,
        create=False,
        multiprocessing_options=alone,
    )
    folder.mkdir(parents=True, exist_ok=True)
    return ocp.CheckpointManager(folder.absolute(), options=options)


def _digest(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
