"""Compiled models whose numbers cannot be stepped with.

MuJoCo compiles a model with NaN or infinite numbers, with a warning at most.
"""

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError

_LIMITS = ("jnt_range", "actuator_forcerange", "actuator_actrange", "tendon_range")
"""Fields in which infinity says that there is no limit."""


def check(model: mujoco.MjModel) -> None:
    """Makes sure that every number of a model is finite, and that time goes on.

    Raises:
        ConfigError: it names the field of `mjModel`.
    """
    for place, record in (("", model), ("opt.", model.opt)):
        for name in dir(record):
            value = getattr(record, name)
            number = isinstance(value, float | np.ndarray)
            if number and not _is_fit(np.asarray(value), name in _LIMITS):
                raise ConfigError(
                    f"the model's {place}{name} is not finite; give it finite numbers"
                )
    if model.opt.timestep <= 0:
        raise ConfigError(
            f"the model's timestep is {model.opt.timestep:g} s; give one above 0"
        )


def _is_fit(values: np.ndarray, is_limit: bool) -> bool:
    if values.dtype.kind != "f":
        return True
    return not np.isnan(values).any() and (is_limit or np.isfinite(values).all())
