"""How a command uses the machine: cores, accelerators, precision, compile cache.

Everything here is fixed before the first array exists.
"""

import jax

from experiments import console, flags
from h2o_jax.errors import ConfigError


def prepare(runs: int, matmul_precision: str | None) -> None:
    """Sets JAX up as the flags ask, for so many runs."""
    console.use_cores(flags.FLAGS.threads, runs)
    if matmul_precision is not None:
        jax.config.update("jax_default_matmul_precision", matmul_precision)
    if flags.FLAGS.compile_cache:
        jax.config.update("jax_compilation_cache_dir", flags.FLAGS.compile_cache)
        # The small programs around a run add up, too.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def check() -> None:
    """Makes sure of the accelerator that the flags may ask for.

    Raises:
        ConfigError: `--require_accelerator`, and there is only a CPU.
    """
    if flags.FLAGS.require_accelerator and jax.default_backend() == "cpu":
        raise ConfigError(
            "--require_accelerator: JAX found only a CPU; install h2o_jax[cuda13], "
            "[cuda12] or [tpu], or drop the flag"
        )
