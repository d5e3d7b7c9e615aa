"""Loads a trained policy from a run folder."""

import json
import pathlib
from collections.abc import Callable

import jax
import numpy as np

import h2o_jax
from experiments import checkpoints
from h2o_jax.errors import CheckpointError


def load(
    folder: str | pathlib.Path, run: int = 0, which: str = "policy"
) -> Callable[[np.ndarray], np.ndarray]:
    """The deterministic policy of one run.

    Args:
        folder: a run folder of `experiments.run`.
        run: index of the run, in the order of versions.json's `runs`.
        which: `policy` (the last) or `best` (at its best evaluation).

    Returns:
        `observations [..., O] -> actions [..., A]` in [-1, 1].

    Raises:
        CheckpointError: no such policy there, or it was altered.
    """
    folder = pathlib.Path(folder)
    if not (folder / "versions.json").is_file():
        raise CheckpointError(f"{folder}: no run folder (no versions.json)")
    facts = json.loads((folder / "versions.json").read_text())
    method = h2o_jax.sac(**facts["policy"])
    like = jax.eval_shape(method.init, jax.random.key(0)).actor
    actors = checkpoints.read(folder / which).arrays
    if not 0 <= run < len(facts["runs"]):
        raise CheckpointError(f"{folder}: run {run} of {len(facts['runs'])}")
    names = [
        jax.tree_util.keystr(path)
        for path, _ in jax.tree_util.tree_leaves_with_path(like)
    ]
    leaves = [actors[name][run] for name in names]
    actor = jax.tree.unflatten(jax.tree.structure(like), leaves)
    act = jax.jit(method.act)
    return lambda obs: np.asarray(act(actor, np.asarray(obs, np.float32)))
