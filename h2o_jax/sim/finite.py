"""Compiled models whose numbers cannot be stepped with.

MuJoCo compiles a model with NaN or infinite numbers, with a warning at most.
"""

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError


def check(model: mujoco.MjModel) -> None:
    """Makes sure that every number of a model is finite, and that time goes on.

    Raises:
        ConfigError: it names the field of `mjModel`.
    """
    for place, record in (("", model), ("opt.", model.opt)):
        for name in dir(record):
            value = getattr(record, name)
            number = isinstance(value, float | np.ndarray)
            if number and not _is_finite(np.asarray(value)):
                raise ConfigError(
                    f"the model's {place}{name} is not finite; give it finite numbers"
                )
    if model.opt.timestep <= 0:
        raise ConfigError(
            f"the model's timestep is {model.opt.timestep:g} s; give one above 0"
        )


def _is_finite(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())
