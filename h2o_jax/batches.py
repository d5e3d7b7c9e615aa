"""Batches that an update is given: checked, then as the networks see them.

Shapes and types are known while an update is traced, so that a check costs nothing once
it is compiled.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from h2o_jax.types import (
    Actor,
    Array,
    Domain,
    LearnerState,
    ObsScales,
    Scales,
    Sizes,
    Transition,
)


def checked(batch: Any, domain: Domain, least: Sizes) -> Transition:
    """The batch in float32, if the losses can read it.

    Args:
        batch: what an update was given for a domain that its method reads.
        domain: of the batch, for errors.
        least: the rows that the losses read, and the widths of both spaces.

    Raises:
        ValueError: it is no `Transition`, is too short, or a field is of another type
            or shape; it names domain and field, what was found and what is wanted.
    """
    if batch is None:
        raise ValueError(f"this method learns from {domain} rows; got None for them")
    if not isinstance(batch, Transition):
        kind = "an array" if _is_array(batch) else f"a {type(batch).__name__}"
        raise ValueError(
            f"the {domain} rows are {kind}; give an h2o_jax.Transition of arrays"
        )
    count = _count(batch.s_tm1, domain, least.obs_dim)
    obs, action = (count, least.obs_dim), (count, least.action_dim)
    shapes = Transition(obs, action, (count,), (count,), obs, action)
    fields = {k: x for k, x in batch._asdict().items() if k != "a_t" or x is not None}
    for name, x in fields.items():
        _check(name, x, domain, getattr(shapes, name))
    if count < least.rows:
        raise ValueError(
            f"this method reads {least.rows} {domain} rows a batch (its `batch_size`); "
            f"got {count}"
        )
    return Transition(**{k: jnp.asarray(x, jnp.float32) for k, x in fields.items()})


def prepared(batch: Transition, state: LearnerState) -> Transition:
    """The batch as the networks see it: observations normalised, rewards scaled."""
    return batch._replace(
        s_tm1=normalised(batch.s_tm1, state.scales),
        s_t=normalised(batch.s_t, state.scales),
        r_t=(batch.r_t + state.hyper.reward_shift) * state.hyper.reward_scale,
    )


def observed(obs: Any, obs_dim: int, actor: Actor) -> jax.Array:
    """Observations `[..., O]` to act on, in float32.

    Raises:
        ValueError: they are of another width; or a state acts, not its actor.
    """
    if not hasattr(actor, "policy"):
        raise ValueError(
            f"a {type(actor).__name__} cannot act; give state.actor or "
            "state.average_actor"
        )
    obs = jnp.asarray(obs, jnp.float32)
    if obs.shape[-1:] != (obs_dim,):
        shape = ", ".join(map(str, obs.shape))
        raise ValueError(f"observations are [{shape}]; want [..., {obs_dim}]")
    return obs


def normalised(obs: Array, scales: Scales | ObsScales) -> jax.Array:
    """`[..., O] -> [..., O]` observations by the mean and std of the scales."""
    both = scales.obs_mean, scales.obs_std
    mean, std = (jnp.broadcast_to(x, obs.shape) for x in both)
    return jnp.subtract(obs, mean) / std


def _count(s_tm1: Any, domain: Domain, obs_dim: int) -> int:
    """Rows of a batch, by the observations that its transitions leave."""
    if not _is_array(s_tm1) or np.ndim(s_tm1) != 2:
        _refuse("s_tm1", s_tm1, domain, f"[rows, {obs_dim}]")
    return len(s_tm1)


def _check(name: str, x: Any, domain: Domain, shape: tuple[int, ...]) -> None:
    """Refuses a field of another shape, or of no real numbers."""
    if not _is_array(x) or x.shape != shape or not _is_real(x):
        why = "" if name == "s_tm1" else f", as s_tm1 has {shape[0]} rows"
        _refuse(name, x, domain, f"[{', '.join(map(str, shape))}]{why}")


def _refuse(name: str, x: Any, domain: Domain, wanted: str) -> None:
    found = f"a {type(x).__name__}"
    if _is_array(x):
        found = f"{x.dtype} [{', '.join(map(str, x.shape))}]"
    raise ValueError(f"the {domain} rows' {name} is {found}; want float32 {wanted}")


def _is_array(x: Any) -> bool:
    return isinstance(x, Array | np.generic)


def _is_real(x: Array) -> bool:
    """Whether an array holds numbers that float32 can stand for, or truth values."""
    kinds = np.floating, np.integer, np.bool_
    return any(jnp.issubdtype(x.dtype, kind) for kind in kinds)
