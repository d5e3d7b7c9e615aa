"""Which fields of a simulator a log can tell, before any is fitted."""

from collections.abc import Mapping

import numpy as np

from h2o_jax.sim.identify import coordinates, fitting
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.windows import Windows

_CONDITION = 30.0
"""Above it, fields only change the units of each other."""
_FINE = 0.005
"""Step of the derivatives that tell what the log can tell: proportional columns look
less so at larger steps."""
_SILENT = 1e-4
"""Change of the prediction per coordinate, in std of the log's, below which is none."""


def tellable(
    predict: Predictor,
    chosen: Windows,
    values: Mapping[str, float],
    others: Mapping[str, float],
) -> tuple[dict[str, float], float, dict[str, str]]:
    """What the log can tell, from derivatives where the fit begins.

    Fields without an effect are left alone; then, while some mixture of fields has
    nearly no effect, the field in it that was named last.

    Returns:
        Field -> sensitivity; the condition number of those that can be fitted; field
        -> why it cannot, for all others.
    """
    names, left = list(values), dict[str, str]()
    if not names:
        return {}, 1.0, left
    z = coordinates.of_values(values)
    jac = fitting.jacobian(predict, chosen, names, z, others, _FINE)
    size = np.sqrt(np.square(jac).mean(axis=0)).tolist()
    sensitivity = dict(zip(names, size, strict=True))
    kept = [name for name in names if sensitivity[name] >= _SILENT]
    left = {
        x: f"a change of {_FINE:.1%} shows nowhere in this log"
        for x in names
        if x not in kept
    }
    while kept:
        columns = jac[:, [names.index(name) for name in kept]]
        condition, mixture = fitting.condition(columns)
        if condition <= _CONDITION:
            return sensitivity, condition, left
        pairs = zip(kept, mixture, strict=True)
        *partners, last = [name for name, share in pairs if share > 0.3]
        others_too = f"only relative to {', '.join(partners)}" if partners else "hardly"
        left[last] = f"the log tells it {others_too}"
        kept.remove(last)
    return sensitivity, 1.0, left
