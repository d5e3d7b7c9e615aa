"""Scores two written laws on the wheel-legged robot, to judge learned ones by.

For each robot of --real: the linear-quadratic law designed in the ideal simulator, for
every --discount, and the scripted operator's gains without the joystick. --episodes
episodes of 30 s each.
"""

import numpy as np

from experiments import flags
from experiments.cli import console
from experiments.experiment import Experiment
from experiments.robot import scores
from h2o_jax.sim import gaps, models, rollout, tasks, worlds
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.robot import lqr, scripted_operator
from h2o_jax.sim.rollout import Trace
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.tasks.wheel_legged import TORQUE_LIMIT, log_columns

_TASK = tasks.get("wheel_legged_stand")


def main() -> None:
    """The command, with parsed flags."""
    episodes = flags.FLAGS.episodes or Experiment.episodes
    seed = flags.FLAGS.evaluation_seed
    laws = {
        f"LQR, discount {discount}": discounted(float(discount))
        for discount in flags.FLAGS.discount
    }
    laws["operator's gains"] = (
        scripted_operator.GAINS[log_columns(_TASK)] / TORQUE_LIMIT
    )
    by_robot = {
        gaps.to_text(real): {
            name: scores.of_trace(_TASK, trace(gains, real, episodes, seed))
            for name, gains in laws.items()
        }
        for real in gaps.parse_list(flags.FLAGS.real, _TASK.robot)
    }
    print(scores.table(_TASK, by_robot))


def discounted(discount: float) -> Array:
    """The ideal simulator's best law `[4]` where later costs count less."""
    model = models.compile_model(_TASK, gaps.parse("idealised"))
    a, b = (np.sqrt(discount) * x for x in lqr.linearise(model))
    return -lqr.riccati(a, b) / TORQUE_LIMIT


def trace(gains: Array, real: Gaps, episodes: int, seed: int) -> Trace:
    """Episodes `[1, E]` of the law `action = observation @ gains`."""
    world = worlds.make(_TASK, [real] * episodes, [0] * episodes)
    return rollout.trace(world, lambda obs: (obs @ gains)[..., None], episodes, seed)


if __name__ == "__main__":
    console.command(main, __doc__ or "")
