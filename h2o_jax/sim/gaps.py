"""Dynamics gaps as data: what to change in a simulator, and by how much.

A gap edits a model (`MjSpec`, in memory: no file is touched) or the interface
between policy and physics. `gravity:2` is a gap with its factor, `gravity` the same
with the published factor, `gravity:2+friction:0.3` both in one simulator, and
`gravity:2,friction:0.3` two simulators.

References:
    Niu et al., H2O+ (arXiv 2309.12716), Table I; its code's text edits of the XML
    files. Lyu et al., ODRL (arXiv 2410.20750) for joint ranges and limb sizes.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import mujoco

from h2o_jax.errors import ConfigError
from h2o_jax.sim import edits
from h2o_jax.sim.edits import Edit
from h2o_jax.sim.interface import Interface

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
    """The edit of the interface, for a gap that leaves the model alone."""
    neutral: float = 1.0
    """The factor that changes nothing."""
    lowest: float = math.ulp(0.0)
    """Smallest factor that makes sense."""

    def supports(self, robot: str) -> bool:
        """Whether this robot has what the gap changes."""
        return self.interface is not None or ANY in self.edits or robot in self.edits


@dataclasses.dataclass(frozen=True)
class GapSetting:
    """A gap and its factor; `str` gives the text that `parse` reads."""

    name: str
    factor: float

    def __str__(self) -> str:
        return f"{self.name}:{self.factor!r}".removesuffix(".0")


# --- the registry ---------------------------------------------------------------

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
    "halfcheetah": edits.joint_range("bthigh", "fthigh"),
    "walker2d": edits.joint_range(*_WALKER_THIGHS),
    "hopper": edits.joint_range("thigh_joint"),
}
_THIGH_RANGE_AND_MOTORS: Mapping[str, Edit] = {
    "walker2d": edits.both(
        edits.joint_range(*_WALKER_THIGHS), edits.control_range(*_WALKER_THIGHS)
    ),
}
_FOOT_RANGE: Mapping[str, Edit] = {
    "halfcheetah": edits.joint_range("bfoot", "ffoot"),
    "walker2d": edits.joint_range("foot_joint", "foot_left_joint"),
    "hopper": edits.joint_range("foot_joint"),
}

_ALL = (
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
        {"halfcheetah": edits.capsule_ends("torso")},
    ),
    Gap(
        "soft_feet",
        "springs of the foot joints",
        0.0,
        {"halfcheetah": edits.joint_stiffness("bfoot", "ffoot")},
        lowest=0.0,
    ),
    Gap("foot_range", "range of the foot joints", 0.5, _FOOT_RANGE),
    Gap(
        "leg_range",
        "range of the knee",
        0.5,
        {"hopper": edits.joint_range("leg_joint")},
    ),
    Gap("hip_range", "range of the hips", 0.5, {"ant": edits.joint_range(*_HIPS)}),
    Gap("ankle_range", "span of the ankles", 0.5, {"ant": edits.joint_span(*_ANKLES)}),
    Gap(
        "back_thigh_range",
        "range of the back thigh's joint (OTDF's kinematic shift)",
        0.01,
        {"halfcheetah": edits.joint_range("bthigh")},
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
        {"ant": edits.capsule_ends(*_ANKLE_GEOMS)},
    ),
)

GAPS: dict[str, Gap] = {gap.name: gap for gap in _ALL}


def names(robot: str | None = None) -> list[str]:
    """Names of the gaps that this robot has, or of all."""
    return [g.name for g in _ALL if robot is None or g.supports(robot)]


# --- text -----------------------------------------------------------------------


def parse(text: str, robot: str | None = None) -> tuple[GapSetting, ...]:
    """Reads the gaps of one simulator, such as `gravity:2+friction:0.3`.

    Args:
        text: gaps joined by `+`; empty or `none` for an unmodified simulator.
        robot: only gaps of this robot are accepted.

    Returns:
        The settings in the order given; `to_text` is the inverse.

    Raises:
        ConfigError: an unknown or repeated gap, one the robot does not have, or a
            factor that is no number or out of range.
    """
    if text.strip() in ("", "none"):
        return ()
    settings = tuple(_parse_one(part, robot) for part in text.split("+"))
    for setting in settings:
        if sum(setting.name == other.name for other in settings) > 1:
            raise ConfigError(f"gap {setting.name} is given twice in {text!r}")
    return settings


def parse_list(
    text: str, robot: str | None = None
) -> tuple[tuple[GapSetting, ...], ...]:
    """Reads the gaps of several simulators, separated by commas."""
    return tuple(parse(part, robot) for part in text.split(","))


def to_text(settings: Sequence[GapSetting]) -> str:
    """The text that `parse` turns into these settings."""
    return "+".join(map(str, settings)) or "none"


def _parse_one(text: str, robot: str | None) -> GapSetting:
    name, colon, number = text.strip().partition(":")
    gap = _find(name, robot)
    if not colon:
        return GapSetting(name, gap.factor)
    try:
        factor = float(number)
    except ValueError:
        raise ConfigError(f"gap {name}: factor {number!r} is no number") from None
    setting = GapSetting(name, factor)
    _check_factor(setting)
    return setting


def _find(name: str, robot: str | None) -> Gap:
    if name in GAPS and (robot is None or GAPS[name].supports(robot)):
        return GAPS[name]
    problem = "not available" if name in GAPS else "unknown"
    place = f" for {robot}" if robot else ""
    choices = ", ".join(names(robot))
    raise ConfigError(f"gap {name!r} is {problem}{place}; choose from {choices}")


def _check_factor(setting: GapSetting) -> None:
    lowest = GAPS[setting.name].lowest
    if not (math.isfinite(setting.factor) and setting.factor >= lowest):
        least = ">= 0" if lowest == 0 else "> 0"
        raise ConfigError(f"gap {setting}: the factor must be finite and {least}")


# --- use ------------------------------------------------------------------------


def edit(spec: mujoco.MjSpec, robot: str, settings: Iterable[GapSetting]) -> None:
    """Applies the gaps that edit a model, in place.

    A gap at its neutral factor is left out, so that it changes not even a rounding.

    Raises:
        ConfigError: the robot does not have one of the gaps.
    """
    for setting in settings:
        gap = _find(setting.name, robot)
        _check_factor(setting)
        if gap.edits and setting.factor != gap.neutral:
            model_edit = gap.edits[robot if robot in gap.edits else ANY]
            model_edit(spec, setting.factor)


def interface(
    settings: Iterable[GapSetting], base: Interface = Interface()
) -> Interface:
    """The interface `base` with the gaps that edit one."""
    for setting in settings:
        change = GAPS[setting.name].interface
        if change is not None:
            base = change(base, setting.factor)
    return base
