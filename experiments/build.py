"""From an experiment to its parts: method, simulators, program, first state."""

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.experiment import Experiment, Run
from h2o_jax import replay
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError
from h2o_jax.program import Program, make_program
from h2o_jax.sim import gaps, models
from h2o_jax.sim.world import World, queue_length
from h2o_jax.types import (
    Actor,
    Algorithm,
    Hyper,
    LearnerState,
    Scales,
    unit_scales,
)

_PUBLISHED_BATCH = 128
"""Rows of each of two domains that the methods' defaults are made for."""


class Worlds(NamedTuple):
    """The environments of all runs."""

    sim: World | None
    """One per run; None for a method that learns from data alone."""
    real: World
    """`episodes` per run."""


class Block(NamedTuple):
    """One epoch of every run's simulator."""

    rows: np.ndarray
    """`[R, n, D]` packed transitions."""
    returns: np.ndarray
    """`[R]` mean return of the episodes that ended, nan where none did."""


@dataclasses.dataclass
class State:
    """All that training changes. Arrays are `[R', ...]`, the padded runs."""

    epoch: int
    learner: LearnerState
    memory: replay.Replay | None
    best: Actor
    """Each run's actor at its best evaluation."""
    best_return: np.ndarray
    """`[R]` that evaluation's mean return."""
    ahead: Block | None = None
    """With `--overlap`, the rows of the epoch to come; of no meaning at epoch 0."""


def algorithm(experiment: Experiment) -> Algorithm:
    """The experiment's method for its task.

    Raises:
        ConfigError: a setting was given that the method does not have.
    """
    build = ALGORITHMS[experiment.algorithm]
    parameters = inspect.signature(build).parameters
    # A preset names the rows of discriminators for methods that have none, too.
    given: dict[str, Any] = {
        name: _rows(experiment, name, parameters[name].default)
        for name in ("learn_rows", "discriminate_rows")
        if name in parameters
    }
    if experiment.backbone is not None:
        if "backbone" not in parameters:
            raise ConfigError(f"--backbone: {experiment.algorithm} has none; drop it")
        given["backbone"] = experiment.backbone
    for name in ("critics", "critic_layer_norm"):
        if getattr(experiment, name) is not None:
            given[name] = getattr(experiment, name)
    method = build(
        experiment.model.obs_dim,
        experiment.model.action_dim,
        hidden=experiment.hidden,
        discriminator_hidden=experiment.discriminator_hidden,
        **given,
    )
    if experiment.overlap and "sim" not in method.domains:
        raise ConfigError(f"--overlap: {experiment.algorithm} steps no simulator")
    return method


def _rows(experiment: Experiment, name: str, published: slice) -> slice:
    """Rows of a method's batch: as asked for, or the published ones scaled."""
    bounds = getattr(experiment, name)
    if bounds is not None:
        return slice(*bounds)
    return slice(0, published.stop * experiment.batch // _PUBLISHED_BATCH)


def worlds(
    experiment: Experiment,
    method: Algorithm,
    threads: int,
    grid: Sequence[Run] | None = None,
) -> Worlds:
    """Compiles every model and checks that each gap does something.

    Args:
        experiment: what to do, with the runs to simulate here.
        method: its method.
        threads: threads of the physics; 0 for one per core.
        grid: all runs, where others simulate the rest; by default the experiment's.
    """
    task, inertia = experiment.model, experiment.inertia
    for settings in {run.gap for run in experiment.runs} | {experiment.real}:
        models.check_effect(task, settings, inertia)
    sim = None
    if "sim" in method.domains:
        compiled = {
            run.gap: models.compile_model(task, run.gap, inertia)
            for run in experiment.runs
        }
        sim = World(
            task,
            [compiled[run.gap] for run in experiment.runs],
            [gaps.interface(run.gap, task.interface) for run in experiment.runs],
            [run.seed for run in experiment.runs],
            threads,
            queue_length(
                [gaps.interface(x.gap, task.interface) for x in grid or experiment.runs]
            ),
        )
    n = len(experiment.runs) * experiment.episodes
    real = World(
        task,
        [models.compile_model(task, experiment.real, inertia)] * n,
        [gaps.interface(experiment.real, task.interface)] * n,
        [0] * n,
        threads,
    )
    return Worlds(sim, real)


def program(experiment: Experiment, method: Algorithm) -> Program:
    """The program for all runs, on as many devices as it can fill."""
    task, runs = experiment.model, len(experiment.runs)
    devices = jax.local_devices()[:runs]
    return make_program(
        method, task.obs_dim, task.action_dim, runs, experiment.updates, devices
    )


def state(
    experiment: Experiment,
    method: Algorithm,
    compiled: Program,
    dataset: Dataset | None,
) -> State:
    """The state before the first epoch."""
    learner = compiled.init(
        experiment.keys(compiled.runs)[0],
        scaled_hyper(experiment, dataset, compiled.runs),
        data_scales(experiment, dataset),
    )
    runs, memory, ahead = len(experiment.runs), None, None
    if "sim" in method.domains:
        memory = compiled.init_replay(replay_rows(experiment, dataset))
        if experiment.overlap:
            shape = (runs, experiment.steps, memory.rows.shape[-1])
            ahead = Block(np.zeros(shape, np.float32), np.zeros(runs))
    best = jax.tree.map(lambda x: np.asarray(x)[:runs], learner.actor)
    return State(0, learner, memory, best, np.full(runs, -np.inf), ahead)


def replay_rows(experiment: Experiment, dataset: Dataset | None) -> int:
    """Rows of each run's replay: as asked, or all that the simulator gives.

    Without `--replay_rows` at most ten times the log's, as published.

    Raises:
        ConfigError: the rows of one epoch do not fit what was asked for.
    """
    asked, rows = experiment.replay_rows, experiment.epochs * experiment.steps
    if asked is not None and asked < experiment.steps:
        raise ConfigError(
            f"--replay_rows={asked}: an epoch adds --steps={experiment.steps} rows at "
            "once; give at least as many"
        )
    if asked is not None:
        rows = min(rows, asked)
    elif dataset is not None:
        rows = min(rows, 10 * len(dataset.transition.r_t))
    return max(rows, experiment.steps)


def scaled_hyper(experiment: Experiment, dataset: Dataset | None, padded: int) -> Hyper:
    """Hyperparameters of all runs, with `--return_range` in their reward scale.

    Raises:
        ConfigError: there is no log, or no two episodes with different returns.
    """
    hyper = experiment.hyper(padded)
    if experiment.return_range is None:
        return hyper
    if dataset is None:
        raise ConfigError(
            f"--return_range={experiment.return_range:g}: {experiment.algorithm} reads "
            "no log; drop the flag"
        )
    returns = dataset.episode_returns
    apart = float(np.ptp(returns)) if len(returns) else 0.0
    if not apart:
        raise ConfigError(
            f"--return_range={experiment.return_range:g}: the log has no two whole "
            "episodes of different return; give --reward_scale instead"
        )
    scale = experiment.return_range / apart
    return hyper.replace(reward_scale=hyper.reward_scale * scale)


def data_scales(experiment: Experiment, dataset: Dataset | None) -> Scales:
    """Per-dimension constants, from the data where an option asks for them."""
    task = experiment.model
    scales = unit_scales(task.obs_dim, task.action_dim)
    if dataset is None:
        return scales
    rows = dataset.transition
    # A constant dimension keeps its raw scale.
    obs_std, action_std = (
        np.where(std > 1e-6, std, 1.0)
        for std in (rows.s_tm1.std(axis=0), rows.a_tm1.std(axis=0))
    )
    # H2O imagines next states as far apart as the log's, in the units that it sees.
    scales = scales._replace(
        next_obs_std=scales.obs_std if experiment.normalise else obs_std + 1e-3
    )
    if experiment.normalise:
        scales = scales._replace(obs_mean=rows.s_tm1.mean(axis=0), obs_std=obs_std)
    if experiment.relative_noise:
        # The noise is added after normalisation, which already divides by the std.
        noise_obs = scales.noise_obs if experiment.normalise else obs_std
        scales = scales._replace(noise_obs=noise_obs, noise_action=action_std)
    return scales
