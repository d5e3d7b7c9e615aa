"""The arrays of one item of a checkpoint, as a folder: zarr within one OCDBT database.

Orbax keeps checkpoints apart and makes them visible; the arrays are written here. Its
own writer asks tensorstore for a specification as JSON once per array, of which every
text stays in memory for good: 50 KB a save.
"""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import tensorstore

from h2o_jax.data import files
from h2o_jax.errors import CheckpointError, MemoryLimitError


class Handler(ocp.AsyncCheckpointHandler):
    """Writes an `Arrays` where orbax wants it."""

    async def async_save(self, directory: Any, args: "Arrays") -> None:
        """As `save`, beside other items: what fails here leaves none of them open."""
        self.save(directory, args)

    def save(self, directory: Any, args: "Arrays") -> None:
        """Writes the arrays to a folder that is there and empty."""
        write(pathlib.Path(directory), args.arrays)

    def restore(self, directory: Any, *args: Any, **kwargs: Any) -> Any:
        """Is never called: see `read`."""
        raise NotImplementedError


@ocp.args.register_with_handler(Handler, for_save=True, for_restore=True)
class Arrays(ocp.args.CheckpointArgs):
    """Arrays for orbax to save."""

    def __init__(self, arrays: Sequence[np.ndarray]):
        self.arrays = arrays


def write(folder: pathlib.Path, arrays: Sequence[np.ndarray]) -> None:
    """Writes arrays, all in one transaction, each one chunk."""
    transaction = tensorstore.Transaction(atomic=True)
    context = tensorstore.Context()
    opened = [
        tensorstore.open(
            _spec(folder, i) | {"metadata": {"compressor": {"id": "zstd"}}},
            create=True,
            dtype=x.dtype,
            shape=x.shape,
            chunk_layout=tensorstore.ChunkLayout(chunk_shape=x.shape),
            context=context,
            transaction=transaction,
        )
        for i, x in enumerate(arrays)
    ]
    written = [store.result().write(x) for store, x in zip(opened, arrays, strict=True)]
    transaction.commit_async().result()
    for x in written:
        x.result()


def read(folder: pathlib.Path, described: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of an item, once what it declares is what its record says.

    Orbax would read them all at once, and believe whatever size a file declares.

    Args:
        folder: of the item.
        described: name -> type, shape and digest, in the order of the arrays.

    Raises:
        CheckpointError: it declares another type or shape.
        MemoryLimitError: they do not fit.
    """
    need = sum(
        math.prod(shape) * np.dtype(kind).itemsize
        for kind, shape, _ in described.values()
    )
    free = files.available_memory()
    if need > free:
        raise MemoryLimitError(
            f"{folder}: needs {files.size(need)} of memory, {files.size(free)} are "
            "free; use a larger machine"
        )
    arrays = {}
    for i, (name, (kind, shape, _)) in enumerate(described.items()):
        stored = tensorstore.open(_spec(folder, i)).result()
        chunk = stored.chunk_layout.read_chunk.shape or ()
        if [stored.dtype.name, list(stored.shape), list(chunk)] != [kind, shape, shape]:
            raise CheckpointError(f"{folder}: declares another shape than its record")
        arrays[name] = np.asarray(stored.read().result())
    return arrays


def _spec(folder: pathlib.Path, number: int) -> dict[str, Any]:
    base = {"driver": "ocdbt", "base": folder.absolute().as_uri()}
    return {"driver": "zarr", "kvstore": {**base, "path": f"{number:04d}/"}}
