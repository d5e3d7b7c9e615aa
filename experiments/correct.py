"""Learns what a simulator misses from a log of the real system: a residual.

Replays the log's rows through the simulator with --gap, one control step each, and
fits an ensemble of small networks to what the real system did otherwise. Episodes that
were held out decide what is corrected, and are what the table is about. The residual is
kept in --cache_dir, where `experiments.run --simulator=residual` with the same log,
task, gap and settings finds it; --out writes it as an .npz file, too.
"""

import dataclasses
import pathlib

from experiments import build, collecting, data, devices, groups, mending, places
from experiments.cli import console, parsing
from experiments.cli.flags import Flags
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.devices import Machine
from experiments.experiment import Grid, Source
from experiments.mending import cached, residuals
from experiments.mending_settings import MendingSettings
from h2o_jax.data import datasets
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FILE, PLACE, setting
from h2o_jax.sim import gaps, residual, worlds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Out:
    """Where the residual goes."""

    out: str = setting(
        "",
        "An .npz file for it; empty: only to --cache_dir.",
        tags=[PLACE, FILE],
    )


SETTINGS = (Source, Reading, Collecting, Grid, MendingSettings, Out, Machine)
HIDDEN = (*groups.JOBS, "simulator", "fields", "pessimism", "shard", "only")
"""Flags of a run, whose flagfile serves to correct its simulator, too."""


def main(flags: Flags) -> None:
    """The command."""
    experiment = dataclasses.replace(parsing.experiment(flags), simulator="residual")
    machine, how = flags.of(Machine), flags.of(Collecting)
    distinct = list(dict.fromkeys(run.gap for run in experiment.runs))
    out = flags.of(Out).out
    if out and (len(distinct) > 1 or not out.endswith(".npz")):
        raise ConfigError(f"--out={out}: give a path ending in .npz, and one gap")
    devices.prepare(machine, runs=1, matmul_precision=None)
    devices.check(machine)
    for gap in distinct:
        worlds.check_effect(experiment.model, gap, experiment.inertia)
    method = build.algorithm(experiment)
    dataset = data.load(experiment, method, flags.of(Reading), how, machine.threads)
    assert dataset is not None
    data.check_task(experiment, dataset, machine.threads)
    print(datasets.summary(dataset))
    cache = collecting.cache_folder(how)
    needs = mending.of(experiment, dataset, cache, machine.threads)
    for gap in distinct:
        learned = residuals.learn(needs, gap)
        print(_report(gaps.to_text(gap), learned))
        print(f"wrote    {cached.keep(needs, gap, learned.residual)}")
        if out:
            with places.writing("out", out):
                residual.save(pathlib.Path(out), learned.residual)
            print(f"wrote    {out}")


def _report(gap: str, learned: residuals.Learned) -> str:
    trained, held_out = learned.rows
    replayed, fitted = learned.seconds
    return (
        f"\n{gap}: learned from {trained:,} rows, tested on {held_out:,} of other "
        f"episodes; {learned.inexact:,} rows have no exact state\n"
        f"replayed in {replayed:.0f} s, learned in {fitted:.0f} s\n\n"
        "rms error of one step, in units of the log's one-step change (reward: its "
        f"std)\n{residuals.table(learned)}\n\n{residuals.line(learned)}"
    )


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN)
