"""What each run learns in: the simulator as it is, or mended with the log.

The only place that turns `--simulator` into simulators; all that follows takes them as
they come.
"""

import importlib
import pathlib
from types import ModuleType

from experiments import residuals
from experiments.build import Simulator
from experiments.experiment import Experiment
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim.gaps import Gaps


def prepare(
    experiment: Experiment, dataset: Dataset | None, cache: pathlib.Path, threads: int
) -> tuple[Simulator, ...]:
    """The simulator of each run; runs with one gap share what is learned for it.

    Args:
        experiment: its route, task, runs and settings.
        dataset: log of the real system; None only where simulators stay as they are.
        cache: folder in which residuals are kept.
        threads: threads of the physics; 0 for one per core.

    Raises:
        ConfigError: the route is not available, or not for this task.
        DatasetError: the log is too small for it.
        CheckpointError: a residual in the cache is damaged.
    """
    if experiment.simulator == "as_is":
        return tuple(Simulator(run.gap) for run in experiment.runs)
    assert dataset is not None  # `data.needed` says so
    distinct = dict.fromkeys(run.gap for run in experiment.runs)
    mended = {gap: _mend(experiment, gap, dataset, cache, threads) for gap in distinct}
    return tuple(mended[run.gap] for run in experiment.runs)


def _mend(
    experiment: Experiment,
    gap: Gaps,
    dataset: Dataset,
    cache: pathlib.Path,
    threads: int,
) -> Simulator:
    """One simulator by the experiment's route, which is said in a line."""
    route = experiment.simulator
    if route == "auto":
        _module("audit", route)
        raise _unfinished(route)
    if route in ("identified", "both"):
        _module("identify", route)
        raise _unfinished(route)
    return _corrected(experiment, gap, dataset, cache, threads)


def _corrected(
    experiment: Experiment,
    gap: Gaps,
    dataset: Dataset,
    cache: pathlib.Path,
    threads: int,
) -> Simulator:
    """The simulator with what it misses."""
    learned, line = residuals.obtain(
        cache,
        experiment.model,
        gap,
        dataset,
        experiment,
        experiment.inertia,
        threads,
    )
    print(f"residual  {gaps_lib.to_text(gap)}: {line}", flush=True)
    return Simulator(gap, learned if learned.useful else None)


def _module(name: str, route: str) -> ModuleType:
    """The part of `h2o_jax.sim` that a route needs.

    Raises:
        ConfigError: this version does not have it.
    """
    try:
        return importlib.import_module(f"h2o_jax.sim.{name}")
    except ModuleNotFoundError:
        raise _unfinished(route) from None


def _unfinished(route: str) -> ConfigError:
    return ConfigError(
        f"--simulator={route}: not in this version; choose as_is or residual"
    )
