"""From a task and its gaps to a compiled MuJoCo model."""

from typing import Literal

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields, finite
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.tasks.task import Task

Inertia = Literal["modern", "d4rl"]


def compile_model(
    task: Task, gaps: Gaps = (), inertia: Inertia = "modern"
) -> mujoco.MjModel:
    """A model of the task with gaps.

    A model whose XML fixes the total mass (HalfCheetah: 14 kg) keeps it, as that rule
    came after the text edits of the published gaps: a thicker thigh takes mass from
    the other limbs. Without gaps the model is Gymnasium's, bit for bit. The fields of a
    simulator file scale what comes out.

    Args:
        task: the robot.
        gaps: edits, applied in order.
        inertia: `modern` for exact capsules; `d4rl` for those of MuJoCo before 2.1.1,
            with which the D4RL and ODRL logs were recorded.

    Raises:
        ConfigError: the robot does not have a gap or a field, or does not compile
            with it.
    """
    spec = task.spec()
    total_mass = spec.compiler.settotalmass
    # MuJoCo 4 deprecates the rule; `_set_total_mass` is what replaces it.
    spec.compiler.settotalmass = -1
    gaps_lib.edit(spec, task.robot, gaps)
    if inertia == "d4rl":
        _lengthen_capsules(spec)
    elif inertia != "modern":
        raise ConfigError(f"inertia {inertia!r}: choose from modern, d4rl")
    try:
        model = spec.compile()
    except ValueError as error:
        message = " ".join(str(error).split())
        text = gaps_lib.to_text(gaps)
        raise ConfigError(f"{task.name} with {text} is no model: {message}") from error
    if total_mass > 0:
        mujoco.mj_setTotalmass(model, total_mass)
        fields.refresh(model)
    values = [(x.name, x.value) for x in gaps_lib.from_file(gaps)]
    try:
        fields.check_model(model, [name for name, _ in values])
    except ConfigError as error:
        raise ConfigError(f"gap {gaps_lib.to_text(gaps)}: {error}") from None
    model = fields.scaled(model, values)
    finite.check(model)
    return model


def _lengthen_capsules(spec: mujoco.MjSpec) -> None:
    r"""Gives bodies the inertia that MuJoCo before 2.1.1 computed for capsules.

    A capsule of radius r and half-length l weighed as a cylinder of half-length
    l + r / 2, which is lighter at the ends by

    .. math:: \pi r^3 \rho \, (4/3 - 1)

    Only masses and inertias change; contacts still see capsules.
    """
    twin = spec.copy()
    shapes = twin.compile()  # from here on the twin's parts have the model's numbers
    for geom in twin.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_CAPSULE:
            shape = shapes.geom(geom.id)
            radius, half_length, _ = shape.size
            geom.type = mujoco.mjtGeom.mjGEOM_CYLINDER
            if not np.isnan(geom.fromto[0]):
                geom.fromto = [np.nan, 0, 0, 0, 0, 0]
                geom.pos, geom.quat = shape.pos, shape.quat
            geom.size = (radius, half_length + radius / 2, 0)
    weights = twin.compile()
    spec.compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_FALSE
    for body, same in zip(spec.bodies[1:], twin.bodies[1:], strict=True):
        weight = weights.body(same.id)
        body.mass, body.ipos = weight.mass[0], weight.ipos
        body.iquat, body.inertia = weight.iquat, weight.inertia
        body.explicitinertial = True
