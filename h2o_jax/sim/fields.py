"""Physical fields of a simulator that a log can be asked about.

A field is `gravity`, or `body_mass` of every body, or `body_mass:torso` of one;
`body_mass:each` stands for one field per body. Most are scales of a compiled model, 1
where nothing is changed; `dry_friction`, `viscous_friction` and `joint_spring` are
added, as a model that has none of them has nothing to scale; `latency` and
`action_noise` set the interface between policy and physics instead.
"""

import copy
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError, check_choice
from h2o_jax.sim.field_table import ALL, FIELDS, Field
from h2o_jax.sim.interface import Interface


class Value(NamedTuple):
    """A field's value, and the interval that it lies in."""

    name: str
    """`FIELD` or `FIELD:ELEMENT`."""
    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, name: str, value: float) -> "Value":
        """A value without an interval."""
        return cls(name, value, value, value)


LARGEST = 1000.0
"""Largest value of any field."""
EACH = "each"
"""In place of an element: one field for each that the model has."""


def find(name: str) -> Field:
    """The record of `FIELD` or `FIELD:ELEMENT`.

    Raises:
        ConfigError: no such field, or one without elements; names the valid ones.
    """
    kind, colon, element = name.partition(":")
    check_choice("field", kind, FIELDS)
    if colon and not FIELDS[kind].elements:
        raise ConfigError(f"field {name!r}: {kind} has no elements; say {kind}")
    if colon and not element:
        raise ConfigError(f"field {name!r}: names none; say {kind}, or {kind}:NAME")
    return FIELDS[kind]


def check(value: Value) -> None:
    """Makes sure that a value and its interval make sense.

    Raises:
        ConfigError: in one line, the field, the finding and the fix.
    """
    field, name = find(value.name), value.name
    for number in value[1:]:
        if not (math.isfinite(number) and 0 <= number <= LARGEST):
            raise ConfigError(
                f"field {name}: {number!r} must be finite and in 0..{LARGEST:g}"
            )
        if field.whole and number != int(number):
            raise ConfigError(f"field {name}: {number!r} must be a whole number")
    if not value.low <= value.value <= value.high:
        raise ConfigError(
            f"field {name}: its value {value.value:g} lies outside {value.low:g}.."
            f"{value.high:g}"
        )


def has(model: mujoco.MjModel, name: str) -> bool:
    """Whether a value of a field changes a model: a scale of nothing does not."""
    field = find(name)
    if not field.arrays:
        return True
    changed = field.unit(model) if field.unit else _read(model, field.arrays[0])
    return bool(np.any(changed[_index(model, name)]))


def expanded(model: mujoco.MjModel, name: str) -> list[str]:
    """The fields that a name stands for: itself, or `EACH` that changes the model."""
    kind, _, element = name.partition(":")
    if element != EACH:
        return [name]
    own = dict.fromkeys(elements(model, find(name).elements))
    return [each for x in own if has(model, each := f"{kind}:{x}")]


def check_model(model: mujoco.MjModel, names: Iterable[str]) -> None:
    """Makes sure that a model has these fields.

    Raises:
        ConfigError: it does not; the message names those that it has.
    """
    for name in names:
        if not has(model, name):
            have = ", ".join(field.name for field in ALL if has(model, field.name))
            why = find(name).lacking
            raise ConfigError(f"field {name}: {why}; choose from {have}")


def scaled(
    model: mujoco.MjModel, values: Iterable[tuple[str, float]]
) -> mujoco.MjModel:
    """A copy of a model with these values; itself if they change nothing.

    Args:
        model: compiled; stays as it is.
        values: `(field, value)` in any order: what is added is not scaled. Those of
            the interface are left out.

    Raises:
        ConfigError: the model does not have a field.
    """
    changes = [(n, x) for n, x in values if find(n).arrays and x != find(n).neutral]
    if not changes:
        return model
    changes.sort(key=lambda change: find(change[0]).unit is not None)
    given, model = model, copy.copy(model)
    for name, value in changes:
        field, index = find(name), _index(model, name)
        for array in field.arrays:
            new = _read(model, array)
            if field.unit:
                new[index] += value * field.unit(given)[index]
            else:
                new[index] *= value
            _write(model, array, new)
    refresh(model)
    return model


def refresh(model: mujoco.MjModel) -> None:
    """Recomputes whatever follows from edited masses and inertias."""
    mujoco.mj_setConst(model, mujoco.MjData(model))
    # The compiler's statistics are not among those constants, yet the constraint
    # solver stops by the mean inertia. Summed one by one, as NumPy's running sums are
    # and Python's own `sum` is no longer since 3.12, they round as the compiler's do.
    model.stat.meaninertia = np.cumsum(model.dof_M0)[-1] / model.nv
    model.stat.meanmass = np.cumsum(model.body_mass[1:])[-1] / (model.nbody - 1)


def interface(base: Interface, values: Iterable[tuple[str, float]]) -> Interface:
    """The interface `base` with the fields that set one."""
    for name, value in values:
        change = find(name).interface
        if change is not None:
            base = change(base, value)
    return base


def drawn(values: Sequence[Value], rng: np.random.Generator) -> dict[str, float]:
    """A value of each field from its interval: scales evenly in their logarithm."""
    result = {}
    for value, share in zip(values, rng.random(len(values)), strict=True):
        low, high = value.low, value.high
        if find(value.name).whole:
            result[value.name] = min(low + math.floor(share * (high - low + 1)), high)
        elif find(value.name).arrays and not find(value.name).unit and low > 0:
            result[value.name] = low * (high / low) ** share
        else:
            result[value.name] = low + share * (high - low)
    return result


def _index(model: mujoco.MjModel, name: str) -> Any:
    """Where a field's arrays have what a name stands for."""
    field, rows = find(name), _rows(model, name)
    if field.applies:
        ours = field.applies(model)
        rows = np.flatnonzero(ours) if rows is ... else [i for i in rows if ours[i]]
    return rows if field.entry is None else (rows, field.entry)


def _rows(model: mujoco.MjModel, name: str) -> Any:
    """Index of a field's arrays: all rows, or those of the element that it names.

    Raises:
        ConfigError: the model has no such element; names those that it has.
    """
    field, (_, colon, element) = find(name), name.partition(":")
    if not colon:
        return ...
    names = elements(model, field.elements)
    if element not in names:
        known = ", ".join(names)
        raise ConfigError(
            f"field {name!r}: no {field.elements} of that name; choose from {known}"
        )
    # Motors without names may share that of their joint.
    rows = [i for i, own in enumerate(names) if own == element]
    if not field.arrays[0].startswith("dof"):
        return rows
    return np.flatnonzero(np.isin(model.dof_jntid, rows)).tolist()


_ON_JOINTS = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)


def elements(model: mujoco.MjModel, kind: str) -> list[str]:
    """Names of the elements of a kind: `#` and its number, from 0, where one has none.

    An actuator without one has that of its joint.
    """
    counts = {"body": model.nbody, "joint": model.njnt, "geom": model.ngeom}
    if kind != "actuator":
        own = [getattr(model, kind)(i).name for i in range(counts[kind])]
        return [name or f"#{i}" for i, name in enumerate(own)]
    joints, names = elements(model, "joint"), [f"#{i}" for i in range(model.nu)]
    for i in np.flatnonzero(np.isin(model.actuator_trntype, _ON_JOINTS)):
        names[i] = joints[model.actuator_trnid[i, 0]]
    return [model.actuator(i).name or name for i, name in enumerate(names)]


def _read(model: mujoco.MjModel, array: str) -> np.ndarray:
    """A copy of an array of a model, such as `body_mass` or `opt.gravity`."""
    return np.array(operator.attrgetter(array)(model))


def _write(model: mujoco.MjModel, array: str, values: np.ndarray) -> None:
    owner, _, attribute = array.rpartition(".")
    place = getattr(model, owner) if owner else model
    setattr(place, attribute, values if values.ndim else values.item())
