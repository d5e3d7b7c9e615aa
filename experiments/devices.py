"""How a command uses the machine: cores, accelerators, precision, compile cache.

Everything here is fixed before the first array exists.
"""

import pathlib
import tempfile

import jax

from experiments import flags, records
from experiments.cli import console
from h2o_jax.errors import ConfigError


def prepare(runs: int, matmul_precision: str | None) -> None:
    """Sets JAX up as the flags ask, for so many runs."""
    console.use_cores(flags.FLAGS.threads, runs)
    if matmul_precision is not None:
        jax.config.update("jax_default_matmul_precision", matmul_precision)
    if flags.FLAGS.compile_cache:
        _make(flags.FLAGS.compile_cache)
        jax.config.update("jax_compilation_cache_dir", flags.FLAGS.compile_cache)
        # The small programs around a run add up, too.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _make(cache: str) -> None:
    """Makes the folder; a bucket, such as `gs://...`, makes itself.

    Raises:
        ConfigError: it cannot be written; JAX would compile each time, and not say so.
    """
    if "://" in cache:
        return
    with records.writing("compile_cache", cache):
        pathlib.Path(cache).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache).close()


def check() -> None:
    """Makes sure of the accelerator that the flags may ask for.

    Raises:
        ConfigError: `--require_accelerator`, and there is only a CPU.
    """
    if flags.FLAGS.require_accelerator and jax.default_backend() == "cpu":
        raise ConfigError(
            "--require_accelerator: JAX found only a CPU; pip install -e '.[cuda13]', "
            "'.[cuda12]' or '.[tpu]', or drop the flag"
        )
