"""Edits of a model: each multiplies one kind of quantity by a factor, in memory.

An edit is a function of `(spec, factor)`. MjSpec has resolved the XML's defaults, so
an edit visits every element; changing a default would no longer reach any.
"""

from collections.abc import Callable

import mujoco
import numpy as np

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
    """Those of the robot, for a floor that the XML gives none to scale."""
    for geom in spec.geoms:
        if geom.type != mujoco.mjtGeom.mjGEOM_PLANE:
            geom.friction = factor * np.asarray(geom.friction)


def geom_size(*geoms: str, entries: slice) -> Edit:
    """Radius (entry 0) or half-length (entry 1) of capsules."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in geoms:
            size = np.array(spec.geom(name).size)
            size[entries] *= factor
            spec.geom(name).size = size

    return edit


def capsule_ends(*geoms: str) -> Edit:
    """Both ends of capsules that the XML gives by their ends, as seen from the body."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in geoms:
            spec.geom(name).fromto = factor * np.asarray(spec.geom(name).fromto)

    return edit


def joint_range(*joints: str) -> Edit:
    """Both limits of joints."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in joints:
            spec.joint(name).range = factor * np.asarray(spec.joint(name).range)

    return edit


def joint_span(*joints: str) -> Edit:
    """The limit further from zero, so that the range shrinks towards the nearer."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in joints:
            limits = np.array(spec.joint(name).range)
            near, far = np.argsort(np.abs(limits))
            limits[far] = limits[near] + factor * (limits[far] - limits[near])
            spec.joint(name).range = limits

    return edit


def control_range(*joints: str) -> Edit:
    """Control range of the motors of joints, onto which actions are mapped."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for motor in spec.actuators:
            if motor.target in joints:
                motor.ctrlrange = factor * np.asarray(motor.ctrlrange)

    return edit


def joint_stiffness(*joints: str) -> Edit:
    """Springs of joints; what they touch stays as hard as it was."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in joints:
            spec.joint(name).stiffness = factor * np.asarray(spec.joint(name).stiffness)

    return edit


def joint_friction(*joints: str) -> Edit:
    """Dry friction of joints, N m."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        for name in joints:
            spec.joint(name).frictionloss *= factor

    return edit


def numeric(name: str) -> Edit:
    """A custom field of the model, such as the spread of its resets."""

    def edit(spec: mujoco.MjSpec, factor: float) -> None:
        spec.numeric(name).data = factor * np.asarray(spec.numeric(name).data)

    return edit


def towards(*targets: tuple[str, str, str, tuple[float, ...] | float]) -> Edit:
    r"""Moves fields `(kind, name, field, target)` a share of the way to targets.

    .. math:: x + share \, (target - x)
    """

    def edit(spec: mujoco.MjSpec, share: float) -> None:
        for kind, name, field, target in targets:
            element = getattr(spec, kind)(name)
            value = np.array(getattr(element, field), float)
            # A target may be shorter than the field, whose other entries stay.
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
    """Torso with legs and head moved along; the head keeps 0.1 m in front of it."""
    capsule_ends("torso")(spec, factor)
    for leg in ("bthigh", "fthigh"):
        spec.body(leg).pos = np.asarray(spec.body(leg).pos) * (factor, 1.0, 1.0)
    spec.geom("head").pos = (factor * 0.5 + 0.1, 0.0, 0.1)
