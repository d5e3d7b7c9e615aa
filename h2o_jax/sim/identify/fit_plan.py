"""Which fields of a simulator are fitted to a log, and how."""

import dataclasses

import mujoco

from h2o_jax.errors import ConfigError
from h2o_jax.settings import OPEN_UNIT, at_least, setting
from h2o_jax.sim import fields, windows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitting:
    """How fields are fitted."""

    fields: tuple[str, ...] = setting(
        (
            "gravity",
            "friction",
            "body_mass",
            "joint_damping",
            "dry_friction",
            "control_period",
            "latency",
            "action_noise",
        ),
        "What is fitted, the least certain first: FIELD; FIELD:ELEMENT for one body, "
        "joint, geom or actuator; or FIELD:each for each of them by itself. Default "
        "fields that the model lacks are left out. Fields: "
        + ", ".join(fields.FIELDS)
        + ".",
    )
    bounds: tuple[float, float] = setting(
        (0.1, 5.0),
        "LOW:HIGH of every scale, relative to --gap; dry_friction lies within 0 and "
        "0.05 HIGH, joint_spring within 0 and 0.5 HIGH, viscous_friction within 0 and "
        "HIGH.",
    )
    windows: int = setting(2000, "Windows of one step.", at_least(windows.LEAST))
    long_windows: int = setting(
        400,
        "Windows of --long_steps, which the values come from; 0: none.",
        at_least(0),
    )
    long_steps: int = setting(5, "Steps of the long windows.", at_least(2))
    starts: int = setting(
        3, "Starts: the simulator of --gap, then random ones.", at_least(1)
    )
    evaluations: int = setting(
        20, "Most evaluations of each fit, derivatives apart.", at_least(1)
    )
    held_out: float = setting(
        0.1, "Share of the episodes that only judge the result.", OPEN_UNIT
    )
    fit_seed: int = setting(0, "Seed of windows, episodes and starts.", at_least(0))


_ALWAYS = ("friction", "gravity", "control_period", "latency", "action_noise")

JOINTS = Fitting(
    fields=(
        "joint_range:each",
        "actuator_gear:each",
        "servo_gain:each",
        "joint_damping:each",
        "joint_stiffness:each",
        "joint_spring:each",
        "dry_friction:each",
        "body_mass",
        *_ALWAYS,
    ),
    bounds=(0.02, 50.0),
    windows=800,
    long_windows=160,
    starts=1,
    evaluations=40,
)
"""Each joint and motor by itself: one may be wrong where all others are right."""

_BESIDES = "joint_damping", "dry_friction", *_ALWAYS

BODIES = dataclasses.replace(
    JOINTS,
    fields=("body_mass:each", "body_inertia:each", *_BESIDES),
)
"""Each body by itself."""

SHAPES = dataclasses.replace(
    BODIES,
    fields=(
        "body_mass:each",
        "body_inertia:each",
        "geom_length:each",
        "geom_radius:each",
        "centre_of_mass:each",
        *_BESIDES,
    ),
)
"""Each body with where its mass lies and where it touches."""

DAMPING = dataclasses.replace(
    BODIES,
    fields=(
        "body_mass:each",
        "body_inertia:each",
        "joint_damping:each",
        "viscous_friction:each",
        "dry_friction:each",
        *_ALWAYS,
    ),
)
"""Each body, with the damping of each joint, also where a drawing has none."""


def is_standard(how: Fitting) -> bool:
    """Whether no user named the fields: they are those of a standard fit."""
    fits = Fitting(), JOINTS, BODIES, SHAPES, DAMPING
    return how.fields in ((), *(fit.fields for fit in fits))


def of_model(how: Fitting, model: mujoco.MjModel) -> Fitting:
    """The fields of a standard set as far as a model has them; others it must have.

    Raises:
        ConfigError: it does not have one that was named, one is named twice, or the
            bounds do not surround 1.
    """
    chosen = []
    for name in how.fields or Fitting().fields:
        found = fields.expanded(model, name)
        if is_standard(how):
            found = [x for x in found if fields.has(model, x)]
        elif not found:
            raise ConfigError(
                f"field {name}: no {fields.find(name).elements} of this model has it; "
                "name another field"
            )
        chosen += found
    fields.check_model(model, chosen)
    plan = dataclasses.replace(how, fields=tuple(chosen))
    _check(plan)
    return plan


def _check(how: Fitting) -> None:
    low, high = how.bounds
    most = fields.LARGEST
    if not (0 < low < 1 < high <= most):
        raise ConfigError(
            f"--bounds={low:g}:{high:g}: give 0 < LOW < 1 < HIGH <= {most:g}"
        )
    if len(set(how.fields)) < len(how.fields):
        raise ConfigError(f"--fields={','.join(how.fields)}: give each field once")
