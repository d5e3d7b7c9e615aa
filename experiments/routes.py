"""What each run learns in: the simulator as it is, or mended with the log.

The only place that turns `--simulator` into simulators; all that follows takes them as
they come.
"""

import hashlib
import pathlib
import time

import h2o_jax
from experiments import identify as command
from experiments import residuals, run_folder
from experiments.experiment import Experiment
from experiments.training import Simulator
from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import audit, identify, simulator_file
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim.audit.rules import Verdict
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.identify import Fitting

_HORIZONS, _ROWS, _WINDOWS = (5, 10), 20_000, 500
"""Of an audit on the way to a training: a sample tells the kind of a gap."""


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
    route, given = experiment.simulator, (dataset, cache, threads)
    if route == "auto":
        return _advised(experiment, gap, *given)
    if route in ("identified", "both"):
        gap = _identified(experiment, gap, *given)
    if route in ("residual", "both"):
        return _corrected(experiment, gap, *given)
    return Simulator(gap)


def _advised(
    experiment: Experiment,
    gap: Gaps,
    dataset: Dataset,
    cache: pathlib.Path,
    threads: int,
) -> Simulator:
    """The simulator that the audit leads to: identified first, then corrected.

    Where weights or the log alone are advised, the simulator stays as it is: those are
    settings of the method.
    """
    given = (dataset, cache, threads)
    verdict = _audited(experiment, gap, dataset, threads)
    if verdict.route == "identify":
        gap = _identified(experiment, gap, *given)
        verdict = _audited(experiment, gap, dataset, threads)
    if verdict.route in ("identify", "residual"):
        return _corrected(experiment, gap, *given)
    print(f"simulator {gaps_lib.to_text(gap)}: nothing is learned for it", flush=True)
    return Simulator(gap)


def _audited(
    experiment: Experiment, gap: Gaps, dataset: Dataset, threads: int
) -> Verdict:
    """What the audit says of one simulator."""
    audited = audit.audit(
        experiment.model,
        [gap],
        dataset.transition,
        horizons=_HORIZONS,
        rows=_ROWS,
        windows=_WINDOWS,
        time_limits=dataset.time_limits,
        inertia=experiment.inertia,
        threads=threads,
    )
    verdict = audited.best.verdict
    print(
        f"audit     {gaps_lib.to_text(gap)}: {verdict.route}, {verdict.why}", flush=True
    )
    return verdict


def _identified(
    experiment: Experiment,
    gap: Gaps,
    dataset: Dataset,
    cache: pathlib.Path,
    threads: int,
) -> Gaps:
    """The simulator with fields fitted to the log; itself, where that does not help.

    The simulator file lies in the cache, under a name that all it depends on decides.
    """
    task, inertia, how = experiment.model, experiment.inertia, Fitting()
    text = gaps_lib.to_text(gap)
    content = repr((task.name, text, inertia, dataset.sha256, how, h2o_jax.__version__))
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    path = cache / f"{task.name}-identified-{digest}.toml"
    if not path.is_file():
        began = time.perf_counter()
        fitted = identify.identify(task, gap, dataset.transition, how, inertia, threads)
        seconds = time.perf_counter() - began
        before, after = fitted.judged
        if any(after[steps] >= before[steps] for steps in before):
            print(f"identify  {text}: no better on held-out episodes, not used")
            return gap
        with run_folder.writing("cache_dir", cache):
            file = command.content(fitted, gap, dataset, seconds)
            simulator_file.write(str(path), file)
    (mended,) = gaps_lib.parse_list(f"@{path}", task.robot)
    print(f"identify  {text}: {gaps_lib.to_text(mended)}, see {path}", flush=True)
    return mended


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
