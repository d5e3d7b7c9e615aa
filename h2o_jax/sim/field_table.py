"""All fields of a simulator that a log can be asked about, one record each.

`fields` finds them by name and applies them.
"""

import dataclasses
from collections.abc import Callable

import mujoco
import numpy as np

from h2o_jax.sim import motors
from h2o_jax.sim.interface import Interface


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
    entry: int | None = None
    """Which entry of each row; None: all of them."""
    applies: Callable[[mujoco.MjModel], np.ndarray] | None = None
    """`[rows]` bool, which rows have it; None: all of them."""
    unit: Callable[[mujoco.MjModel], np.ndarray] | None = None
    """`[rows]` of the arrays that a value of 1 adds; the field is then no scale."""
    interface: Callable[[Interface, float], Interface] | None = None
    """Sets the interface; the field is then no scale."""
    whole: bool = False
    """Whether the value must be a whole number."""
    typical: float = 1.0
    """Of what is added: the unit of a fit's upper bound and of its steps."""
    lacking: str = (
        "it is zero or absent in this model, so that no scale changes it, unless its "
        "MJCF gives it a small value"
    )
    """Why a model does not have it."""

    @property
    def neutral(self) -> float:
        """The value that changes nothing, but for a robot with latency of its own."""
        return 0.0 if self.interface or self.unit else 1.0


def _is_round(model: mujoco.MjModel) -> np.ndarray:
    """`[ngeom]` whether a geom can touch and is a sphere, capsule or cylinder."""
    kinds = mujoco.mjtGeom
    round_ = kinds.mjGEOM_SPHERE, kinds.mjGEOM_CAPSULE, kinds.mjGEOM_CYLINDER
    touches = (model.geom_contype | model.geom_conaffinity).astype(bool)
    touches[[*model.pair_geom1, *model.pair_geom2]] = True
    return np.isin(model.geom_type, round_) & touches


def _is_servo(model: mujoco.MjModel) -> np.ndarray:
    """`[nu]` whether an actuator's force depends on where its joint is, or how fast."""
    affine = model.actuator_biastype == mujoco.mjtBias.mjBIAS_AFFINE
    return affine & np.any(model.actuator_biasprm[:, 1:3], axis=1)


def _has_limits(model: mujoco.MjModel) -> np.ndarray:
    """`[njnt]` whether a joint has limits; a spring would tie one that has none."""
    return model.jnt_limited.astype(bool)


def _undamped_inertia(model: mujoco.MjModel) -> np.ndarray:
    """`[nv]` inertia, kg or kg m^2, of degrees of freedom without damping; else 0."""
    return np.where(model.dof_damping == 0, model.dof_M0, 0.0)


_NO_MOTOR = "no joint there has a motor with a largest torque"

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
    Field(
        "geom_radius",
        "radius where it touches, of a sphere, capsule or cylinder",
        ("geom_size",),
        "geom",
        entry=0,
        applies=_is_round,
    ),
    Field(
        "geom_length",
        "length where it touches, of a capsule or cylinder",
        ("geom_size",),
        "geom",
        entry=1,
        applies=_is_round,
    ),
    Field(
        "joint_damping",
        "damping, of a joint",
        ("dof_damping",),
        "joint",
        lacking="no joint there has damping; add it by viscous_friction",
    ),
    Field(
        "joint_stiffness",
        "spring, of a joint",
        ("jnt_stiffness",),
        "joint",
        lacking="no joint there has a spring; add one by joint_spring",
    ),
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
        lacking=_NO_MOTOR,
    ),
    Field(
        "viscous_friction",
        "damping that is added, as the joint's inertia per second, of a joint without",
        ("dof_damping",),
        "joint",
        unit=_undamped_inertia,
        lacking="every joint there has damping; scale it by joint_damping",
    ),
    Field(
        "joint_spring",
        "spring towards the model's springref that is added, as the motors' largest "
        "torque per radian (a slide's per metre), of a joint with a motor and limits",
        ("jnt_stiffness",),
        "joint",
        applies=_has_limits,
        unit=motors.joint_torques,
        typical=0.5,
        lacking=f"{_NO_MOTOR} and limits",
    ),
    Field("actuator_gear", "torque, of an actuator", ("actuator_gear",), "actuator"),
    Field(
        "servo_gain",
        "force, of a servo: its stiffness and damping alike",
        ("actuator_gainprm", "actuator_biasprm"),
        "actuator",
        applies=_is_servo,
    ),
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
