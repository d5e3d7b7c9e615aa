"""How far the joints of a log go: where the fit of a joint's range begins, and may end.

Where a limit is never met, the prediction has no derivative by it. So a simulator whose
joints go too far does not feel how far the real ones do, unless its limits are put
there first; and of limits that the log does not meet, it only tells where they are not.
"""

from collections.abc import Iterable, Mapping, Sequence

import mujoco
import numpy as np

from h2o_jax.sim import fields
from h2o_jax.sim.identify import coordinates, fitting
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.windows import Rows, Windows

_RANGE = "joint_range:"
_SCALAR = mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE
_SHARE = 0.999
"""Of the rows that lie within; a few may be glitches."""
_CLEARLY = 0.99
"""A start counts as better only below this share of the cost, not by chance."""
_MOST = 400
"""Windows that are asked about one joint."""
BEYOND = 1.01
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
    values, asked = dict(values), _ranges(values)
    if not asked:
        return values
    seen = np.asarray(rows.log.s_tm1, np.float64)[rows.usable & ~rows.held_out]
    ends = of_joints(predict.model, _positions(predict, seen))
    least = _cost(predict, chosen, values)
    for name in (x for x in asked if x.removeprefix(_RANGE) in ends):
        end = ends[name.removeprefix(_RANGE)]
        there = coordinates.within({**values, name: end}, bounds)
        cost = _cost(predict, chosen, there)
        if cost < _CLEARLY * least:
            values, least = there, cost
    return values


def unmet(
    predict: Predictor,
    rows: Rows,
    lead: int,
    names: Sequence[str],
    values: Mapping[str, float],
) -> dict[str, float]:
    """Ranges of joints that may as well be wider than all that the log shows.

    Asked are the windows in which a joint is farthest out: if its limit acts anywhere,
    it does there.

    Args:
        predict: the simulator.
        rows: of the log.
        lead: rows before each window.
        names: fields that are asked about.
        values: field -> value, of all that are known.

    Returns:
        Field -> value just beyond the positions of the log: a lower bound.
    """
    found, asked = dict[str, float](), _ranges(names)
    if not asked:
        return found
    every = rows.pick(len(rows.usable), 1, 0, lead=lead)
    ends = (_positions(predict, s) for s in (every.start, every.logged[:, 0]))
    first, last = (_out(predict.model, qpos) for qpos in ends)
    for name in (x for x in asked if x in first):
        far = np.maximum(first[name], last[name])
        chosen = every._replace(first=every.first[np.sort(np.argsort(far)[-_MOST:])])
        here, end = {**values, **found}, BEYOND * float(far.max())
        tried = here, {**here, name: end}, {**here, name: 2 * end}
        *others, wide = (_cost(predict, chosen, x) for x in tried)
        if wide <= min(others):
            found[name] = end
    return found


def of_joints(model: mujoco.MjModel, qpos: Array) -> dict[str, float]:
    """Joint with limits -> scale of both at which one of them is where the log ends.

    Args:
        model: compiled.
        qpos: `[k, nq]` positions of a log.
    """
    ends = {
        name.removeprefix(_RANGE): float(np.quantile(out, _SHARE))
        for name, out in _out(model, qpos).items()
    }
    return {joint: scale for joint, scale in ends.items() if scale > 0}


def _out(model: mujoco.MjModel, qpos: Array) -> dict[str, Array]:
    r"""Range of a joint -> `[k]` scale of both limits that would end at a position.

    .. math:: \max(q / q_{high}, \; q / q_{low})
    """
    names, found = fields.elements(model, "joint"), {}
    for i in np.flatnonzero(model.jnt_limited & np.isin(model.jnt_type, _SCALAR)):
        limits = model.jnt_range[i]
        # A limit at zero, or on the wrong side of it, is not moved outwards by a scale.
        outward = limits[limits * (-1, 1) > 0]
        if len(outward):
            q = qpos[:, model.jnt_qposadr[i]]
            found[f"{_RANGE}{names[i]}"] = np.max(q[:, None] / outward, axis=1)
    return found


def _ranges(names: Iterable[str]) -> list[str]:
    """Those of some fields that are the range of one joint."""
    return [name for name in names if name.startswith(_RANGE)]


def _positions(predict: Predictor, seen: Array) -> Array:
    """`[k, nq]` positions behind observations `[k, O]`."""
    assert predict.task.pose is not None  # `Predictor` says so
    return predict.task.pose(predict.model, seen).qpos


def _cost(predict: Predictor, chosen: Windows, values: Mapping[str, float]) -> float:
    return fitting.rms(fitting.residuals(predict, chosen, values))
