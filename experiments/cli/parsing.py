"""The parsed flags as an `Experiment`, once they agree with each other."""

import contextlib
from collections.abc import Iterator

from experiments import unused
from experiments.cli import values
from experiments.cli.defining import flag_name
from experiments.cli.flags import Flags
from experiments.experiment import (
    Experiment,
    Grid,
    Method,
    Schedule,
    Source,
)
from experiments.mending_settings import MendingSettings
from experiments.runs import Run, grid, shard
from h2o_jax.errors import ConfigError
from h2o_jax.settings import at_least
from h2o_jax.sim import gaps, systems, tasks
from h2o_jax.types import Hyper


def experiment(flags: Flags) -> Experiment:
    """The parsed flags as an experiment.

    Raises:
        ConfigError: a value is out of range, or two flags contradict each other.
    """
    _fit_defaults(flags)
    source, schedule = flags.values(Source), flags.values(Schedule)
    robot = tasks.get(source["task"]).robot
    with of_flag("real", source["real"]):
        source["real"] = systems.parse(source["real"], source["task"])
    hyper = _hyper(flags)
    _check(hyper, schedule["epochs"] * schedule["updates"])
    choice = flags.of(Grid)
    with of_flag("gap", choice.gap):
        simulators = gaps.parse_list(choice.gap, robot)
    runs = grid(choice.seed, simulators, hyper)
    runs = _shard(_only(runs, choice.only), choice.shard)
    method, mending = flags.values(Method), flags.values(MendingSettings)
    return Experiment(runs=runs, **source, **method, **schedule, **mending)


def check_log_alone(flags: Flags, why: str) -> None:
    """Refuses a real system where a command is about its log alone.

    Raises:
        ConfigError: `--real` names one; it says why that is refused.
    """
    real = str(flags.value("real"))
    if not flags.is_default("real") and real.strip() != "unknown":
        raise ConfigError(f"--real={real}: {why}; drop it, or give --real=unknown")


def check_sweeps(experiment: Experiment) -> None:
    """Refuses a list of numbers that the method never reads, so of equal runs.

    Raises:
        ConfigError: it names the flag.
    """
    swept = {name for run in experiment.runs for name, _ in run.swept}
    for name in sorted(swept & unused.unused(vars(experiment))):
        raise ConfigError(
            f"--{flag_name(name)}: a list, but {experiment.algorithm} never reads it: "
            "all of its runs would be one; give one number, or drop the flag"
        )


@contextlib.contextmanager
def of_flag(name: str, text: str) -> Iterator[None]:
    """Says which flag's text an error is about."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"--{name}={text}: {error}") from None


def _fit_defaults(flags: Flags) -> None:
    """Defaults of a robot of the user's, whichever --defaults says.

    Its model is wrong as it is, without the gap of a published experiment. A log is of
    a system that is no model: no number is called a real return. Its units are whatever
    its makers took, so that what it sees is normalised by its log.
    """
    if not tasks.is_place(flags.value("task")):
        return
    if not flags.is_given("gap"):
        flags.set("gap", "none")
    if flags.value("dataset"):
        for name, text in (("normalise", "true"), ("real", "unknown")):
            if not flags.is_given(name):
                flags.set(name, text)


def _hyper(flags: Flags) -> dict[str, tuple[float, ...]]:
    """Field of `Hyper` -> values; both lambdas share an axis when `--lambda` is set."""
    axes = flags.values(Hyper)
    both = flags.value("lambda")
    if both is not None:
        for name in ("lambda_real", "lambda_sim"):
            if flags.is_named(name) or not flags.is_default(name):
                raise ConfigError(f"--lambda sets --{name} too; give one of them")
            del axes[name]
        axes["lambda_real,lambda_sim"] = both
    return axes


def _check(hyper: dict[str, tuple[float, ...]], updates: int) -> None:
    """Refuses hyperparameters that contradict each other or the schedule."""
    if max(hyper["ratio_low"]) > min(hyper["ratio_high"]):
        raise ConfigError("--ratio_low is above --ratio_high; lower it")
    for decay in hyper["decay_updates"]:
        if 0 < decay < updates:
            raise ConfigError(
                f"--decay_updates={decay:g}: nothing is learned after it, and there "
                f"are {updates} updates; lower --epochs, or give as many, or 0"
            )


def _only(runs: tuple[Run, ...], text: str) -> tuple[Run, ...]:
    """The runs of the grid that `--only` counts, labels as in the whole."""
    if not text:
        return runs
    chosen = values.ranges("only", text, at_least(0))
    if sorted(set(chosen)) != list(chosen) or chosen[-1] >= len(runs):
        raise ConfigError(
            f"--only={text}: the grid has runs 0 to {len(runs) - 1}; give some of "
            "them in their order, each once"
        )
    return tuple(runs[i] for i in chosen)


def _shard(runs: tuple[Run, ...], text: str) -> tuple[Run, ...]:
    """The share of the grid that `--shard` names, labels as in the whole."""
    if not text:
        return runs
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and int(count)):
        raise ConfigError(f"--shard={text}: not I/N; give such as 0/4")
    if int(count) > len(runs):
        raise ConfigError(
            f"--shard={text}: the grid has {len(runs)} run(s); give no more shards"
        )
    if int(index) >= int(count):
        raise ConfigError(
            f"--shard={text}: shards are counted from 0; give 0/{count} to "
            f"{int(count) - 1}/{count}"
        )
    return shard(runs, int(index), int(count))
