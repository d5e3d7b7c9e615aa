"""The wheel-legged robot's idealised simulator, as a gap from the fitted robot.

`wheel_legged.xml` and the task's interface describe the robot on its carpet. The table
below has the values of a simulator that was written from a drawing instead; the gap
`idealised` moves every value a share of the way from the former to the latter. A share
of 1 is the ideal simulator: no friction, no latency, 5 ms, exact sensors.

References:
    The authors' simulator is not public. From them are 5 ms and 3 N m at each wheel;
    all else is our own guess for a 12 kg robot.
"""

import dataclasses

from h2o_jax.sim import edits
from h2o_jax.sim.interface import Interface

_PERIOD = 5
"""Physics steps of 1 ms in the ideal control period."""

idealise_model = edits.towards(
    # The centre of mass and the inertia of a drawing rather than of the robot.
    ("body", "base", "ipos", (0.0, 0.0, 0.135)),
    ("body", "base", "inertia", (0.0990, 0.1100, 0.0660)),
    ("joint", "wheels", "frictionloss", 0.0),
    ("joint", "wheels", "damping", 0.0),
    # Tyres without rolling resistance (1e-5 m is MuJoCo's least) that hardly sink in.
    ("geom", "tyre", "friction", (1.0, 0.005, 1e-5)),
    ("geom", "tyre", "solref", (0.004, 1.0)),
    ("geom", "tyre", "solimp", (0.99, 0.999, 0.001)),
)
"""The edit of the model."""


def idealise_interface(base: Interface, share: float) -> Interface:
    """Moves the interface a share of the way; pushes and action noise stay."""
    rest = 1.0 - share
    low, high = base.substeps or (_PERIOD, _PERIOD)
    period = tuple(round(_PERIOD + rest * (x - _PERIOD)) for x in (low, high))
    return dataclasses.replace(
        base,
        latency=round(rest * base.latency),
        strength=1.0 + rest * (base.strength - 1.0),
        substeps=(period[0], period[1]) if rest else None,
        stall_probability=rest * base.stall_probability,
        stall_seconds=base.stall_seconds if rest else (0.0, 0.0),
        sensor_noise=tuple(rest * x for x in base.sensor_noise) if rest else (),
        sensor_quantum=tuple(rest * x for x in base.sensor_quantum) if rest else (),
    )
