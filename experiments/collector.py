"""Collecting a log as D4RL's authors did: SAC learns in the real system.

All that it saw on its way to a return is the `medium-replay` log; rollouts of the
policy it reached are the `medium` log.
"""

import dataclasses
import pathlib

import jax
import numpy as np

from experiments import build, health, loop, run_folder
from experiments.cli import console, interrupts
from experiments.experiment import Experiment
from experiments.phases import phases_of
from experiments.run_folder import saving
from experiments.training import State, Training, unpadded
from h2o_jax import numpy_policy, packing
from h2o_jax.errors import ConfigError, StoppedError
from h2o_jax.sim import rollout, worlds
from h2o_jax.types import Transition

_ROLLOUTS = 10
"""Environments that record a `medium` log side by side."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a log is collected."""

    experiment: Experiment
    """SAC in the real system."""
    kind: str
    target: float
    """Deterministic return at which SAC stops."""
    rows: int
    """Transitions of a `medium` log; about how many of a `medium-replay` log are kept,
    0 for all."""


def collect(
    recipe: Recipe, work: pathlib.Path, threads: int
) -> tuple[Transition, np.ndarray]:
    """Trains SAC until the target, then gives its replay or its rollouts.

    Args:
        recipe: what is collected.
        work: folder with the checkpoint of an interrupted collection, if any.
        threads: threads of the physics; 0 for one per core.

    Returns:
        Rows `[N, ...]`, and `[N]` where an episode was cut, not terminated.
    """
    training = build.training(recipe.experiment, threads=threads)
    state = training.state
    if run_folder.has_checkpoint(work):
        saving.restore(work, training)
    task = recipe.experiment.model.name
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
    with display, interrupts.Stop("the last whole epoch is saved") as stop:
        phases = phases_of(training, stop.check)
        try:
            for report in loop.train(training, phases):
                display.epoch(report.epoch)
                if lost := health.lost(recipe.experiment, report):
                    raise health.error(recipe.experiment, lost)
                if not report.scores:
                    continue
                saving.save(work, training)
                mean = report.scores.returns.mean()
                display.line(f"epoch {report.epoch:4d}  real return {mean:8.1f}")
                if mean >= recipe.target:
                    return
        except StoppedError as error:
            saving.save(work, training)
            how = "the same command goes on collecting"
            raise interrupts.saved(error, training.state.epoch, how) from None


def _replay(recipe: Recipe, state: State) -> tuple[Transition, np.ndarray]:
    """What SAC saw, in order: all, or whole episodes of it."""
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
    limits = time_limits(rows.discount_t, task.horizon)
    if recipe.rows:
        keep = spread(limits | (rows.discount_t == 0), recipe.rows)
        return jax.tree.map(lambda x: x[keep], rows), limits[keep]
    return rows, limits


def spread(ends: np.ndarray, rows: int) -> np.ndarray:
    """Rows of whole episodes, spread evenly over a record and as many as fit in `rows`.

    Args:
        ends: `[N]` whether a row is an episode's last.
        rows: most rows to keep, but for a single episode that is longer.

    Returns:
        `[n]` indices of the rows, in order.
    """
    last = np.flatnonzero(ends) + 1
    first = np.concatenate([[0], last[:-1]])
    kept = max(1, round(len(last) * rows / last[-1]))
    while True:
        chosen = np.unique(np.linspace(0, len(last) - 1, kept).round().astype(int))
        if kept == 1 or (last - first)[chosen].sum() <= rows:
            break
        kept -= 1
    return np.concatenate([np.arange(first[i], last[i]) for i in chosen])


def _rollouts(recipe: Recipe, state: State) -> tuple[Transition, np.ndarray]:
    """Stochastic rollouts of the policy that SAC reached, one robot's after another."""
    experiment, task = recipe.experiment, recipe.experiment.model
    seeds = [experiment.runs[0].seed + 1 + i for i in range(_ROLLOUTS)]
    gaps = [experiment.real] * _ROLLOUTS
    world = worlds.environments(task, gaps, seeds, experiment.inertia)
    one = unpadded(state.learner.average_actor, 1)
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
