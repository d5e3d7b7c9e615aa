"""Dynamics gaps as data: what to change in a simulator, and by how much.

A gap edits a model (`MjSpec`, in memory: no file is touched) or the interface
between policy and physics. `gravity:2` is a gap with its factor, `gravity` the same
with the published factor, `gravity:2+friction:0.3` both in one simulator, and
`gravity:2,friction:0.3` two simulators. `@simulator.toml` is a simulator file, see
`simulator_file`, whose gaps come with scaled fields.

References:
    Niu et al., H2O+ (arXiv 2309.12716), Table I; its code's text edits of the XML
    files. Lyu et al., ODRL (arXiv 2410.20750) for joint ranges and limb sizes.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import mujoco

from h2o_jax.errors import ConfigError, nearest
from h2o_jax.sim import fields, simulator_file
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


@dataclasses.dataclass(frozen=True)
class FileSetting(GapSetting):
    """A simulator file as one gap: its own gaps, and fields that scale the result.

    Its name, such as `@mine-3fa92b1c`, tells the content and not the place, so that
    results carry it; it is not what `parse` reads.
    """

    base: Gaps = ()
    """The gaps that the file names."""
    values: tuple[fields.Value, ...] = ()
    """Fields and intervals."""
    fitted: bool = dataclasses.field(default=False, compare=False)
    """Whether they were fitted to a log."""

    def __str__(self) -> str:
        return self.name


def names(robot: str | None = None) -> list[str]:
    """Names of the gaps that this robot has, or of all."""
    return [g.name for g in GAPS.values() if robot is None or g.supports(robot)]


# --- text -----------------------------------------------------------------------


def parse(text: str, robot: str | None = None) -> Gaps:
    """Reads the gaps of one simulator, such as `gravity:2+friction:0.3`.

    Args:
        text: gaps joined by `+`; empty or `none` for an unmodified simulator. One may
            be `@` and the path of a simulator file.
        robot: only gaps of this robot are accepted.

    Returns:
        The settings in the order given, except that a variant such as `idealised`,
        which would overwrite what other gaps changed, comes first. `to_text` is the
        inverse, but for files.

    Raises:
        ConfigError: an unknown or repeated gap, one the robot does not have, a factor
            that is no number or out of range, or a file that is none.
    """
    if text.strip() in ("", "none"):
        return ()
    settings = tuple(_parse_one(part, robot) for part in text.split("+"))
    for setting in settings:
        if sum(setting.name == other.name for other in settings) > 1:
            raise ConfigError(f"gap {setting.name} is given twice in {text!r}")
    if sum(isinstance(setting, FileSetting) for setting in settings) > 1:
        raise ConfigError(f"gap {text!r} names two simulator files; give one")
    return tuple(sorted(settings, key=_rank))


def parse_list(text: str, robot: str | None = None) -> tuple[Gaps, ...]:
    """Reads the gaps of several simulators, separated by commas."""
    parts = text.split(",")
    if len(parts) > 1 and not all(part.strip() for part in parts):
        raise ConfigError(f"gaps {text!r}: one of them is empty; say none if so meant")
    return tuple(parse(part, robot) for part in parts)


def to_text(settings: Sequence[GapSetting]) -> str:
    """The text that `parse` turns into these settings."""
    return "+".join(map(str, settings)) or "none"


def _rank(setting: GapSetting) -> int:
    """Order in which gaps are applied: what sets many quantities before what adds."""
    if setting.name in GAPS and GAPS[setting.name].variant:
        return 0
    return 1 if isinstance(setting, FileSetting) else 2


def _parse_file(path: str, robot: str | None) -> FileSetting:
    content = simulator_file.read(path)
    name = f"@{pathlib.PurePath(path).stem}-{content.digest()}"
    base = parse(content.gap, robot)
    return FileSetting(name, 1.0, base, content.fields, content.fitted)


def _parse_one(text: str, robot: str | None) -> GapSetting:
    if text.strip().startswith("@"):
        return _parse_file(text.strip()[1:], robot)
    name, colon, number = text.strip().partition(":")
    gap = _find(name, robot)
    if not colon:
        return GapSetting(name, gap.factor)
    try:
        factor = float(number)
    except ValueError:
        raise ConfigError(
            f"gap {name}: factor {number!r} is no number; give NAME:FACTOR, such as "
            f"{name}:{gap.factor:g}"
        ) from None
    setting = GapSetting(name, factor)
    _check_factor(setting)
    return setting


def _find(name: str, robot: str | None) -> Gap:
    if name in GAPS and (robot is None or GAPS[name].supports(robot)):
        return GAPS[name]
    problem = "not available" if name in GAPS else "unknown"
    place = f" for {robot}" if robot else ""
    choices = names(robot)
    meant = nearest(name, choices)
    raise ConfigError(
        f"gap {name!r} is {problem}{place}; {meant}choose from {', '.join(choices)}"
    )


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
    for setting in _unfold(settings):
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
        if isinstance(setting, FileSetting):
            values = [(x.name, x.value) for x in setting.values]
            base = fields.interface(interface(setting.base, base), values)
            continue
        change = GAPS[setting.name].interface
        if change is not None:
            base = change(base, setting.factor)
    return base


def from_file(settings: Iterable[GapSetting]) -> tuple[fields.Value, ...]:
    """The fields of the simulator file among these gaps; none without one."""
    return tuple(value for file in _files(settings) for value in file.values)


def drawable(settings: Iterable[GapSetting]) -> bool:
    """Whether a field has an interval to draw from."""
    return any(value.low < value.high for value in from_file(settings))


def fitted(settings: Iterable[GapSetting]) -> bool:
    """Whether a simulator file among these gaps was fitted to a log."""
    return any(file.fitted for file in _files(settings))


def _files(settings: Iterable[GapSetting]) -> list[FileSetting]:
    """The simulator file among these gaps, of which there is one at most."""
    return [setting for setting in settings if isinstance(setting, FileSetting)]


def without_fields(settings: Iterable[GapSetting]) -> Gaps:
    """The same gaps with the fields of a simulator file left out."""
    return tuple(_unfold(settings))


def _unfold(settings: Iterable[GapSetting]) -> Iterator[GapSetting]:
    """The gaps of a simulator file in place of the file."""
    for setting in settings:
        yield from setting.base if isinstance(setting, FileSetting) else (setting,)
