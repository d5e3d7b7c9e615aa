"""Builds the environments of a task, and checks that each gap has an effect."""

from collections.abc import Sequence

import numpy as np

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim.gap_table import GAPS
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.models import Inertia, compile_model
from h2o_jax.sim.residual import Residual
from h2o_jax.sim.tasks.task import Task
from h2o_jax.sim.world import World, queue_length


def make(
    task: Task,
    gaps: Sequence[Gaps],
    seeds: Sequence[int],
    inertia: Inertia = "modern",
    threads: int = 0,
    grid: Sequence[Gaps] = (),
    residuals: Sequence[Residual | None] = (),
) -> World:
    """`n` environments of a task in one batch; each distinct model is compiled once.

    Args:
        task: of all environments.
        gaps: `n`, the gaps of each environment.
        seeds: `n` non-negative integers.
        inertia: see `models.compile_model`.
        threads: threads of the physics; 0 for one per core.
        grid: gaps of all environments of an experiment, if other processes simulate
            some of them; arrays of state then have the same shape in all processes.
        residuals: `n`, what corrects each environment; empty for nothing.

    Raises:
        ConfigError: the robot does not have a gap, or does not compile with it.
    """
    models = {
        settings: compile_model(task, settings, inertia) for settings in set(gaps)
    }
    return World(
        task,
        [models[settings] for settings in gaps],
        [gaps_lib.interface(settings, task.interface) for settings in gaps],
        seeds,
        threads,
        queue_length([gaps_lib.interface(x, task.interface) for x in grid]),
        residuals,
    )


def check_effect(
    task: Task, gaps: Gaps, inertia: Inertia = "modern", steps: int = 200
) -> None:
    """Makes sure that each gap alone changes what a policy would see.

    Steps the modified and the unmodified simulator under the same random actions. A
    gap may change nothing without any error, as lower friction does where the other
    surface's coefficient is larger and therefore counts; an experiment with such a
    gap would compare a simulator with itself. A gap that pushes the robot now and
    then is given more than `steps`: ten times the mean interval between pushes.

    Raises:
        ConfigError: a gap whose factor is not neutral left every observation as it
            was.
    """
    for gap in gaps:
        rare = gaps_lib.interface([gap], task.interface).push_probability
        window = max(steps, round(10 / rare)) if rare else steps
        actions = np.random.default_rng(0).uniform(-1, 1, (window, task.action_dim))
        world = make(task, [(), (gap,)], [0, 0], inertia)
        same = all(_same_step(world, action) for action in actions)
        if same and gap.factor != GAPS[gap.name].neutral:
            raise ConfigError(
                f"gap {gap} changes nothing in {task.name}: {window} steps under the "
                "same actions are identical"
            )


def _same_step(world: World, action: np.ndarray) -> bool:
    first, second = world.step(np.stack([action, action])).s_t
    return np.array_equal(first, second)
