"""Collects a log of the real system without any download, as D4RL's authors did.

SAC trains in the unmodified simulator until its return reaches --collect_return
(default: a third of the expert's). All that it saw is the `medium-replay` log;
rollouts of the policy it reached are the `medium` log. A wheel-legged robot is driven
by a scripted operator instead. The result is kept in --cache_dir; --out also writes it
as a .hdf5 file in D4RL's layout or as minari:NAME. A command that was stopped goes on
where its last evaluation was.
"""

import dataclasses
import pathlib
import shutil

from experiments import collecting, devices, groups
from experiments.cli import console, parsing
from experiments.cli.flags import Flags
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.devices import Machine
from experiments.experiment import Source
from h2o_jax.data import datasets, files, hdf5, writing
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FILE, PLACE, setting
from h2o_jax.types import Transition


@dataclasses.dataclass(frozen=True, kw_only=True)
class Out:
    """Where the log goes."""

    out: str = setting(
        "",
        "Where to write it: a .hdf5 file or minari:NAME; empty: only to --cache_dir.",
        tags=[PLACE, FILE],
    )


SETTINGS = (Source, Collecting, Out, Reading, Machine)
HIDDEN = (
    *groups.JOBS,
    *("dataset", "columns", "action_bounds", "max_episode_steps", "download"),
    *("distributed", "coordinator", "hosts", "host"),
)
"""Flags of a run, whose flagfile serves to collect its log, too."""


def main(flags: Flags) -> None:
    """The command."""
    experiment, machine = parsing.experiment(flags), flags.of(Machine)
    out = flags.of(Out).out
    if out and not out.startswith("minari:") and not out.endswith((".hdf5", ".h5")):
        raise ConfigError(f"--out={out}: give a path ending in .hdf5, or minari:NAME")
    devices.prepare(machine, runs=1, matmul_precision=None)
    devices.check(machine)
    pairing = flags.of(Reading).pairing
    path = collecting.ensure(experiment, pairing, flags.of(Collecting), machine.threads)
    task = experiment.model
    data = datasets.load(str(path), obs_dim=task.obs_dim, action_dim=task.action_dim)
    print(datasets.summary(data))
    if out:
        write(out, path, data.transition)
        print(f"wrote    {out}")


def write(out: str, path: pathlib.Path, rows: Transition) -> None:
    """Writes the cached log `path` where `--out` says, with its origin."""
    if out.startswith("minari:"):
        limits = hdf5.read(path, None)["timeouts"].astype(bool)
        datasets.write_minari(out.removeprefix("minari:"), rows, limits)
    else:
        with writing.replacing(pathlib.Path(out)) as part:
            shutil.copyfile(path, part)
        files.write_hash(pathlib.Path(out))


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN)
