"""Saves and restores arrays: all at once or not at all, and verified by digest.

A checkpoint is a numbered folder of items, each the arrays of one tree, with a record
of their names, shapes and digests. The two newest are kept.
"""

import contextlib
import hashlib
import math
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from experiments.run_folder import STATE, sealed, stored
from h2o_jax.errors import CheckpointError, DiskError, MemoryLimitError, is_full

_FORMAT = 3
"""3: the policies are items of the checkpoint; they were checkpoints of their own."""
_KEPT = 2
_ASIDE = "corrupt-"
Arrays = Mapping[str, np.ndarray]


class Checkpoint(NamedTuple):
    """An item of a checkpoint as `read` gives it."""

    arrays: dict[str, np.ndarray]
    """Path in the saved tree -> array."""
    info: dict[str, Any]


class _DamagedError(CheckpointError):
    """A checkpoint that its own record does not describe."""


def save(
    folder: pathlib.Path, items: Mapping[str, Arrays], info: Mapping[str, Any]
) -> None:
    """Writes a checkpoint of several items, which become visible together.

    The oldest one goes only after the new one is complete, so that a kill at any time
    leaves a readable checkpoint.

    Args:
        folder: of the checkpoints; made if absent.
        items: name -> arrays of a pytree by path; see `flatten`.
        info: JSON values to keep beside them.

    Raises:
        CheckpointError: the checkpoint cannot be written.
        DiskError: the disk is full.
    """
    described = {
        item: {name: _describe(x) for name, x in arrays.items()}
        for item, arrays in items.items()
    }
    record = {"format": _FORMAT, "info": dict(info), "items": described}
    args = {
        item: stored.Arrays(list(arrays.values())) for item, arrays in items.items()
    } | {"record": ocp.args.JsonSave(sealed.seal(record))}
    if folder.is_symlink():
        raise CheckpointError(f"{folder}: is a link; give the folder that it names")
    number = max(_numbers(folder), default=-1) + 1
    options = ocp.CheckpointManagerOptions(
        max_to_keep=_KEPT,
        enable_async_checkpointing=False,
        create=False,
        multiprocessing_options=_alone(),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(unfinished)
        with ocp.CheckpointManager(folder.absolute(), options=options) as manager:
            saved = manager.save(number, args=ocp.args.Composite(**args))
    except Exception as error:  # orbax raises whatever its storage layers raise
        if is_full(error):
            why = "no space left; free some, and go on from the one before"
            raise DiskError(f"{folder}: could not save, {why}") from error
        raise CheckpointError(f"{folder}: could not save: {_line(error)}") from error
    if not saved:
        raise CheckpointError(f"{folder}: orbax refused to save {number}")


def read(folder: pathlib.Path, item: str = STATE) -> Checkpoint:
    """Reads an item of the newest checkpoint and verifies every array.

    Raises:
        CheckpointError: none there, unreadable, or altered after it was saved.
        MemoryLimitError: it does not fit.
    """
    place = folder / str(_newest(folder))
    with _damage(place):
        if folder.is_symlink() or any(
            not (x.is_file() or x.is_dir()) or x.is_symlink()
            for x in (place, *place.rglob("*"))
        ):
            raise _DamagedError(f"{place}: holds links or other than files")
    record = _record(place)
    described = record["items"].get(item)
    if described is None:
        items = sorted(record["items"])
        raise CheckpointError(f"{place}: has no {item!r}; give one of {items}")
    with _damage(place):
        arrays = stored.read(place / item, described)
        for name, array in arrays.items():
            if _describe(array) != described[name]:
                raise _DamagedError(f"{place}: {name} was altered after it was saved")
    return Checkpoint(arrays, record["info"])


def recover(folder: pathlib.Path) -> list[str]:
    """Sets damaged checkpoints aside, newest first, until one is whole.

    Returns:
        What was set aside and why, a line each.

    Raises:
        CheckpointError: none is whole.
    """
    notes: list[str] = []
    while True:
        try:
            read(folder)
            return notes
        except _DamagedError as error:
            number = _newest(folder)
            if len(_numbers(folder)) == 1:
                raise CheckpointError(
                    f"{error}; no other checkpoint is left, start a fresh run"
                ) from error
            aside = folder / f"{_ASIDE}{number}"
            shutil.rmtree(aside, ignore_errors=True)
            (folder / str(number)).rename(aside)
            notes.append(f"damaged  {error}; set aside as {aside.name}")


def drop_state(folder: pathlib.Path) -> None:
    """Leaves policies of a run that is over, without what it takes to continue."""
    for number in _numbers(folder):
        shutil.rmtree(folder / str(number) / STATE, ignore_errors=True)


def fit(arrays: Arrays, like: Any, source: object = "checkpoint") -> Any:
    """Arrays by path as a tree like `like`, with its random keys typed again.

    Args:
        arrays: by path.
        like: a tree of arrays, or of their shapes.
        source: for the error.

    Raises:
        CheckpointError: an array is missing or has another shape or type.
    """

    def typed(path: Any, x: Any) -> Any:
        name, raw = jax.tree_util.keystr(path), _raw(x)
        if not math.prod(raw.shape):  # not stored
            return x
        array = arrays.get(name)
        if array is None or (array.shape, array.dtype) != (raw.shape, raw.dtype):
            has = "missing" if array is None else f"{array.dtype}{list(array.shape)}"
            raise CheckpointError(
                f"{source}: {name} is {has}, this run needs "
                f"{raw.dtype}{list(raw.shape)}; give the flags of the saved run"
            )
        return jax.random.wrap_key_data(jnp.asarray(array)) if _is_key(x) else array

    return jax.tree_util.tree_map_with_path(typed, like)


def flatten(tree: Any) -> dict[str, np.ndarray]:
    """Path -> array, with random keys as raw numbers.

    Arrays without elements are left out: orbax refuses them.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    arrays = {jax.tree_util.keystr(path): np.asarray(_raw(x)) for path, x in leaves}
    return {name: array for name, array in arrays.items() if array.size}


def _raw(x: Any) -> Any:
    return jax.random.key_data(x) if _is_key(x) else x


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _numbers(folder: pathlib.Path) -> list[int]:
    """Of the complete checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(int(x.name) for x in folder.iterdir() if x.name.isdecimal())


def _newest(folder: pathlib.Path) -> int:
    numbers = _numbers(folder)
    if not numbers:
        raise CheckpointError(f"{folder}: no checkpoint here; start a fresh run")
    return numbers[-1]


def _record(place: pathlib.Path) -> dict[str, Any]:
    """What a checkpoint says about its items.

    Raises:
        CheckpointError: it is of another version, or damaged.
    """
    path = place / "record" / "metadata"
    with _damage(place):
        content = sealed.parse(sealed.read_text(path), path)
        known = content.get("format")
        if known == _FORMAT:
            return sealed.unseal(content, path)
    raise CheckpointError(
        f"{place}: format {known}, this version reads {_FORMAT}; go on with the "
        "version that wrote it, or start a fresh run"
    )


@contextlib.contextmanager
def _damage(place: pathlib.Path) -> Iterator[None]:
    """Turns whatever a damaged checkpoint raises into one error that names it."""
    try:
        yield
    except (_DamagedError, MemoryLimitError):
        raise
    except CheckpointError as error:
        raise _DamagedError(str(error)) from error
    except Exception as error:  # orbax raises whatever its storage layers raise
        raise _DamagedError(f"{place}: is unreadable: {_line(error)}") from error


def _alone() -> ocp.options.MultiprocessingOptions:
    # Orbax must not wait for other hosts: one host saves, and each reads by itself.
    me = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"host{me}"
    )


def _describe(array: np.ndarray) -> list[Any]:
    """Type, shape and digest of an array, as JSON has them."""
    digest = hashlib.sha256(np.ascontiguousarray(array).data)
    return [str(array.dtype), list(array.shape), digest.hexdigest()]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
