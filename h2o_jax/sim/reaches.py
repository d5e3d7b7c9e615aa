"""How far the joints of a log go: where the fit of a joint's range begins.

Where a limit is never met, the prediction has no derivative by it. So a simulator whose
joints go too far does not feel how far the real ones do, unless its limits are put
there first.
"""

import mujoco
import numpy as np

from h2o_jax.sim.tasks.task import Array

_SCALAR = mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE
_SHARE = 0.999
"""Of the rows that lie within; a few may be glitches."""


def of_joints(model: mujoco.MjModel, qpos: Array) -> dict[str, float]:
    r"""Joint with limits -> scale of both at which one of them is where the log ends.

    .. math:: \max(q_{max} / q_{high}, \; q_{min} / q_{low})

    Args:
        model: compiled.
        qpos: `[k, nq]` positions of a log.
    """
    found = {}
    for i in np.flatnonzero(model.jnt_limited & np.isin(model.jnt_type, _SCALAR)):
        joint, q = model.joint(i), qpos[:, model.jnt_qposadr[i]]
        ends = np.quantile(q, [1 - _SHARE, _SHARE])
        limits = model.jnt_range[i]
        # A limit at zero, or on the wrong side of it, is not moved outwards by a scale.
        outward = limits * (-1, 1) > 0
        if outward.any() and joint.name:
            found[joint.name] = float(np.max(ends[outward] / limits[outward]))
    return {name: scale for name, scale in found.items() if scale > 0}
