"""The parsed flags as an `Experiment`; every value is checked here."""

import dataclasses
import math
from collections.abc import Sequence

from experiments import flags, hyperparameters
from experiments.experiment import Experiment, Run, grid, part
from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, tasks
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.types import Hyper


def experiment() -> Experiment:
    """The parsed flags as an experiment.

    Raises:
        ConfigError: a value is out of range, or two flags contradict each other.
    """
    robot = tasks.get(flags.FLAGS.task).robot
    if max(_floats("ratio_low")) > min(_floats("ratio_high")):
        raise ConfigError("--ratio_low is above --ratio_high; lower it")
    length = flags.FLAGS.epochs * flags.FLAGS.updates
    for updates in _floats("decay_updates"):
        if 0 < updates < length:
            fix = "lower --epochs" if flags.FLAGS.resume else "give as many, or 0"
            raise ConfigError(
                f"--decay_updates={updates:g}: nothing is learned after it, and there "
                f"are {length} updates; {fix}"
            )
    return Experiment(
        task=flags.FLAGS.task,
        algorithm=flags.FLAGS.algorithm,
        runs=_part(grid(_seeds(), gaps.parse_list(flags.FLAGS.gap, robot), _hyper())),
        dataset=flags.FLAGS.dataset,
        real=gaps.parse(flags.FLAGS.real, robot),
        inertia=flags.FLAGS.inertia,
        backbone=flags.FLAGS.backbone,
        hidden=integers("hidden"),
        discriminator_hidden=integers("discriminator_hidden"),
        critics=flags.FLAGS.critics,
        critic_layer_norm=flags.FLAGS.critic_layer_norm,
        batch=flags.FLAGS.batch,
        learn_rows=_rows("learn_rows"),
        discriminate_rows=_rows("discriminate_rows"),
        normalise=flags.FLAGS.normalise,
        return_range=flags.FLAGS.return_range,
        relative_noise=flags.FLAGS.relative_noise,
        epochs=flags.FLAGS.epochs,
        steps=flags.FLAGS.steps,
        updates=flags.FLAGS.updates,
        overlap=flags.FLAGS.overlap,
        replay_rows=flags.FLAGS.replay_rows,
        matmul_precision=flags.FLAGS.matmul_precision,
        evaluate_every=flags.FLAGS.evaluate_every,
        episodes=flags.FLAGS.episodes or Experiment.episodes,
        evaluation_seed=flags.FLAGS.evaluation_seed,
    )


def _part(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """The share of the whole grid that `--part` asks for, labels as in the whole."""
    text = flags.FLAGS.part
    if not text:
        return runs
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and int(count)):
        raise ConfigError(f"--part={text}: not I/N; give such as 0/4")
    if int(count) > len(runs):
        raise ConfigError(
            f"--part={text}: the grid has {len(runs)} run(s); give no more parts"
        )
    if int(index) >= int(count):
        raise ConfigError(
            f"--part={text}: parts are counted from 0; give 0/{count} to "
            f"{int(count) - 1}/{count}"
        )
    return part(runs, int(index), int(count))


def _seeds() -> list[int]:
    seeds: list[int] = []
    for text in flags.FLAGS.seed.split(","):
        first, dots, last = text.partition("..")
        low, *high = _integers("seed", [first, last] if dots else [first], lowest=0)
        seeds += range(low, (high or [low])[0] + 1)
    if not seeds:
        raise ConfigError(f"--seed={flags.FLAGS.seed}: empty; give FIRST..LAST")
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seed={flags.FLAGS.seed}: a seed is given twice")
    return seeds


def _hyper() -> dict[str, list[float]]:
    """Field of `Hyper` -> values; both lambdas share an axis when `--lambda` is set."""
    axes = {f.name: _floats(f.name) for f in dataclasses.fields(Hyper)}
    if flags.FLAGS["lambda"].value is not None:
        for name in ("lambda_real", "lambda_sim"):
            if flags.FLAGS[name].value != flags.FLAGS[name].default:
                raise ConfigError(f"--lambda sets --{name} too; give one of them")
            del axes[name]
        axes["lambda_real,lambda_sim"] = _floats("lambda", hyperparameters.UNIT)
    return axes


def _floats(name: str, bounds: tuple[float, float] | None = None) -> list[float]:
    low, high = bounds or hyperparameters.RANGES.get(name, hyperparameters.POSITIVE)
    values = []
    for text in flags.FLAGS[name].value or []:
        try:
            value = float(text)
        except ValueError:
            raise ConfigError(f"--{name}={text}: not a number") from None
        if not (low <= value <= high and math.isfinite(value)):
            raise ConfigError(
                f"--{name}={text}: out of range; "
                f"{hyperparameters.HELP.get(name, 'give one in [0, 1].')}"
            )
        values.append(value)
    if not values:
        raise ConfigError(f"--{name}=: empty; give a number")
    return values


def integers(name: str) -> tuple[int, ...]:
    """A flag's comma-separated whole numbers, each at least 1."""
    return _integers(name, str(flags.FLAGS[name].value).split(","))


def pairing() -> robot_log.Pairing:
    """`--pairing`, as published where it is not given."""
    return flags.FLAGS.pairing or "official"


def columns() -> dict[str, str] | None:
    """`--columns` as D4RL's name -> names in the log."""
    if not flags.FLAGS.columns:
        return None
    pairs = [part.partition("=") for part in flags.FLAGS.columns.split(";")]
    if not all(equals and name and value for name, equals, value in pairs):
        raise ConfigError(f"--columns={flags.FLAGS.columns}: give NAME=COLUMNS;...")
    return {name.strip(): value.strip() for name, _, value in pairs}


def action_bounds() -> tuple[float, float] | None:
    """`--action_bounds` as numbers."""
    text = flags.FLAGS.action_bounds
    if not text:
        return None
    try:
        low, high = (float(x) for x in text.split(":"))
    except ValueError:
        raise ConfigError(f"--action_bounds={text}: give LOW:HIGH") from None
    return low, high


def _integers(name: str, texts: Sequence[str], lowest: int = 1) -> tuple[int, ...]:
    try:
        values = tuple(int(text) for text in texts)
    except ValueError:
        raise ConfigError(
            f"--{name}={flags.FLAGS[name].value}: not whole numbers; see --help"
        ) from None
    if min(values) < lowest:
        raise ConfigError(
            f"--{name}={flags.FLAGS[name].value}: must be {lowest} or more"
        )
    return values


def _rows(name: str) -> tuple[int, int] | None:
    if not flags.FLAGS[name].value:
        return None
    bounds = _integers(name, str(flags.FLAGS[name].value).split(":"), lowest=0)
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        raise ConfigError(
            f"--{name}={flags.FLAGS[name].value}: give FIRST:END, FIRST < END"
        )
    return bounds[0], bounds[1]
