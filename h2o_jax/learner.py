"""Makes an algorithm of a table of losses: gradients, optimisers, averages, keys.

An algorithm is a tuple of stages run in order. A stage maps each parameter group to
the one loss that trains it. Inside a stage every loss sees the same snapshot of the
parameters; later stages see earlier results. Each loss is differentiated in its own
group only, so that none can leak gradient into another network.
"""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence

import jax
import jax.numpy as jnp
import optax

from h2o_jax import batches
from h2o_jax import table as table_lib
from h2o_jax.schedules import Schedule, constant, linear
from h2o_jax.table import Table
from h2o_jax.types import (
    Actor,
    Algorithm,
    Array,
    Domain,
    Hyper,
    LearnerState,
    Loss,
    Metrics,
    Networks,
    Noise,
    Params,
    Scales,
    Stage,
    Transition,
    Update,
    View,
    unit_scales,
)

_ADAM = optax.scale_by_adam()


def make(
    networks: Networks,
    stages: Sequence[Stage],
    domains: Iterable[Domain],
    targets: Sequence[str] | None = None,
    schedules: Mapping[str, Schedule] | None = None,
    needs_next_action: bool = False,
) -> Algorithm:
    """Builds the algorithm that a table of stages describes.

    Args:
        networks: functions of `make_networks`.
        stages: losses by parameter group, in the order in which they act.
        domains: which of `real`, `sim` batches the losses read; the other may be
            None.
        targets: groups that keep a moving average; by default the critic, if there
            is one.
        schedules: group -> how its Adam step, `hyper.<group>_lr`, shrinks, beside
            the linear decay that all groups share.
        needs_next_action: whether real rows must carry the next logged action.

    Returns:
        The method's pure functions; see `Algorithm`.

    Raises:
        ConfigError: the table names something that is not there.
    """
    if targets is None:
        targets = ["critic"] if any("critic" in stage for stage in stages) else []
    table = Table(
        networks,
        tuple(stages),
        tuple(domains),
        tuple(targets),
        dict(schedules or {}),
        needs_next_action,
    )
    table_lib.check(table)
    return Algorithm(
        init=functools.partial(_init, table),
        update=_compiled(table),
        step=functools.partial(_step, table),
        noise=functools.partial(_noise, table),
        act=functools.partial(_act, networks),
        groups=table.groups,
        domains=frozenset(table.domains),
        batch_size=table.sizes.rows,
        networks=networks,
        needs_next_action=needs_next_action,
    )


def _init(
    table: Table,
    key: jax.Array,
    hyper: Hyper | None = None,
    scales: Scales | None = None,
) -> LearnerState:
    groups, networks = table.groups, table.networks
    hyper = Hyper() if hyper is None else hyper
    table_lib.check_hyper(table, hyper)
    keys = jax.random.split(key, len(groups) + 1)
    params = {
        group: networks.init[group](k)
        for group, k in zip(groups, keys[1:], strict=True)
    }
    if scales is None:
        scales = unit_scales(networks.obs_dim, networks.action_dim)
    table_lib.check_scales(table, scales)
    state = LearnerState(
        params=params,
        target_params={group: params[group] for group in table.targets},
        average_policy=params.get("policy"),
        opt_state={group: _ADAM.init(params[group]) for group in groups},
        hyper=jax.tree.map(_float32, hyper),
        scales=jax.tree.map(_float32, scales),
        key=keys[0],
        step=jnp.zeros((), jnp.uint32),
        failures={group: jnp.zeros((), jnp.uint32) for group in groups},
    )
    # May be donated: no two leaves share a buffer, nor one with the caller's arrays.
    return jax.tree.map(jnp.copy, state)


def _noise(table: Table, key: jax.Array) -> tuple[Noise, ...]:
    keys = jax.random.split(key, len(table.stages))
    return tuple(
        _draw(k, stage, table.networks)
        for k, stage in zip(keys, table.stages, strict=True)
    )


def _compiled(table: Table) -> Update:
    """The update, compiled."""
    compiled = jax.jit(functools.partial(_update, table))

    def update(
        state: LearnerState,
        real_batch: Transition | None = None,
        sim_batch: Transition | None = None,
    ) -> tuple[LearnerState, Metrics]:
        try:
            return compiled(state, real_batch, sim_batch)
        except TypeError:  # what jit takes for no array, it has not traced
            _checked(table, real_batch, sim_batch)
            raise

    return update


def _checked(
    table: Table, real_batch: Transition | None, sim_batch: Transition | None
) -> dict[Domain, Transition]:
    """The batches that the method reads; see `batches.checked`."""
    given: dict[Domain, Transition | None] = {"real": real_batch, "sim": sim_batch}
    checked = {d: batches.checked(given[d], d, table.sizes) for d in table.domains}
    if table.needs_next_action and checked["real"].a_t is None:
        raise ValueError(
            "this method reads real rows' a_t; give it by h2o_jax.with_next_action"
        )
    return checked


def _update(
    table: Table,
    state: LearnerState,
    real_batch: Transition | None = None,
    sim_batch: Transition | None = None,
) -> tuple[LearnerState, Metrics]:
    noise = _noise(table, jax.random.fold_in(state.key, state.step))
    return _step(table, state, real_batch, sim_batch, noise=noise)


def _step(
    table: Table,
    state: LearnerState,
    real_batch: Transition | None = None,
    sim_batch: Transition | None = None,
    *,
    noise: Sequence[Noise],
) -> tuple[LearnerState, Metrics]:
    checked = _checked(table, real_batch, sim_batch)
    rows = {d: batches.prepared(batch, state) for d, batch in checked.items()}
    params, opt_state = dict(state.params), dict(state.opt_state)
    metrics: Metrics = {}
    for stage, normals in zip(table.stages, noise, strict=True):
        snapshot = dict(params)
        for group, loss in stage.items():
            view = _view(table.networks, state, snapshot, rows, loss.rows)
            gradient, report = _gradient(loss, group, view, normals)
            schedule = table.schedules.get(group, constant)
            params[group], opt_state[group] = _descend(
                gradient, opt_state[group], params[group], _rate(state, group, schedule)
            )
            metrics |= report
    average = {
        group: optax.incremental_update(
            params[group], state.target_params[group], state.hyper.target_ema
        )
        for group in table.targets
    }
    state = state.replace(
        params=params,
        target_params=average,
        average_policy=optax.incremental_update(
            params.get("policy"), state.average_policy, state.hyper.policy_ema
        ),
        opt_state=opt_state,
        step=state.step + jnp.uint32(1),
    )
    return state, metrics


def _act(
    networks: Networks, actor: Actor, obs: Array, key: jax.Array | None = None
) -> jax.Array:
    obs = batches.observed(obs, networks.obs_dim, actor)
    mean, log_std = networks.policy(actor.policy, batches.normalised(obs, actor.scales))
    if key is None:
        return networks.distribution.mode(mean)
    normals = jax.random.normal(key, mean.shape, mean.dtype)
    return networks.distribution.sample(mean, log_std, normals)[0]


def _float32(x: object) -> jax.Array:
    return jnp.asarray(x, jnp.float32)


def _view(
    networks: Networks,
    state: LearnerState,
    params: dict[str, Params],
    batch_of: dict[Domain, Transition],
    rows: slice,
) -> View:
    return View(
        networks=networks,
        params=params,
        target_params=state.target_params,
        hyper=state.hyper,
        scales=state.scales,
        step=state.step,
        batch={d: jax.tree.map(lambda x: x[rows], b) for d, b in batch_of.items()},
    )


def _gradient(
    loss: Loss, group: str, view: View, noise: Noise
) -> tuple[Params, Metrics]:
    """Gradient of one loss in its own group, and its metrics."""

    def of_group(params: Params) -> tuple[jax.Array, Metrics]:
        own = view._replace(params={**view.params, group: params})
        return table_lib.applied(group, loss, own, noise)

    return jax.grad(of_group, has_aux=True)(view.params[group])


def _rate(state: LearnerState, group: str, schedule: Schedule) -> jax.Array:
    """A group's step size: `hyper.<group>_lr` times its schedule."""
    hyper, updates = state.hyper, state.step.astype(jnp.float32)
    rate = linear(hyper, updates) * getattr(hyper, f"{group}_lr")
    return rate * schedule(hyper, updates)


def _descend(
    gradient: Params, opt_state: Params, params: Params, rate: jax.Array
) -> tuple[Params, Params]:
    """One Adam step."""
    direction, opt_state = _ADAM.update(gradient, opt_state)
    step = optax.tree.scale(-rate, direction)
    return optax.apply_updates(params, step), opt_state


def _draw(key: jax.Array, stage: Stage, networks: Networks) -> Noise:
    """All normals of one stage, from one draw; equal names are shared."""
    shapes = table_lib.noise_shapes(stage, networks)
    sizes = [math.prod(shape) for shape in shapes.values()]
    normals = jax.random.normal(key, (sum(sizes),), jnp.float32)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return {
        name: normals[end - size : end].reshape(shape)
        for (name, shape), size, end in zip(shapes.items(), sizes, ends, strict=True)
    }
