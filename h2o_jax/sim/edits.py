"""Edits of a model: each multiplies one kind of quantity by a factor, in memory.

An edit is a function of `(spec, factor)` that changes an `MjSpec` in place. MuJoCo
copies the values of an XML file's default classes into the elements as it reads the
file, so an edit changes every element; changing a default class would have no effect.
"""

from collections.abc import Callable

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError

Edit = Callable[[mujoco.MjSpec, float], None]
"""Multiplies something in a model by a factor."""


def gravity(spec: mujoco.MjSpec, factor: float) -> None:
    """Gravity's vector, m/s^2."""
    spec.option.gravity = factor * np.asarray(spec.option.gravity)


def friction(spec: mujoco.MjSpec, factor: float) -> None:
    """All friction coefficients, sliding, torsional and rolling, the floor's too."""
    for geom in spec.geoms:
        geom.friction = factor * np.asarray(geom.friction)


def friction_but_floor(spec: mujoco.MjSpec, factor: float) -> None:
    """All friction coefficients but the floor's, which ODRL keeps for Hopper."""
    for geom in spec.geoms:
        if geom.type != mujoco.mjtGeom.mjGEOM_PLANE:
            geom.friction = factor * np.asarray(geom.friction)


def scale(kind: str, field: str, *names: str) -> Edit:
    """Multiplies a field of elements: `scale("joint", "range", "thigh_joint")`.

    The edit raises `ConfigError` where an element is not there, or its field not set.
    """

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in names:
            element = getattr(spec, kind)(name)
            if element is None:
                raise ConfigError(
                    f"this gap edits {kind} {name!r}, which the drawing does not have; "
                    "name one that it has"
                )
            value = np.asarray(getattr(element, field))
            if not np.isfinite(value).all():
                raise ConfigError(
                    f"this gap scales {field} of {kind} {name!r}, which the drawing "
                    "does not set; set it there, or scale another field"
                )
            setattr(element, field, factor * value)

    return edit


def geom_size(*geoms: str, entries: slice) -> Edit:
    """Sizes of capsules: their radius (entry 0), their half-length (entry 1)."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in geoms:
            size = np.array(spec.geom(name).size)
            size[entries] *= factor
            spec.geom(name).size = size

    return edit


def joint_span(*joints: str) -> Edit:
    """Width of joint ranges: the limit further from zero moves, the other stays."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in joints:
            limits = np.array(spec.joint(name).range)
            near, far = np.argsort(np.abs(limits))
            limits[far] = limits[near] + factor * (limits[far] - limits[near])
            spec.joint(name).range = limits

    return edit


def control_range(*joints: str) -> Edit:
    """Control ranges of the joints' motors; actions in [-1, 1] are mapped onto them."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for motor in spec.actuators:
            if motor.target in joints:
                motor.ctrlrange = factor * np.asarray(motor.ctrlrange)

    return edit


def towards(*targets: tuple[str, str, str, tuple[float, ...] | float]) -> Edit:
    r"""Moves each `(kind, name, field, target)` a share of the way to its target.

    .. math:: x + share \, (target - x)
    """

    def edit(spec: mujoco.MjSpec, share: float) -> None:
        for kind, name, field, target in targets:
            element = getattr(spec, kind)(name)
            value = np.array(getattr(element, field), float)
            # Where a target is shorter than its field, the other entries stay.
            moved = np.atleast_1d(value.copy())
            moved[: np.size(target)] = target
            moved = (1 - share) * value + share * moved.reshape(value.shape)
            setattr(element, field, moved[()])

    return edit


def both(first: Edit, second: Edit) -> Edit:
    """One edit after the other, by the same factor."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        first(spec, factor)
        second(spec, factor)

    return edit


def shorten_cheetah(spec: mujoco.MjSpec, factor: float) -> None:
    """Length of the torso; the legs move along, and the head stays 0.1 m ahead."""
    scale("geom", "fromto", "torso")(spec, factor)
    for leg in ("bthigh", "fthigh"):
        spec.body(leg).pos = np.asarray(spec.body(leg).pos) * (factor, 1.0, 1.0)
    spec.geom("head").pos = (factor * 0.5 + 0.1, 0.0, 0.1)
