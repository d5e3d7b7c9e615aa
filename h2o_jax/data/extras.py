"""Libraries that only some logs need."""

import importlib
from typing import Any

from h2o_jax.errors import DatasetError


def needed(name: str, extra: str) -> Any:
    """A module of an extra.

    Raises:
        DatasetError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise DatasetError(
            f"{error.name} is not installed, and this log needs it; "
            f"pip install 'h2o_jax[{extra}]'"
        ) from None
