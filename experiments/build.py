"""From an experiment to its parts: method, simulators, program, first state."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from experiments import environments, scaling
from experiments.experiment import Experiment
from experiments.training import (
    Collected,
    Simulator,
    State,
    Training,
    Worlds,
    reported,
    unpadded,
)
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError
from h2o_jax.program import Program, make_program
from h2o_jax.sim import fields, gaps
from h2o_jax.sim import worlds as sim_worlds
from h2o_jax.sim.environments import Environments
from h2o_jax.sim.residual import Residual
from h2o_jax.types import Algorithm

_PUBLISHED_BATCH = 128
"""Rows of each of two domains that the methods' defaults are made for."""


def training(
    experiment: Experiment,
    dataset: Dataset | None = None,
    threads: int = 0,
    grid: Sequence[Simulator] = (),
    simulators: Sequence[Simulator] | None = None,
) -> Training:
    """Everything that an experiment needs, ready for its first epoch.

    Args:
        experiment: what to do, with the runs that are trained here.
        dataset: log of the real system, for methods that read one.
        threads: threads of the physics; 0 for one per core.
        grid: what all runs learn in, where others train the rest.
        simulators: what each run learns in, from `routes.prepare`; by default the
            simulators as they are.

    Raises:
        ConfigError: a setting that the method or the task does not have, or a gap
            that changes nothing.
    """
    method = algorithm(experiment)
    compiled = program(experiment, method)
    built = worlds(experiment, method, threads, grid, simulators)
    first = state(experiment, method, compiled, dataset)
    if built.sim is not None:
        first.sim = built.sim.state()
    return Training(experiment, compiled, built, dataset, first)


def algorithm(experiment: Experiment) -> Algorithm:
    """The experiment's method for its task.

    Raises:
        ConfigError: a setting was given that the method does not have.
    """
    build = ALGORITHMS[experiment.algorithm]
    parameters = inspect.signature(build).parameters
    _check_builder(experiment.algorithm, parameters)
    # A preset names the rows of discriminators for methods that have none, too.
    given: dict[str, Any] = {
        name: _rows(experiment, name, parameters[name].default)
        for name in ("learn_rows", "discriminate_rows")
        if name in parameters
    }
    for name in ("backbone", "weighting", "anchor"):
        if getattr(experiment, name) is not None:
            if name not in parameters:
                raise ConfigError(f"--{name}: {experiment.algorithm} has none; drop it")
            given[name] = getattr(experiment, name)
    for name in ("critics", "critic_layer_norm"):
        if getattr(experiment, name) is not None:
            given[name] = getattr(experiment, name)
    method = build(
        experiment.model.obs_dim,
        experiment.model.action_dim,
        hidden=experiment.hidden,
        discriminator_hidden=experiment.discriminator_hidden,
        policy_log_std=experiment.policy_log_std,
        **given,
    )
    for name in ("overlap", "randomise"):
        if getattr(experiment, name) and "sim" not in method.domains:
            raise ConfigError(f"--{name}: {experiment.algorithm} steps no simulator")
    for name in experiment.fields:
        fields.find(name)  # refused now, not once a log is collected
    # Of a method that steps none, a fitted one can still choose the policies.
    if experiment.corrects and "sim" not in method.domains:
        raise ConfigError(
            f"--simulator={experiment.simulator}: {experiment.algorithm} steps no "
            "simulator; drop the flag, or give identified, for one that chooses its "
            "policies"
        )
    return method


def _check_builder(name: str, parameters: Mapping[str, inspect.Parameter]) -> None:
    """Refuses a builder that cannot take what flags say of every method.

    Raises:
        ConfigError: it has no `learn_rows`, or takes no settings of networks.
    """
    any_other = any(x.kind is x.VAR_KEYWORD for x in parameters.values())
    lacking = [] if "learn_rows" in parameters else ["learn_rows=slice(0, 256)"]
    lacking += [] if any_other else ["**network_settings"]
    if lacking:
        raise ConfigError(
            f"--algorithm={name}: its builder lacks {' and '.join(lacking)}; give it "
            "the arguments of those in h2o_jax/algorithms"
        )


def _rows(experiment: Experiment, name: str, published: slice) -> slice:
    """Rows of a method's batch: as set, or the published ones scaled."""
    bounds = getattr(experiment, name)
    if bounds is not None:
        return slice(*bounds)
    return slice(0, published.stop * experiment.batch // _PUBLISHED_BATCH)


def worlds(
    experiment: Experiment,
    method: Algorithm,
    threads: int,
    grid: Sequence[Simulator] = (),
    simulators: Sequence[Simulator] | None = None,
) -> Worlds:
    """Compiles every model and checks that each gap does something.

    Args:
        experiment: what to do, with the runs to simulate here.
        method: its method.
        threads: threads of the physics; 0 for one per core.
        grid: what all runs learn in, where others simulate the rest.
        simulators: of each run; by default as they are.

    Raises:
        ConfigError: the experiment asks for mended simulators, and none are given; or
            to draw fields where there are no intervals.
    """
    if simulators is None:
        if experiment.simulator != "as_is":
            raise ConfigError(
                f"--simulator={experiment.simulator}: give what routes.prepare makes"
            )
        simulators = [Simulator(run.gap) for run in experiment.runs]
    if not experiment.fits:  # a fit gives intervals
        _check_drawable(experiment)
    task, inertia = experiment.model, experiment.inertia
    for settings in {run.gap for run in experiment.runs}:
        sim_worlds.check_effect(task, settings, inertia)
    sim = None
    if "sim" in method.domains:
        sim = sim_worlds.environments(
            task,
            [simulator.gap for simulator in simulators],
            [run.seed for run in experiment.runs],
            inertia,
            threads,
            [simulator.gap for simulator in grid],
            _penalised(experiment, simulators) if experiment.corrects else (),
            experiment.randomise,
        )
    right = np.array([simulator.right for simulator in simulators])
    if not experiment.knows_real:
        return Worlds(sim, _own(experiment, simulators, threads), None, right)
    # All hosts score alike, so that their reports fit together.
    twice = any(simulator.right for simulator in grid or simulators)
    own = _own(experiment, simulators, threads) if twice else None
    return Worlds(sim, _real(experiment, threads), own, right)


def _real(experiment: Experiment, threads: int) -> Environments:
    """`episodes` environments of each run, all of the real system."""
    task, gaps, _ = experiment.real_system
    sim_worlds.check_effect(task, gaps, experiment.inertia)
    n = len(experiment.runs) * experiment.episodes
    return environments.real(experiment, n, threads)


def _own(
    experiment: Experiment, simulators: Sequence[Simulator], threads: int
) -> Environments:
    """`episodes` environments of each run, of its own simulator."""
    own = [x for x in simulators for _ in range(experiment.episodes)]
    return environments.simulated(experiment, own, threads)


def _penalised(
    experiment: Experiment, simulators: Sequence[Simulator]
) -> list[Residual | None]:
    """What corrects each run's simulator, at a cost where it is unsure.

    Only learning pays it: evaluations report the task's own return.
    """
    cost = experiment.pessimism
    return [
        x.residual and dataclasses.replace(x.residual, pessimism=cost)
        for x in simulators
    ]


def _check_drawable(experiment: Experiment) -> None:
    for run in experiment.runs:
        if experiment.randomise and not gaps.drawable(run.gap):
            raise ConfigError(
                f"--randomise: {gaps.to_text(run.gap)} has no intervals to draw from; "
                "give --gap=@FILE with low and high"
            )


def program(experiment: Experiment, method: Algorithm) -> Program:
    """The program for all runs, on as many devices as it can fill."""
    return make_program(
        method,
        experiment.model.obs_dim,
        experiment.model.action_dim,
        len(experiment.runs),
        experiment.updates,
        devices(experiment),
    )


def devices(experiment: Experiment) -> Sequence[jax.Device]:
    """Devices of this process that the runs are spread over."""
    return jax.local_devices()[: len(experiment.runs)]


def state(
    experiment: Experiment,
    method: Algorithm,
    compiled: Program,
    dataset: Dataset | None,
) -> State:
    """The state before the first epoch."""
    learner = compiled.init(
        experiment.keys(compiled.runs)[0],
        scaling.hyper(experiment, dataset, compiled.runs),
        scaling.scales(experiment, dataset),
    )
    runs, replay, ahead = len(experiment.runs), None, None
    if "sim" in method.domains:
        replay = compiled.init_replay(replay_rows(experiment, dataset))
        if experiment.overlap:
            shape = (runs, experiment.steps, replay.rows.shape[-1])
            names = reported(experiment.corrects)
            ahead = Collected(
                np.zeros(shape, np.float32), {name: np.zeros(runs) for name in names}
            )
    best = unpadded(learner.average_actor, runs)
    return State(0, learner, replay, best, np.full(runs, -np.inf), ahead=ahead)


def replay_rows(experiment: Experiment, dataset: Dataset | None) -> int:
    """Rows of each run's replay: all that the simulator gives, up to a limit.

    The limit is `--replay_rows`, or ten times the log's rows, as published.

    Raises:
        ConfigError: the rows of one epoch do not fit `--replay_rows`.
    """
    limit, rows = experiment.replay_rows, experiment.epochs * experiment.steps
    if limit is not None and limit < experiment.steps:
        raise ConfigError(
            f"--replay_rows={limit}: an epoch adds --steps={experiment.steps} rows at "
            "once; give at least as many"
        )
    if limit is not None:
        rows = min(rows, limit)
    elif dataset is not None:
        rows = min(rows, 10 * len(dataset.transition.r_t))
    return max(rows, experiment.steps)
