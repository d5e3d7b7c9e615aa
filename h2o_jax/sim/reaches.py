"""How far the joints of a log go: where the fit of a joint's range begins, and may end.

Where a limit is never met, the prediction has no derivative by it. So a simulator whose
joints go too far does not feel how far the real ones do, unless its limits are put
there first; and of limits that the log does not meet, it only tells where they are not.
"""

from collections.abc import Iterable, Mapping, Sequence

import mujoco
import numpy as np

from h2o_jax.sim import coordinates, fields, fitting
from h2o_jax.sim.predictor import Predictor
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.windows import Rows, Windows

_RANGE = "joint_range:"
_SCALAR = mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE
_SHARE = 0.999
"""Of the rows that lie within; a few may be glitches."""
_CLEARLY = 0.99
"""Share of the cost below which another begin is no chance."""
_BEYOND = 1.01
"""Where limits that are not met are put, over the farthest position of the log."""


def begun(
    predict: Predictor,
    rows: Rows,
    chosen: Windows,
    values: Mapping[str, float],
    bounds: tuple[float, float],
) -> dict[str, float]:
    """Values with ranges of joints where those of the log end, if that clearly helps.

    Where a joint never meets its limits, that fits as well or worse, but for noise.

    Args:
        predict: the simulator.
        rows: of the log.
        chosen: windows that costs are of.
        values: field -> value.
        bounds: of all fields.
    """
    values = dict(values)
    ends = _ends(predict, rows, _SHARE) if _ranges(values) else {}
    for name in [x for x in values if x in ends]:
        there = coordinates.within({**values, name: ends[name]}, bounds)
        if _cost(predict, chosen, there) < _CLEARLY * _cost(predict, chosen, values):
            values = there
    return values


def unmet(
    predict: Predictor,
    rows: Rows,
    chosen: Windows,
    names: Sequence[str],
    values: Mapping[str, float],
) -> dict[str, float]:
    """Ranges of joints that may as well be wider than all that the log shows.

    Args:
        predict: the simulator.
        rows: of the log.
        chosen: windows that costs are of.
        names: fields that are asked about.
        values: field -> value, of all that are known.

    Returns:
        Field -> value beyond the positions of all rows: a lower bound.
    """
    asked, found = _ranges(names), dict[str, float]()
    ends = _ends(predict, rows, 1.0) if asked else {}
    for name in (x for x in asked if x in ends):
        here = {**values, **found}
        beyond = {**here, name: max(values[name], _BEYOND * ends[name])}
        if _cost(predict, chosen, beyond) <= _cost(predict, chosen, here):
            found[name] = beyond[name]
    return found


def of_joints(
    model: mujoco.MjModel, qpos: Array, share: float = _SHARE
) -> dict[str, float]:
    r"""Joint with limits -> scale of both at which one of them is where the log ends.

    .. math:: \max(q_{max} / q_{high}, \; q_{min} / q_{low})

    Args:
        model: compiled.
        qpos: `[k, nq]` positions of a log.
        share: of the rows that lie within.
    """
    found = {}
    names = fields.elements(model, "joint")
    for i in np.flatnonzero(model.jnt_limited & np.isin(model.jnt_type, _SCALAR)):
        q = qpos[:, model.jnt_qposadr[i]]
        ends = np.quantile(q, [1 - share, share])
        limits = model.jnt_range[i]
        # A limit at zero, or on the wrong side of it, is not moved outwards by a scale.
        outward = limits * (-1, 1) > 0
        if outward.any():
            found[names[i]] = float(np.max(ends[outward] / limits[outward]))
    return {name: scale for name, scale in found.items() if scale > 0}


def _ranges(names: Iterable[str]) -> list[str]:
    """Those of some fields that are the range of one joint."""
    return [name for name in names if name.startswith(_RANGE)]


def _ends(predict: Predictor, rows: Rows, share: float) -> dict[str, float]:
    """Range of a joint -> where the positions of a share of the rows end."""
    assert predict.task.pose is not None  # `Predictor` says so
    seen = np.asarray(rows.log.s_tm1, np.float64)[rows.usable]
    qpos = predict.task.pose(predict.model, seen).qpos
    return {
        f"{_RANGE}{joint}": scale
        for joint, scale in of_joints(predict.model, qpos, share).items()
    }


def _cost(predict: Predictor, chosen: Windows, values: Mapping[str, float]) -> float:
    return fitting.rms(fitting.residuals(predict, chosen, values))
