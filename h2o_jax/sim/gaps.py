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
from collections.abc import Iterable, Sequence

import mujoco

from h2o_jax.errors import ConfigError
from h2o_jax.sim.gap_table import ANY, GAPS, Gap
from h2o_jax.sim.interface import Interface


@dataclasses.dataclass(frozen=True)
class GapSetting:
    """A gap and its factor; `str` gives the text that `parse` reads."""

    name: str
    factor: float

    def __str__(self) -> str:
        return f"{self.name}:{self.factor!r}".removesuffix(".0")


Gaps = tuple[GapSetting, ...]
"""The gaps of one simulator."""


def names(robot: str | None = None) -> list[str]:
    """Names of the gaps that this robot has, or of all."""
    return [g.name for g in GAPS.values() if robot is None or g.supports(robot)]


# --- text -----------------------------------------------------------------------


def parse(text: str, robot: str | None = None) -> Gaps:
    """Reads the gaps of one simulator, such as `gravity:2+friction:0.3`.

    Args:
        text: gaps joined by `+`; empty or `none` for an unmodified simulator.
        robot: only gaps of this robot are accepted.

    Returns:
        The settings in the order given, except that a variant such as `idealised`,
        which would overwrite what other gaps changed, comes first. `to_text` is the
        inverse.

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
    return tuple(sorted(settings, key=lambda setting: not GAPS[setting.name].variant))


def parse_list(text: str, robot: str | None = None) -> tuple[Gaps, ...]:
    """Reads the gaps of several simulators, separated by commas."""
    parts = text.split(",")
    if len(parts) > 1 and not all(part.strip() for part in parts):
        raise ConfigError(f"gaps {text!r}: one of them is empty; say none if so meant")
    return tuple(parse(part, robot) for part in parts)


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
    gap, factor = GAPS[setting.name], setting.factor
    if not (math.isfinite(factor) and gap.lowest <= factor <= gap.highest):
        least = ">= 0" if gap.lowest == 0 else "> 0"
        most = f", <= {gap.highest:g}" if math.isfinite(gap.highest) else ""
        raise ConfigError(f"gap {setting}: the factor must be finite and {least}{most}")
    if gap.whole and factor != int(factor):
        raise ConfigError(f"gap {setting}: the factor must be a whole number")


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
