"""Settings that a method never reads: cells that differ in nothing else are one cell.

Which hyperparameters an update reads is found by tracing it, so that a new method or
hyperparameter needs no line here.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from experiments.mending_settings import CORRECTING, FITTING
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.types import Algorithm, LearnerState, Transition

_GROUPS = {
    "discriminator": ("discriminator_hidden", "discriminate_rows", "relative_noise"),
    "critic": ("critics", "critic_layer_norm"),
}
"""Group of parameters -> settings about it alone."""
_SIMULATED = ("replay_rows", "overlap", "randomise", "random_steps", "pessimism")
"""Settings about simulated rows alone."""


def unused(setting: Mapping[str, Any]) -> frozenset[str]:
    """Names of the settings that cannot change what a cell says.

    Args:
        setting: of a cell; those that are newer than the cell may be absent.
    """
    if setting.get("algorithm") not in ALGORITHMS:
        return frozenset()
    names = of_method(setting["algorithm"], **own(setting))
    if setting.get("simulator") not in CORRECTING:
        names |= {"pessimism"} | {x for x in setting if x.startswith("residual_")}
    if setting.get("simulator") not in FITTING:
        names |= {"fields"}
    return names


def own(setting: Mapping[str, Any]) -> dict[str, str]:
    """What is chosen within a method, by which it reads more or fewer settings."""
    chosen = ("backbone", "weighting", "anchor")
    return {name: setting[name] for name in chosen if setting.get(name)}


@functools.cache
def of_method(algorithm: str, **own: str) -> frozenset[str]:
    """Names of the settings that a method never reads, whatever else is set.

    Args:
        algorithm: the method.
        **own: its `backbone`, `weighting` and `anchor` where they are not the default.
    """
    method = ALGORITHMS[algorithm](2, 1, hidden=(2,), discriminator_hidden=(2,), **own)
    state = jax.eval_shape(method.init, jax.random.key(0))
    names = set(_unread(method, state))
    for group, about in _GROUPS.items():
        if group not in state.params:
            names.update(about)
    if "sim" not in method.domains:
        names.update(_SIMULATED)
    if "reward_scale" in names:
        names.add("return_range")
    return frozenset(names)


def _unread(method: Algorithm, state: LearnerState) -> list[str]:
    """Hyperparameters on which nothing that an update leaves depends."""

    def learned(state: LearnerState, batch: Transition) -> tuple[Any, ...]:
        after, _ = method.update(state, batch, batch)
        averages = after.target_params, after.average_policy
        return after.params, averages, after.opt_state

    n = method.batch_size
    s, a, x = (
        jax.ShapeDtypeStruct((n, *shape), jnp.float32) for shape in ((2,), (1,), ())
    )
    batch = Transition(s, a, x, x, s)
    if method.needs_next_action:
        batch = batch._replace(a_t=a)
    traced = jax.make_jaxpr(learned)(state, batch).jaxpr
    _, read = partial_eval.dce_jaxpr(traced, [True] * len(traced.outvars))
    # As the arguments were flattened, so are the answers.
    after, _ = jax.tree.unflatten(jax.tree.structure((state, batch)), read)
    return [name for name, is_read in vars(after.hyper).items() if not is_read]
