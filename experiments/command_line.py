"""The command line: read, written again, and which flags belong to what."""

import pathlib
from collections.abc import Sequence

from absl import flags

from experiments import flags as definitions
from h2o_jax.errors import CheckpointError, ConfigError

FLAGS = definitions.FLAGS

LAUNCH = (
    "cluster",
    "jobs",
    "slurm_partition",
    "slurm_time",
    "slurm_cpus",
    "slurm_gpus",
    "slurm_memory_gb",
)
"""Flags that only the launch command reads."""
PLACES = ("dataset", "run_dir", "runs", "resume", "results_dir", "cache_dir", "out")
"""Flags that name places on this machine, which results leave out."""
_PLACEMENT = frozenset(
    [
        "compile_cache",
        "coordinator",
        "distributed",
        "host",
        "hosts",
        "require_accelerator",
    ]
)
"""Flags that belong to a machine, not to a run."""
CHANGEABLE = _PLACEMENT | frozenset(
    ["epochs", "evaluate_every", "episodes", "resume", "preset", "results_dir"]
)
"""Flags in which a resumed run may differ."""


def defined() -> list[flags.Flag]:
    """Every flag of ours, by name."""
    ours = FLAGS.flags_by_module_dict()[definitions.__name__]
    return sorted(ours, key=lambda flag: flag.name)


def text() -> str:
    """All flags as a flagfile that repeats this command."""
    left_out = _PLACEMENT | {"resume", "run_dir", *LAUNCH}
    kept = [f for f in defined() if f.name not in left_out]
    return "\n".join(f.serialize() for f in kept if f.value is not None) + "\n"


def choices() -> list[str]:
    """The flags that are not at their default and can change what a run gives."""
    apart = (*PLACES, *LAUNCH, *_PLACEMENT, "part")
    return [
        flag.serialize()
        for flag in defined()
        if flag.value != flag.default and flag.name not in apart
    ]


def given() -> list[str]:
    """The flags that the command line or its flagfiles set, by name."""
    return [flag.serialize() for flag in defined() if flag.present]


def parse(argv: Sequence[str]) -> list[str]:
    """Reads the command line; with `--resume`, on top of that run's own flags.

    Raises:
        ConfigError: an unknown flag or a value that does not parse.
        CheckpointError: a resumed run's flag was given another value.
    """
    try:
        rest = FLAGS(list(argv))
        if FLAGS.resume:
            _resume(argv)
    except flags.Error as error:
        raise ConfigError(" ".join(str(error).split())) from None
    if rest[1:]:
        raise ConfigError(f"{rest[1]!r} is no flag; flags begin with --")
    return rest


def _resume(argv: Sequence[str]) -> None:
    saved = pathlib.Path(FLAGS.resume) / "flags.flags"
    if not saved.is_file():
        raise CheckpointError(f"--resume={FLAGS.resume}: no run there (no {saved})")
    asked = {f.name: f.value for f in defined() if f.present}
    FLAGS.unparse_flags()
    FLAGS([argv[0], f"--flagfile={saved}"])
    for name, value in asked.items():
        if name not in CHANGEABLE and FLAGS[name].value != value:
            raise CheckpointError(
                f"--resume={saved.parent}: --{name} was {FLAGS[name].value!r} there, "
                f"is {value!r} now; drop the flag, or start a fresh run"
            )
        FLAGS[name].value = value
