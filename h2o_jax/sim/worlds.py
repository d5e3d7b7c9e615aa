"""Builds the environments of a task, and checks that each gap has an effect."""

from collections.abc import Sequence

import mujoco
import numpy as np

from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim.control_loop import queue_length
from h2o_jax.sim.environments import Environments
from h2o_jax.sim.episodes import Variation
from h2o_jax.sim.gap_table import GAPS
from h2o_jax.sim.gaps import FileSetting, Gaps
from h2o_jax.sim.gymnasium_world import GymnasiumWorld
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.models import Inertia, compile_model
from h2o_jax.sim.residual import Residual
from h2o_jax.sim.tasks.gymnasium_task import GymnasiumTask
from h2o_jax.sim.tasks.task import Task
from h2o_jax.sim.world import World


def environments(
    task: Task,
    gaps: Sequence[Gaps],
    seeds: Sequence[int],
    inertia: Inertia = "modern",
    threads: int = 0,
    grid: Sequence[Gaps] = (),
    residuals: Sequence[Residual | None] = (),
    randomise: bool = False,
) -> Environments:
    """`n` environments of any task: batched physics, or Gymnasium's own.

    Arguments are those of `make`; a Gymnasium environment has no gaps, and the rest is
    not for it.

    Raises:
        ConfigError: the task does not have a gap.
    """
    if not isinstance(task, GymnasiumTask):
        return make(task, gaps, seeds, inertia, threads, grid, residuals, randomise)
    if any(gaps):
        settings = next(filter(None, gaps))
        raise ConfigError(
            f"--gap={gaps_lib.to_text(settings)}: {task.name} is a Gymnasium "
            "environment, which has no gaps; give --gap=none, and the wrong and the "
            "real one as --task=FILE.py:make_env --real=FILE.py:make_real"
        )
    return GymnasiumWorld(task, seeds)


def make(
    task: Task,
    gaps: Sequence[Gaps],
    seeds: Sequence[int],
    inertia: Inertia = "modern",
    threads: int = 0,
    grid: Sequence[Gaps] = (),
    residuals: Sequence[Residual | None] = (),
    randomise: bool = False,
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
        randomise: draw the fields of each episode from the intervals of the simulator
            file among the gaps; where there is none, nothing is drawn.

    Raises:
        ConfigError: the robot does not have a gap, or does not compile with it.
    """
    models = {
        settings: compile_model(task, settings, inertia) for settings in set(gaps)
    }
    varied = set(gaps) if randomise else set()
    variations = {x: _variation(task, x, inertia) for x in varied}
    every = [_widest(x, task, randomise) for x in grid]
    interfaces = [_widest(x, task, randomise) for x in gaps]
    return World(
        task,
        [models[settings] for settings in gaps],
        interfaces,
        seeds,
        threads,
        queue_length([*every, *interfaces]),
        residuals,
        [variations[settings] for settings in gaps] if randomise else (),
    )


def _widest(gaps: Gaps, task: Task, randomise: bool) -> Interface:
    """The interface of an environment; where it is drawn, the one that needs most."""
    base = gaps_lib.interface(gaps, task.interface)
    if not randomise:
        return base
    return fields.interface(base, [(x.name, x.high) for x in gaps_lib.from_file(gaps)])


def _variation(task: Task, gaps: Gaps, inertia: Inertia) -> Variation | None:
    """Draws fields of a simulator file: a model and an interface per episode.

    None where no field has an interval.
    """
    if not gaps_lib.drawable(gaps):
        return None
    values = gaps_lib.from_file(gaps)
    model = compile_model(task, gaps_lib.without_fields(gaps), inertia)
    base = gaps_lib.interface(gaps, task.interface)

    def draw(rng: np.random.Generator) -> tuple[mujoco.MjModel, Interface]:
        chosen = fields.drawn(values, rng).items()
        return fields.scaled(model, chosen), fields.interface(base, chosen)

    return draw


def check_effect(
    task: Task, gaps: Gaps, inertia: Inertia = "modern", steps: int = 200
) -> None:
    """Makes sure that each gap alone changes what a policy would see.

    Steps the modified and the unmodified simulator under the same random actions. A
    gap may change nothing without any error, as lower friction does where the other
    surface's coefficient is larger and therefore counts; an experiment with such a
    gap would compare a simulator with itself. A gap that pushes the robot now and
    then is given more than `steps`: ten times the mean interval between pushes. A
    simulator file is exempt: at its best it undoes what its own gaps do.

    Raises:
        ConfigError: a gap whose factor is not neutral left every observation as it
            was.
    """
    if isinstance(task, GymnasiumTask):  # `environments` refuses any
        return
    for gap in gaps:
        if isinstance(gap, FileSetting):
            continue
        rare = gaps_lib.interface([gap], task.interface).push_probability
        window = max(steps, round(10 / rare)) if rare else steps
        actions = np.random.default_rng(0).uniform(-1, 1, (window, task.action_dim))
        world = make(task, [(), (gap,)], [0, 0], inertia)
        same = all(_same_step(world, action) for action in actions)
        if same and gap.factor != GAPS[gap.name].neutral:
            raise ConfigError(
                f"gap {gap} changes nothing in {task.name}: {window} steps under the "
                "same actions are those of the unmodified simulator; give another "
                "factor or gap"
            )


def _same_step(world: World, action: np.ndarray) -> bool:
    first, second = world.step(np.stack([action, action])).s_t
    return np.array_equal(first, second)
