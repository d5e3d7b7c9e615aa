"""The table of an algorithm: its stages of losses, and what they need."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from h2o_jax.errors import ConfigError, check_choice
from h2o_jax.schedules import Schedule
from h2o_jax.types import (
    Domain,
    Hyper,
    Loss,
    Metrics,
    Networks,
    Noise,
    Scales,
    Sizes,
    Stage,
    View,
)

_DOMAINS = get_args(Domain)


class Table(NamedTuple):
    """The arguments of `learner.make`."""

    networks: Networks
    stages: tuple[Stage, ...]
    domains: tuple[Domain, ...]
    targets: tuple[str, ...]
    schedules: dict[str, Schedule]
    needs_next_action: bool

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of parameters in the order in which they are trained."""
        return tuple(group for stage in self.stages for group in stage)

    @property
    def sizes(self) -> Sizes:
        """Rows of each batch that the losses read, and the widths of both spaces."""
        rows = max(x.span[1] for stage in self.stages for x in stage.values())
        return Sizes(rows, self.networks.obs_dim, self.networks.action_dim)


def check(table: Table) -> None:
    """Refuses a table that could not be trained as it reads.

    Raises:
        ConfigError: it names the entry, what was found and the fix.
    """
    if not table.stages or not table.domains:
        raise ConfigError("no stages or no domains; give one of each at least")
    for stage in table.stages:
        _check_stage(stage)
        noise_shapes(stage, table.networks)
    for group, times in Counter(table.groups).items():
        check_choice(
            "group", group, table.networks.init, ", or add it to networks.init"
        )
        if times > 1:
            raise ConfigError(f"group {group!r}: {times} stages train it; keep one")
    for domain in table.domains:
        check_choice("domain", domain, _DOMAINS)
    for group in table.targets:
        check_choice("target", group, table.groups)
    for group in table.schedules:
        check_choice("schedule of group", group, table.groups)


def _check_stage(stage: Any) -> None:
    if not isinstance(stage, Mapping) or not stage:
        raise ConfigError(f"stage {stage!r}: give a dict of group -> h2o_jax.Loss")
    for group, loss in stage.items():
        if not isinstance(loss, Loss):
            found = type(loss).__name__
            raise ConfigError(f"group {group!r}: got {found}, want an h2o_jax.Loss")


def noise_shapes(stage: Stage, networks: Networks) -> dict[str, tuple[int, ...]]:
    """Shapes of a stage's normals by name; losses share those of one name.

    Raises:
        ConfigError: a shape is no tuple, or two losses want one name in two shapes.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for group, loss in stage.items():
        first, end = loss.span
        sizes = Sizes(end - first, networks.obs_dim, networks.action_dim)
        for name, shape in loss.noise(sizes).items():
            if not isinstance(shape, tuple):
                raise ConfigError(
                    f"group {group!r}: noise {name!r} has the shape {shape!r}; give a "
                    "tuple, such as (sizes.rows, sizes.action_dim)"
                )
            if shapes.setdefault(name, shape) != shape:
                raise ConfigError(
                    f"group {group!r}: noise {name!r} has the shape {shape}, and "
                    f"{shapes[name]} in another loss of its stage, which share it; "
                    "give it another name"
                )
    return shapes


def applied(
    group: str, loss: Loss, view: View, noise: Noise
) -> tuple[jax.Array, Metrics]:
    """What a loss gives: a scalar, and metrics.

    Raises:
        ConfigError: it gives something else, or reads what is not there.
    """
    try:
        found = loss.apply(view, noise)
    except KeyError as error:
        kinds: dict[str, Iterable[str]] = {
            "batch": view.batch,
            "group": view.params,
            "target": view.target_params,
            "noise": noise,
        }
        there = ", ".join(f"{kind} {x!r}" for kind, own in kinds.items() for x in own)
        raise ConfigError(
            f"group {group!r}: its loss reads {error}, which is not there; there is "
            f"{there}"
        ) from error
    match found:
        case (value, Mapping() as metrics) if np.shape(value) == ():
            return jnp.asarray(value), dict(metrics)
    raise ConfigError(
        f"group {group!r}: its loss gives {_shown(found)}; want a scalar and a dict of "
        "metrics"
    )


def _shown(found: Any) -> str:
    """What a loss gave, by its types and shapes."""
    if isinstance(found, tuple):
        return f"({', '.join(map(_shown, found))})"
    if hasattr(found, "shape"):
        return f"an array of the shape {found.shape}"
    return f"a {type(found).__name__}"


def check_scales(table: Table, scales: Any) -> None:
    """Refuses scales of other spaces.

    Raises:
        ConfigError: they are no `Scales`, or of another width.
    """
    if not isinstance(scales, Scales):
        found = type(scales).__name__
        raise ConfigError(
            f"scales: got {found}, want h2o_jax.Scales; h2o_jax.log_scales makes them"
        )
    for name, x in scales._asdict().items():
        sizes = table.sizes
        width = sizes.action_dim if name == "noise_action" else sizes.obs_dim
        if np.shape(x) != (width,):
            raise ConfigError(
                f"scales: {name} has the shape {np.shape(x)}, want {(width,)}"
            )


def check_hyper(table: Table, hyper: Any) -> None:
    """Refuses hyperparameters that lack the step size of a group.

    Raises:
        ConfigError: they are no `Hyper`, lack a field, or one is no single number.
    """
    if not isinstance(hyper, Hyper):
        found = type(hyper).__name__
        raise ConfigError(f"hyperparameters: got {found}, want an h2o_jax.Hyper")
    for group in table.groups:
        if not hasattr(hyper, f"{group}_lr"):
            raise ConfigError(
                f"group {group!r}: Hyper has no {group}_lr; add it in a subclass"
            )
    for field in dataclasses.fields(hyper):
        static = not field.metadata.get("pytree_node", True)
        shape = () if static else np.shape(getattr(hyper, field.name))
        if shape:
            raise ConfigError(
                f"hyperparameters: {field.name} has the shape {shape}; give one "
                "number, and map init over several by jax.vmap"
            )
