"""The policies of many runs in NumPy, for loops that step simulators on the CPU.

A control step needs one action per run. To dispatch a compiled call takes longer than
these small products, and the call would wait until an accelerator has finished its
updates.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from h2o_jax.networks import (
    EXPLORATION_LOG_STD,
    GAUSSIAN_LOG_STD_RANGE,
    LOG_STD_RANGE,
    family,
)
from h2o_jax.types import Actor

Array = np.ndarray
Act = Callable[..., Array]
Head = Callable[[Any, Array], tuple[Array, Array]]


def make(actors: Actor) -> Act:
    """`Algorithm.act` for actors with a leading run axis, of any family of policies.

    Args:
        actors: `[R, ...]` leaves, on any device; fetched once, here.

    Returns:
        `(obs [R, O] or [R, E, O], noise=None) -> actions`, shaped like them but for A,
        float32 in [-1, 1]. Without `noise`, standard normals shaped like the actions,
        it is the mode. Each run's action depends on its own row alone, to the bit.

    Raises:
        ValueError: the actors have no run axis.
    """
    actor = jax.device_get(actors)
    if np.ndim(actor.scales.obs_mean) != 2:
        raise ValueError(
            "an actor without a run axis; give jax.tree.map(lambda x: x[None], actor)"
        )
    params = actor.policy["params"]
    layers = _layers(params)
    head, sample = _FAMILIES[family(params)]
    mean_obs, std_obs = (x[:, None] for x in actor.scales)

    def act(obs: Array, noise: Array | None = None) -> Array:
        x = (obs.reshape(len(obs), -1, obs.shape[-1]) - mean_obs) / std_obs
        for i, layer in enumerate(layers):
            x = x @ layer["kernel"] + layer["bias"][:, None]
            if i + 1 < len(layers):
                np.maximum(x, 0, out=x)
        mean, log_std = head(params, x)
        if noise is None:
            action = np.tanh(mean)
        else:
            action = sample(mean, log_std, noise.reshape(mean.shape))
        return action.reshape(*obs.shape[:-1], -1)

    return act


def mode_layers(actor: Actor) -> list[tuple[Array, Array]]:
    """Kernels `[., .]` and biases `[.]` of one actor's deterministic policy.

    Between them are rectifiers; what the last one gives goes through tanh. Observations
    enter normalised by the actor's scales.
    """
    params = jax.device_get(actor).policy["params"]
    layers = [(np.asarray(x["kernel"]), np.asarray(x["bias"])) for x in _layers(params)]
    if family(params) == "tanh_gaussian":  # the other half is the log-std
        kernel, bias = layers[-1]
        layers[-1] = kernel[:, : len(bias) // 2], bias[: len(bias) // 2]
    return layers


def _layers(params: Any) -> list[Any]:
    mlp = params["MLP_0"]
    return [mlp[f"Dense_{i}"] for i in range(len(mlp))]


def _tanh_gaussian(params: Any, output: Array) -> tuple[Array, Array]:
    half = output.shape[-1] // 2
    mean, raw = output[..., :half], output[..., half:]
    scale, offset = (params[f"log_std_{x}"][:, None, None] for x in ("scale", "offset"))
    return mean, np.clip(scale * raw + offset, *LOG_STD_RANGE)


def _gaussian(params: Any, output: Array) -> tuple[Array, Array]:
    return output, np.clip(params["log_std"], *GAUSSIAN_LOG_STD_RANGE)[:, None]


def _deterministic(params: Any, output: Array) -> tuple[Array, Array]:
    return output, np.full_like(output, EXPLORATION_LOG_STD)


def _squashed(mean: Array, log_std: Array, noise: Array) -> Array:
    return np.tanh(mean + np.exp(log_std) * noise)


def _clipped(mean: Array, log_std: Array, noise: Array) -> Array:
    return np.clip(np.tanh(mean) + np.exp(log_std) * noise, -1, 1)


_FAMILIES: dict[str, tuple[Head, Callable[[Array, Array, Array], Array]]] = {
    "tanh_gaussian": (_tanh_gaussian, _squashed),
    "gaussian": (_gaussian, _clipped),
    "deterministic": (_deterministic, _clipped),
}
"""Head and sampler of each of `networks.POLICIES`."""
