"""Physical fields of a simulator that a log can be asked about, one record each.

A field is `gravity`, or `body_mass` of every body, or `body_mass:torso` of one;
`body_mass:each` stands for one field per body. Most
are scales of a compiled model, 1 where nothing is changed; `dry_friction` is added, as
no scale of nothing is friction; `latency` and `action_noise` set the interface between
policy and physics instead.
"""

import copy
import dataclasses
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError
from h2o_jax.sim import motors
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
    """What the value multiplies, adds or sets, for a help text."""
    arrays: tuple[str, ...] = ()
    """Arrays of the compiled model that it scales, one row per element."""
    elements: str = ""
    """Kind of element that can be named: `body`, `joint`, `geom`, `actuator`."""
    unit: Callable[[mujoco.MjModel], np.ndarray] | None = None
    """`[rows]` of the arrays that a value of 1 adds; the field is then no scale."""
    interface: Callable[[Interface, float], Interface] | None = None
    """Sets the interface; the field is then no scale."""
    whole: bool = False
    """Whether the value must be a whole number."""
    typical: float = 1.0
    """Where a fit begins if nothing is given; its bounds are factors of this."""

    @property
    def neutral(self) -> float:
        """The value that changes nothing, but for a robot with latency of its own."""
        return 0.0 if self.interface or self.unit else 1.0


ALL = (
    Field("gravity", "gravity", ("opt.gravity",)),
    Field("friction", "contact friction, of a geom", ("geom_friction",), "geom"),
    Field(
        "body_mass",
        "mass and inertia, of a body",
        ("body_mass", "body_inertia"),
        "body",
    ),
    Field(
        "centre_of_mass",
        "distance of the centre of mass from the body's frame, of a body",
        ("body_ipos",),
        "body",
    ),
    Field("body_inertia", "inertia alone, of a body", ("body_inertia",), "body"),
    Field("joint_damping", "damping, of a joint", ("dof_damping",), "joint"),
    Field("joint_stiffness", "spring, of a joint", ("jnt_stiffness",), "joint"),
    Field("joint_armature", "rotor inertia, of a joint", ("dof_armature",), "joint"),
    Field("joint_friction", "dry friction, of a joint", ("dof_frictionloss",), "joint"),
    Field("joint_range", "both limits, of a joint", ("jnt_range",), "joint"),
    Field(
        "dry_friction",
        "dry friction that is added, as a share of the motors' largest torque, of a "
        "joint with a motor",
        ("dof_frictionloss",),
        "joint",
        unit=motors.torques,
        typical=0.05,
    ),
    Field("actuator_gear", "torque, of an actuator", ("actuator_gear",), "actuator"),
    Field("control_period", "how long a control step lasts", ("opt.timestep",)),
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
EACH = "each"
"""In place of an element: one field for each that the model has."""


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
    """Whether a value of a field changes a model: a scale of nothing does not."""
    field = find(name)
    if not field.arrays:
        return True
    changed = field.unit(model) if field.unit else _read(model, field.arrays[0])
    return bool(np.any(changed[_rows(model, name)]))


def expanded(model: mujoco.MjModel, name: str) -> list[str]:
    """The fields that a name stands for: itself, or `EACH` that changes the model.

    Elements without a name are left out.
    """
    kind, _, element = name.partition(":")
    if element != EACH:
        return [name]
    elements = filter(None, _elements(model, find(name).elements))
    return [each for x in elements if has(model, each := f"{kind}:{x}")]


def check_model(model: mujoco.MjModel, names: Iterable[str]) -> None:
    """Makes sure that a model has these fields.

    Raises:
        ConfigError: it does not; the message names those that it has.
    """
    for name in names:
        if not has(model, name):
            have = ", ".join(field.name for field in ALL if has(model, field.name))
            nothing = "no motor of this model has a largest torque there"
            if not find(name).unit:
                nothing = "it is zero in this model, so that no scale changes it"
            raise ConfigError(f"field {name}: {nothing}; choose from {have}")


def scaled(
    model: mujoco.MjModel, values: Iterable[tuple[str, float]]
) -> mujoco.MjModel:
    """A copy of a model with these values; itself if they change nothing.

    Args:
        model: compiled; stays as it is.
        values: `(field, value)`; those of the interface are left out.

    Raises:
        ConfigError: the model does not have a field.
    """
    changes = [(n, x) for n, x in values if find(n).arrays and x != find(n).neutral]
    if not changes:
        return model
    given, model = model, copy.copy(model)
    for name, value in changes:
        field, rows = find(name), _rows(model, name)
        for array in field.arrays:
            new = _read(model, array)
            if field.unit:
                new[rows] += value * field.unit(given)[rows]
            else:
                new[rows] *= value
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
        elif find(value.name).arrays and low > 0:
            result[value.name] = low * (high / low) ** share
        else:
            result[value.name] = low + share * (high - low)
    return result


def _rows(model: mujoco.MjModel, name: str) -> Any:
    """Index of a field's arrays: all rows, or those of the element that it names.

    Raises:
        ConfigError: the model has no such element; names those that it has.
    """
    field, (_, colon, element) = find(name), name.partition(":")
    if not colon:
        return ...
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


_ON_JOINTS = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)


def _elements(model: mujoco.MjModel, kind: str) -> list[str]:
    """Names of the elements; an actuator without one has that of its joint, if any."""
    if kind == "actuator":
        names = [model.actuator(i).name for i in range(model.nu)]
        for i in np.flatnonzero(np.isin(model.actuator_trntype, _ON_JOINTS)):
            names[i] = names[i] or model.joint(model.actuator_trnid[i, 0]).name
        return names
    count = {"body": model.nbody, "joint": model.njnt, "geom": model.ngeom}[kind]
    return [getattr(model, kind)(i).name for i in range(count)]


def _read(model: mujoco.MjModel, array: str) -> np.ndarray:
    """A copy of an array of a model, such as `body_mass` or `opt.gravity`."""
    return np.array(operator.attrgetter(array)(model))


def _write(model: mujoco.MjModel, array: str, values: np.ndarray) -> None:
    owner, _, attribute = array.rpartition(".")
    place = getattr(model, owner) if owner else model
    setattr(place, attribute, values if values.ndim else values.item())
