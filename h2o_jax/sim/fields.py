"""Physical fields of a simulator that a log can be asked about, one record each.

A field is `gravity`, or `body_mass` of every body, or `body_mass:torso` of one. Most
are scales of a compiled model, 1 where nothing is changed; `latency` and
`action_noise` set the interface between policy and physics instead.
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError
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


@dataclasses.dataclass(frozen=True)
class Field:
    """One kind of physical quantity."""

    name: str
    change: str
    """What the value multiplies or sets, for a help text."""
    arrays: tuple[str, ...] = ()
    """Arrays of the compiled model that it scales, one row per element."""
    elements: str = ""
    """Kind of element that can be named: `body`, `joint`, `geom`, `actuator`."""
    interface: Callable[[Interface, float], Interface] | None = None
    """Sets the interface; the field is then no scale."""
    whole: bool = False
    """Whether the value must be a whole number."""

    @property
    def neutral(self) -> float:
        """The value that changes nothing, but for a robot with latency of its own."""
        return 0.0 if self.interface else 1.0


ALL = (
    Field("gravity", "gravity", ("opt.gravity",)),
    Field("friction", "contact friction, of a geom", ("geom_friction",), "geom"),
    Field(
        "body_mass",
        "mass and inertia, of a body",
        ("body_mass", "body_inertia"),
        "body",
    ),
    Field("joint_damping", "damping, of a joint", ("dof_damping",), "joint"),
    Field("joint_stiffness", "spring, of a joint", ("jnt_stiffness",), "joint"),
    Field("joint_armature", "rotor inertia, of a joint", ("dof_armature",), "joint"),
    Field("joint_friction", "dry friction, of a joint", ("dof_frictionloss",), "joint"),
    Field("actuator_gear", "torque, of an actuator", ("actuator_gear",), "actuator"),
    Field(
        "latency",
        "control steps that a command waits",
        interface=lambda base, steps: dataclasses.replace(base, latency=int(steps)),
        whole=True,
    ),
    Field(
        "action_noise",
        "std of the noise on actions",
        interface=lambda base, std: dataclasses.replace(base, action_noise=std),
    ),
)

FIELDS: dict[str, Field] = {field.name: field for field in ALL}

LARGEST = 1000.0
"""Largest value of any field."""


def find(name: str) -> Field:
    """The record of `FIELD` or `FIELD:ELEMENT`.

    Raises:
        ConfigError: no such field, or one without elements; names the valid ones.
    """
    kind, colon, _ = name.partition(":")
    if kind not in FIELDS:
        raise ConfigError(f"field {name!r} is unknown; choose from {', '.join(FIELDS)}")
    if colon and not FIELDS[kind].elements:
        raise ConfigError(f"field {name!r}: {kind} has no elements; say {kind}")
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
    """Whether a field is anything but zero in a model, so that a scale changes it."""
    field = find(name)
    return not field.arrays or bool(np.any(_read(model, field, _rows(model, name))))


def check_model(model: mujoco.MjModel, names: Iterable[str]) -> None:
    """Makes sure that a model has these fields.

    Raises:
        ConfigError: it does not; the message names those that it has.
    """
    for name in names:
        if not has(model, name):
            have = [f.name for f in ALL if not f.arrays or np.any(_read(model, f))]
            raise ConfigError(
                f"field {name}: it is zero in this model, so that no scale changes it; "
                f"choose from {', '.join(have)}"
            )


def scaled(
    model: mujoco.MjModel, values: Iterable[tuple[str, float]]
) -> mujoco.MjModel:
    """A copy of a model with fields scaled; with none but 1 it is the model itself.

    Args:
        model: compiled; stays as it is.
        values: `(field, scale)`; those of the interface are left out.

    Raises:
        ConfigError: the model does not have a field.
    """
    changes = [(n, x) for n, x in values if find(n).arrays and x != 1.0]
    if not changes:
        return model
    model = copy.copy(model)
    for name, scale in changes:
        rows = _rows(model, name)
        for array in find(name).arrays:
            owner, _, attribute = array.rpartition(".")
            getattr(getattr(model, owner) if owner else model, attribute)[rows] *= scale
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
        elif find(value.name).arrays and low > 0:
            result[value.name] = low * (high / low) ** share
        else:
            result[value.name] = low + share * (high - low)
    return result


def _rows(model: mujoco.MjModel, name: str) -> Sequence[int] | slice:
    """Rows of a field's arrays: all, or those of the element that it names.

    Raises:
        ConfigError: the model has no such element; names those that it has.
    """
    field, (_, colon, element) = find(name), name.partition(":")
    if not colon:
        return slice(None)
    names = _elements(model, field.elements)
    if element not in names:
        known = ", ".join(filter(None, names))
        raise ConfigError(
            f"field {name!r}: no {field.elements} of that name; choose from {known}"
        )
    i = names.index(element)
    if not field.arrays[0].startswith("dof"):
        return [i]
    return np.flatnonzero(model.dof_jntid == i).tolist()


def _elements(model: mujoco.MjModel, kind: str) -> list[str]:
    """Names of the elements; an actuator without one has that of its joint."""
    if kind == "actuator":
        joints = _elements(model, "joint")
        pairs = enumerate(model.actuator_trnid[:, 0])
        return [model.actuator(i).name or joints[joint] for i, joint in pairs]
    count = {"body": model.nbody, "joint": model.njnt, "geom": model.ngeom}[kind]
    return [getattr(model, kind)(i).name for i in range(count)]


def _read(
    model: mujoco.MjModel, field: Field, rows: Sequence[int] | slice = slice(None)
) -> np.ndarray:
    owner, _, attribute = field.arrays[0].rpartition(".")
    array: np.ndarray = getattr(getattr(model, owner) if owner else model, attribute)
    return array[rows]
