"""What a run folder keeps beside policies: critics, discriminators, simulated rows."""

import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import run_folder
from experiments.run_folder import saving
from h2o_jax.errors import CheckpointError
from h2o_jax.networks import make_networks
from h2o_jax.types import Transition


def critic(
    folder: str | pathlib.Path, run: int = 0
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The smallest value among the last critics of one run, as a function.

    Returns:
        `(observations [n, O], actions [n, A]) -> values [n]`, in the units of the
        scaled rewards that the run learned from.

    Raises:
        CheckpointError: no checkpoint there, it was altered, or the method of the run
            has no critics.
    """
    folder = pathlib.Path(folder)
    arrays = saving.read(folder).arrays
    place = "['learner'].params['critic']"
    members = {
        name.removeprefix(place).split("]")[0] for name in arrays if place in name
    }
    if not members:
        raise CheckpointError(f"{folder}: its method trains no critics")
    settings = {
        "critics": len(members),
        "critic_layer_norm": any("LayerNorm" in x for x in arrays if place in x),
    }
    networks = make_networks(**{**run_folder.versions(folder)["policy"], **settings})
    like = jax.eval_shape(networks.init["critic"], jax.random.key(0))
    critics = _select(arrays, place, like, run)
    mean, std = (arrays[f"['learner'].scales.obs_{x}"][run] for x in ("mean", "std"))

    @jax.jit
    def value(obs: np.ndarray, actions: np.ndarray) -> jax.Array:
        return networks.critic(critics, (obs - mean[None]) / std[None], actions).min(-1)

    return lambda obs, actions: np.asarray(value(obs, actions))


def discriminators(
    folder: str | pathlib.Path, run: int = 0
) -> Callable[[Transition], tuple[np.ndarray, np.ndarray]]:
    """The domain classifiers of one run, as a function of transitions.

    Returns:
        `rows [n, ...] -> (s,a) logits [n, 2], raw (s,a,s') logits [n, 2]`, real first;
        the (s, a, s') classifier's logits are the sum of both, see `ratios`.

    Raises:
        CheckpointError: no checkpoint there, it was altered, or the method of the run
            has no discriminators.
    """
    folder = pathlib.Path(folder)
    arrays = saving.read(folder).arrays
    place = "['learner'].params['discriminator']"
    biases = sorted(x for x in arrays if x.startswith(f"{place}['params']['sa']"))
    widths = [arrays[x].shape[-1] for x in biases if x.endswith("['bias']")]
    if not widths:
        raise CheckpointError(f"{folder}: its method trains no discriminators")
    policy = run_folder.versions(folder)["policy"]
    networks = make_networks(**policy, discriminator_hidden=widths[:-1])
    like = jax.eval_shape(networks.init["discriminator"], jax.random.key(0))
    params = _select(arrays, place, like, run)
    mean, std = (arrays[f"['learner'].scales.obs_{x}"][run] for x in ("mean", "std"))

    def logits(rows: Transition) -> tuple[np.ndarray, np.ndarray]:
        s_tm1, s_t = (
            (np.asarray(x) - mean[None]) / std[None] for x in (rows.s_tm1, rows.s_t)
        )
        sa, raw = networks.discriminator(params, s_tm1, rows.a_tm1, s_t)
        return np.asarray(sa), np.asarray(raw)

    return logits


def simulated_rows(folder: str | pathlib.Path, run: int = 0) -> jax.Array | None:
    """Simulated rows `[n, D]` that one run kept, packed; None without a simulator.

    Raises:
        CheckpointError: no checkpoint there, or it was altered.
    """
    arrays = saving.read(pathlib.Path(folder)).arrays
    rows = arrays.get("['replay']['rows']")
    return None if rows is None else jnp.asarray(rows[run])


def _select(arrays: dict[str, np.ndarray], place: str, like: Any, run: int) -> Any:
    """The arrays below `place` as a tree like `like`, of one run."""
    paths = jax.tree_util.tree_leaves_with_path(like)
    leaves = [arrays[place + jax.tree_util.keystr(path)][run] for path, _ in paths]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)
