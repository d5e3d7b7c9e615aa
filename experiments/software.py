"""The software and the machine that a result comes from."""

import os
import pathlib
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

import jax

import h2o_jax

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "mujoco", "gymnasium", "numpy")


def describe() -> dict[str, Any]:
    """Software and machine kind, as far as they can change a result."""
    return {
        "h2o_jax": h2o_jax.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
        "nproc": os.environ.get("NPROC"),
        "backend": jax.default_backend(),
        "devices": [device.device_kind for device in jax.devices()],
        "processor": _processor(),
        "system": platform.system(),
    }


def _commit() -> str | None:
    """Commit of the source tree this package runs from, `+` if it was changed."""
    root = pathlib.Path(h2o_jax.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD").strip()
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def _git(root: pathlib.Path, *arguments: str) -> str:
    # A status that is killed while it refreshes git's index would leave it locked.
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def _processor() -> str:
    """Name of the processor's model."""
    if sys.platform == "linux":
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
