"""The log of the real system where none is given: made once, and kept in a cache.

SAC learns in the unmodified simulator until it reaches a return, or a robot's own
operator drives it. The file's name is a digest of all that the log depends on.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from typing import Literal

import h2o_jax
from experiments import collector, places, robots
from experiments.collector import Recipe
from experiments.experiment import Experiment
from experiments.mending_settings import MendingSettings
from experiments.robots import Recorder
from experiments.run_folder import RunFolder
from experiments.runs import Run
from h2o_jax import settings
from h2o_jax.data import datasets, files
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FOLDER, PLACE, POSITIVE, at_least, setting
from h2o_jax.sim.robot.log import Pairing
from h2o_jax.types import Hyper

_BLOCK = 1000
"""Steps and updates per epoch of SAC, whatever the later run uses."""
_MEDIUM_ROWS = 200_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collecting:
    """Collecting a log."""

    collect_kind: Literal["medium-replay", "medium"] = setting(
        "medium-replay",
        "medium-replay: all that SAC saw on its way to --collect_return; medium: "
        "rollouts of the policy it reached.",
    )
    collect_return: float | None = setting(
        None,
        "Stop once SAC's deterministic return reaches this; default: as D4RL's recipe.",
    )
    collect_epochs: int = setting(
        500, "Stop after so many epochs of 1000 steps at the latest.", at_least(1)
    )
    collect_rows: int | None = setting(
        None,
        "Transitions of a medium log (200000) or of a robot's operator (16588). Of a "
        "medium-replay log: whole episodes, spread evenly over SAC's way, until there "
        "are so many; default: all.",
        at_least(1),
    )
    collect_seed: int = setting(0, "Seed of the collecting run.", at_least(0))
    collect_hidden: tuple[int, ...] = setting(
        (256, 256), "Widths of the collecting SAC.", at_least(1)
    )
    collect_batch: int = setting(
        256, "Rows per update of the collecting SAC.", at_least(1)
    )
    collect_lr: float = setting(
        3e-4, "Adam steps of the collecting SAC, of every network.", POSITIVE
    )
    cache_dir: str = setting(
        "",
        "Collected logs and residuals; empty: h2o_jax in the user's cache folder.",
        tags=[PLACE, FOLDER],
    )


def ensure(
    experiment: Experiment, pairing: Pairing | None, how: Collecting, threads: int = 0
) -> pathlib.Path:
    """Path of the log of an experiment's real system, collected if it is absent.

    Args:
        experiment: names the task and the real system.
        pairing: of a robot's log; None for the published one.
        how: the log is made.
        threads: threads of the physics; 0 for one per core.
    """
    path = place(experiment, pairing, how)
    with places.writing("cache_dir", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    recorder = robots.of(experiment.model).recorder
    if path.is_file():
        return path
    if recorder is not None:
        _record(path, experiment, recorder, pairing, how)
    else:
        _learn(path, _recipe(experiment, how), threads)
    return path


def place(
    experiment: Experiment, pairing: Pairing | None, how: Collecting
) -> pathlib.Path:
    """Where the log of an experiment's real system is kept, once collected."""
    if not experiment.knows_real:
        raise ConfigError(
            "--dataset: empty, and --real=unknown leaves no system to record a log "
            "from; name the log"
        )
    recorder = robots.of(experiment.model).recorder
    if recorder is not None:
        session = (*_session(recorder, pairing, how), experiment.real)
        kind, key = recorder.kind, _digest(session)
    else:
        recipe = _recipe(experiment, how)
        kind, key = recipe.kind, _key(recipe)
    return cache_folder(how) / f"{experiment.real_system.task.name}-{kind}-{key}.hdf5"


def cache_folder(how: Collecting) -> pathlib.Path:
    """Where logs and residuals are kept that are made once."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(how.cache_dir or f"{cache}/h2o_jax").expanduser()


def _session(
    recorder: Recorder, pairing: Pairing | None, how: Collecting
) -> tuple[int, int, Pairing]:
    """Rows, seed and pairing of a robot's operator."""
    return how.collect_rows or recorder.rows, how.collect_seed, pairing or "official"


def _record(
    path: pathlib.Path,
    experiment: Experiment,
    recorder: Recorder,
    pairing: Pairing | None,
    how: Collecting,
) -> None:
    """Writes the log of a robot's own operator."""
    task = experiment.model
    rows, seed, paired = _session(recorder, pairing, how)
    data = recorder.record(task, rows, seed, paired, experiment.real)
    limits = collector.time_limits(data.transition.discount_t, task.horizon)
    origin = "; ".join([data.source, *data.notes])
    attributes = {"origin": origin, "pairing": paired}
    datasets.write_d4rl(path, data.transition, limits, attributes)
    files.write_hash(path)


def _learn(path: pathlib.Path, recipe: Recipe, threads: int) -> None:
    """Writes the log of a learning SAC, which saves itself beside it on the way."""
    work = path.with_suffix(".work")
    busy = (
        "--cache_dir={}: another process collects this log; wait, then run this again"
    )
    folder = RunFolder(work, busy)  # holds the lock
    try:
        rows, limits = collector.collect(recipe, work, threads)
        datasets.write_d4rl(path, rows, limits, _attributes(recipe))
        files.write_hash(path)
    finally:
        folder.close()
    shutil.rmtree(work)


def _key(recipe: Recipe) -> str:
    """Names a log by its recipe.

    Simulators are corrected for those who learn from a log, not for its collector.
    """
    apart = {field.name for field, _ in settings.of(MendingSettings)}
    chosen = {k: v for k, v in vars(recipe.experiment).items() if k not in apart}
    chosen["task"] = recipe.experiment.model.name
    return _digest((chosen, recipe.kind, recipe.target, recipe.rows))


def _digest(content: object) -> str:
    """Digest of all that a log depends on, our version included."""
    text = repr((content, h2o_jax.__version__))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _recipe(experiment: Experiment, how: Collecting) -> Recipe:
    task, real, place = experiment.real_system
    target = how.collect_return
    if target is None:
        target = task.medium_return
    if target is None:
        raise ConfigError(f"--collect_return: give one, {task.name} has none")
    collector = Experiment(
        task=place,
        algorithm="sac",
        runs=(Run(how.collect_seed, real, _rates(how)),),
        real=real,
        inertia=experiment.inertia,
        hidden=how.collect_hidden,
        learn_rows=(0, how.collect_batch),
        epochs=how.collect_epochs,
        steps=_BLOCK,
        updates=_BLOCK,
        evaluate_every=5,
        episodes=5,
    )
    kind, rows = how.collect_kind, how.collect_rows
    if kind == "medium":
        rows = rows or _MEDIUM_ROWS
    return Recipe(collector, kind, target, rows or 0)


def _rates(how: Collecting) -> tuple[tuple[str, float], ...]:
    """Hyperparameters of the collecting SAC that are not at their defaults."""
    if how.collect_lr == Hyper().critic_lr:
        return ()
    return tuple((f"{x}_lr", how.collect_lr) for x in ("policy", "critic", "log_alpha"))


def _attributes(recipe: Recipe) -> dict[str, str]:
    return {
        "origin": "collected with h2o_jax.experiments.collect; not a D4RL download",
        "recipe": json.dumps(dataclasses.asdict(recipe), default=str),
    }
