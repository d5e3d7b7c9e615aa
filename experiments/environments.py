"""Environments of an experiment: copies of its simulators and of the real system."""

from collections.abc import Sequence

from experiments.experiment import Experiment
from experiments.training import Simulator
from h2o_jax.sim import worlds
from h2o_jax.sim.environments import Environments


def simulated(
    experiment: Experiment,
    simulators: Sequence[Simulator],
    threads: int,
    seeds: Sequence[int] = (),
    randomise: bool = False,
) -> Environments:
    """One environment of each simulator, with what corrects it.

    Args:
        experiment: says whether simulators are corrected.
        simulators: one per environment.
        threads: threads of the physics; 0 for one per core.
        seeds: one per environment; by default all are 0.
        randomise: see `worlds.make`.
    """
    return worlds.environments(
        experiment.model,
        [x.gap for x in simulators],
        seeds or [0] * len(simulators),
        experiment.inertia,
        threads,
        residuals=[x.residual for x in simulators] if experiment.corrects else (),
        randomise=randomise,
    )


def real(
    experiment: Experiment, n: int, threads: int, seeds: Sequence[int] = ()
) -> Environments:
    """`n` environments of the real system; see `simulated`."""
    task, gaps, _ = experiment.real_system
    seeds = seeds or [0] * n
    return worlds.environments(task, [gaps] * n, seeds, experiment.inertia, threads)
