"""All dynamics gaps, one record each; `gaps` parses their text and applies them."""

import dataclasses
import math
from collections.abc import Callable, Mapping

from h2o_jax.sim import edits
from h2o_jax.sim.edits import Edit
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.robot import idealised

ANY = "*"
"""Stands for every robot."""


@dataclasses.dataclass(frozen=True)
class Gap:
    """One way in which a simulator is wrong."""

    name: str
    change: str
    """What the factor multiplies, for a help text."""
    factor: float
    """The published factor, taken when none is given."""
    edits: Mapping[str, Edit] = dataclasses.field(default_factory=dict)
    """Robot (or `ANY`) -> the edit of its model."""
    interface: Callable[[Interface, float], Interface] | None = None
    """The edit of the interface, which every robot has."""
    neutral: float = 1.0
    """The factor that changes nothing."""
    lowest: float = math.ulp(0.0)
    """Smallest factor that makes sense."""
    highest: float = math.inf
    """Largest factor that makes sense."""
    whole: bool = False
    """Whether the factor must be a whole number."""
    variant: bool = False
    """Sets many quantities at once; applied first, so that other gaps add to it."""
    synthetic: bool = False
    """Invented to see where a method breaks: neither published nor measured."""

    def supports(self, robot: str) -> bool:
        """Whether this robot has what the gap changes."""
        return not self.edits or ANY in self.edits or robot in self.edits


_WALKER_THIGHS = ("thigh_joint", "thigh_left_joint")
_ANKLES = tuple(f"ankle_{i}" for i in (1, 2, 3, 4))
_HIPS = tuple(f"hip_{i}" for i in (1, 2, 3, 4))
_ANKLE_GEOMS = tuple(
    f"{leg}_ankle_geom" for leg in ("left", "right", "third", "fourth")
)

_THIGH_SIZE: Mapping[str, Edit] = {
    "halfcheetah": edits.geom_size("bthigh", "fthigh", entries=slice(0, 2)),
    # The published text edit reached only the radius here.
    "walker2d": edits.geom_size("thigh_geom", "thigh_left_geom", entries=slice(0, 1)),
    "hopper": edits.geom_size("thigh_geom", entries=slice(0, 1)),
}
_THIGH_RANGE: Mapping[str, Edit] = {
    "halfcheetah": edits.scale("joint", "range", "bthigh", "fthigh"),
    "walker2d": edits.scale("joint", "range", *_WALKER_THIGHS),
    "hopper": edits.scale("joint", "range", "thigh_joint"),
}
_THIGH_RANGE_AND_MOTORS: Mapping[str, Edit] = {
    "walker2d": edits.both(
        edits.scale("joint", "range", *_WALKER_THIGHS),
        edits.control_range(*_WALKER_THIGHS),
    ),
}
_FOOT_RANGE: Mapping[str, Edit] = {
    "halfcheetah": edits.scale("joint", "range", "bfoot", "ffoot"),
    "walker2d": edits.scale("joint", "range", "foot_joint", "foot_left_joint"),
    "hopper": edits.scale("joint", "range", "foot_joint"),
}


def _pushed(base: Interface, impulse: float) -> Interface:
    probability = 0.005 if impulse else 0.0
    return dataclasses.replace(base, push_probability=probability, push_impulse=impulse)


ALL = (
    Gap("gravity", "gravity", 2.0, {ANY: edits.gravity}, lowest=0.0),
    Gap(
        "friction",
        "every friction coefficient (Hopper: but the floor's, as in ODRL)",
        0.3,
        {ANY: edits.friction, "hopper": edits.friction_but_floor},
    ),
    Gap(
        "joint_noise",
        "std of the noise on actions",
        1.0,
        interface=lambda base, std: dataclasses.replace(base, action_noise=std),
        neutral=0.0,
        lowest=0.0,
    ),
    Gap("big_thigh", "size of the thighs", 2.0, _THIGH_SIZE),
    Gap("small_thigh", "size of the thighs", 0.5, _THIGH_SIZE),
    Gap("broken_thigh", "range of the thigh joints", 0.5, _THIGH_RANGE),
    Gap("flexible_thigh", "range of the thigh joints", 2.0, _THIGH_RANGE),
    Gap(
        "broken_thigh_ctrlrange",
        "range of the thigh joints and of their motors, as the published code did",
        0.5,
        _THIGH_RANGE_AND_MOTORS,
    ),
    Gap(
        "flexible_thigh_ctrlrange",
        "range of the thigh joints and of their motors, as the published code did",
        2.0,
        _THIGH_RANGE_AND_MOTORS,
    ),
    Gap(
        "long_torso",
        "length of the torso",
        4.0,
        {"halfcheetah": edits.scale("geom", "fromto", "torso")},
    ),
    Gap(
        "soft_feet",
        "springs of the foot joints",
        0.0,
        {"halfcheetah": edits.scale("joint", "stiffness", "bfoot", "ffoot")},
        lowest=0.0,
    ),
    Gap("foot_range", "range of the foot joints", 0.5, _FOOT_RANGE),
    Gap(
        "leg_range",
        "range of the knee",
        0.5,
        {"hopper": edits.scale("joint", "range", "leg_joint")},
    ),
    Gap(
        "hip_range",
        "range of the hips",
        0.5,
        {"ant": edits.scale("joint", "range", *_HIPS)},
    ),
    Gap("ankle_range", "span of the ankles", 0.5, {"ant": edits.joint_span(*_ANKLES)}),
    Gap(
        "back_thigh_range",
        "range of the back thigh's joint (OTDF's kinematic shift)",
        0.01,
        {"halfcheetah": edits.scale("joint", "range", "bthigh")},
    ),
    Gap(
        "short_torso",
        "length of the torso, legs and head following (ODRL)",
        0.5,
        {"halfcheetah": edits.shorten_cheetah},
    ),
    Gap(
        "short_legs",
        "length of the lower legs",
        0.5,
        {"ant": edits.scale("geom", "fromto", *_ANKLE_GEOMS)},
    ),
    Gap(
        "idealised",
        "share of the way from the fitted robot to the ideal simulator",
        1.0,
        {"wheel_legged": idealised.idealise_model},
        idealised.idealise_interface,
        neutral=0.0,
        lowest=0.0,
        highest=1.0,
        variant=True,
    ),
    Gap(
        "latency",
        "control steps that a command waits, the robot's own included (synthetic)",
        3.0,
        interface=lambda base, steps: dataclasses.replace(base, latency=int(steps)),
        neutral=0.0,
        lowest=0.0,
        whole=True,
        synthetic=True,
    ),
    Gap(
        "deadband",
        "dry friction of the axle (synthetic)",
        2.0,
        {"wheel_legged": edits.scale("joint", "frictionloss", "wheels")},
        lowest=0.0,
        synthetic=True,
    ),
    Gap(
        "push",
        "impulse in N s that hits the robot once in 200 control steps (synthetic)",
        6.0,
        interface=_pushed,
        neutral=0.0,
        lowest=0.0,
        synthetic=True,
    ),
    Gap(
        "reset_spread",
        "spread of the first pitch and pitch rate (synthetic)",
        3.0,
        {"wheel_legged": edits.scale("numeric", "data", "reset_std")},
        lowest=0.0,
        synthetic=True,
    ),
)

GAPS: dict[str, Gap] = {gap.name: gap for gap in ALL}
