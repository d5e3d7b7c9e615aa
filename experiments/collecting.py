"""Making a log of the real system where none is given.

SAC learns in the unmodified simulator until it reaches a return, or a robot's own
operator drives it; the log is kept in a cache under a name that all it depends on
decides.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from typing import Literal

import jax
import numpy as np

import h2o_jax
from experiments import build, loop, robots, run_folder, saving, simulate
from experiments.build import State, Training
from experiments.cli import console, interrupts
from experiments.experiment import Correcting, Experiment, Run
from experiments.robots import Recorder
from experiments.run_folder import RunFolder
from h2o_jax import numpy_policy, packing
from h2o_jax.data import datasets
from h2o_jax.errors import ConfigError
from h2o_jax.settings import PLACE, at_least, setting
from h2o_jax.sim import rollout, worlds
from h2o_jax.sim.robot.log import Pairing
from h2o_jax.types import Transition

_BLOCK = 1000
"""Steps and updates per epoch of SAC, whatever the later run uses."""
_MEDIUM_ROWS = 200_000
_ROLLOUTS = 10
"""Environments that record a `medium` log side by side."""


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
        "Transitions of a medium log (200000) or of a robot's operator (16588).",
        at_least(1),
    )
    collect_seed: int = setting(0, "Seed of the collecting run.", at_least(0))
    collect_hidden: tuple[int, ...] = setting(
        (256, 256), "Widths of the collecting SAC.", at_least(1)
    )
    collect_batch: int = setting(
        256, "Rows per update of the collecting SAC.", at_least(1)
    )
    cache_dir: str = setting(
        "",
        "Collected logs and residuals; empty: h2o_jax in the user's cache folder.",
        tags=[PLACE],
    )


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a log is collected."""

    experiment: Experiment
    """SAC in the real system."""
    kind: str
    target: float
    """Deterministic return at which SAC stops."""
    rows: int
    """Transitions of a `medium` log."""

    @property
    def key(self) -> str:
        """Digest of all that the log depends on, our version included."""
        # Simulators are mended for whoever learns from the log, not for its collector.
        mending = {field.name for field in dataclasses.fields(Correcting)}
        names = [field.name for field in dataclasses.fields(self.experiment)]
        settings, *rest = dataclasses.astuple(self)
        own = [x for name, x in zip(names, settings, strict=True)
               if name not in mending]  # fmt: skip
        return _digest((tuple(own), *rest))


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
    with run_folder.writing("cache_dir", path.parent):
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
    recorder = robots.of(experiment.model).recorder
    if recorder is not None:
        settings = (*_session(recorder, pairing, how), experiment.real)
        kind, key = recorder.kind, _digest(settings)
    else:
        recipe = _recipe(experiment, how)
        kind, key = recipe.kind, recipe.key
    return cache_folder(how) / f"{experiment.task}-{kind}-{key}.hdf5"


def cache_folder(how: Collecting) -> pathlib.Path:
    """Where what is made once is kept."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
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
    limits = time_limits(data.transition.discount_t, task.horizon)
    origin = "; ".join([data.source, *data.notes])
    attributes = {"origin": origin, "pairing": paired}
    datasets.write_d4rl(path, data.transition, limits, attributes)


def _learn(path: pathlib.Path, recipe: Recipe, threads: int) -> None:
    """Writes the log of a learning SAC, which saves itself beside it on the way."""
    work = path.with_suffix(".work")
    folder = RunFolder(work)  # holds the lock
    try:
        rows, limits = _collect(recipe, work, threads)
        datasets.write_d4rl(path, rows, limits, _attributes(recipe))
    finally:
        folder.close()
    shutil.rmtree(work)


def _digest(settings: object) -> str:
    """Digest of all that a log depends on, our version included."""
    text = repr((settings, h2o_jax.__version__))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def time_limits(discount_t: np.ndarray, horizon: int) -> np.ndarray:
    """Where one environment's record `[T]` was cut: at the time limit or its end."""
    limits = np.zeros(len(discount_t), bool)
    age = 0
    for i, goes_on in enumerate(discount_t > 0):
        age += 1
        limits[i] = goes_on and (age == horizon or i == len(limits) - 1)
        if age == horizon or not goes_on:
            age = 0
    return limits


def _recipe(experiment: Experiment, how: Collecting) -> Recipe:
    target = how.collect_return
    if target is None:
        target = experiment.model.medium_return
    if target is None:
        raise ConfigError(f"--collect_return: give one, {experiment.task} has none")
    collector = Experiment(
        task=experiment.task,
        algorithm="sac",
        runs=(Run(how.collect_seed, experiment.real),),
        real=experiment.real,
        inertia=experiment.inertia,
        hidden=how.collect_hidden,
        learn_rows=(0, how.collect_batch),
        epochs=how.collect_epochs,
        steps=_BLOCK,
        updates=_BLOCK,
        evaluate_every=5,
        episodes=5,
    )
    kind, rows = how.collect_kind, how.collect_rows or _MEDIUM_ROWS
    return Recipe(collector, kind, target, rows if kind == "medium" else 0)


def _collect(
    recipe: Recipe, work: pathlib.Path, threads: int
) -> tuple[Transition, np.ndarray]:
    """Trains SAC until the target, then gives its replay or its rollouts.

    Returns:
        Rows `[N, ...]`, and `[N]` where an episode was cut, not terminated.
    """
    training = build.training(recipe.experiment, threads=threads)
    state = training.state
    if (work / run_folder.CHECKPOINT).is_dir():
        saving.restore(work, training)
    task = recipe.experiment.task
    print(f"collecting {recipe.kind} of {task}: SAC to {recipe.target:.0f}")
    # A restored state may have reached the target already.
    if state.best_return[0] < recipe.target:
        _train(recipe, training, work)
    if state.best_return[0] < recipe.target:
        print("stopped short of the target by --collect_epochs")
    if recipe.kind == "medium":
        return _rollouts(recipe, state)
    return _replay(recipe, state)


def _train(recipe: Recipe, training: Training, work: pathlib.Path) -> None:
    """Trains until an evaluation reaches the target; saves itself in `work`."""
    display = console.Display("collect", recipe.experiment.epochs)
    with display, interrupts.Stop("the epoch ends and is saved") as stop:
        for report in loop.train(training):
            display.epoch(report.epoch)
            stopping = stop.received
            if report.scores or stopping:
                saving.save(work, training)
            if stopping:
                how = "the same command goes on collecting"
                raise interrupts.stopped(stopping, report.epoch, how)
            if report.scores:
                mean = report.scores.returns.mean()
                display.line(f"epoch {report.epoch:4d}  real return {mean:8.1f}")
                if mean >= recipe.target:
                    return


def _replay(recipe: Recipe, state: State) -> tuple[Transition, np.ndarray]:
    """All that SAC saw, in order."""
    assert state.replay is not None
    task = recipe.experiment.model
    if state.epoch == 0:
        raise ConfigError(
            f"--collect_return={recipe.target:g}: the untrained policy reaches that, "
            "and nothing was collected; give more"
        )
    written = state.replay.rows[0][: int(state.replay.added[0])]
    rows = packing.unpack(written, task.obs_dim, task.action_dim)
    rows = jax.tree.map(np.asarray, rows)
    return rows, time_limits(rows.discount_t, task.horizon)


def _rollouts(recipe: Recipe, state: State) -> tuple[Transition, np.ndarray]:
    """Stochastic rollouts of the policy that SAC reached, one robot's after another."""
    experiment, task = recipe.experiment, recipe.experiment.model
    seeds = [experiment.runs[0].seed + 1 + i for i in range(_ROLLOUTS)]
    gaps = [experiment.real] * _ROLLOUTS
    world = worlds.make(task, gaps, seeds, experiment.inertia)
    one = simulate.actors(state, 1)
    many = jax.tree.map(lambda x: np.repeat(x, _ROLLOUTS, axis=0), one)
    act = numpy_policy.make(many)
    rng = np.random.default_rng(seeds[0])
    shape = (_ROLLOUTS, task.action_dim)
    rows = rollout.collect(
        world,
        lambda obs, t: act(obs, rng.standard_normal(shape, np.float32)),
        -(-recipe.rows // _ROLLOUTS),
    ).transitions
    limits = [time_limits(d, task.horizon) for d in rows.discount_t]
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
    return flat, np.concatenate(limits)


def _attributes(recipe: Recipe) -> dict[str, str]:
    return {
        "origin": "collected with h2o_jax.experiments.collect; not a D4RL download",
        "recipe": json.dumps(dataclasses.asdict(recipe), default=str),
    }
