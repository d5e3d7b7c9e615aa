"""Scores two written laws on the wheel-legged robot, to judge learned ones by.

For each robot of --real: the linear-quadratic law designed in the ideal simulator, for
every --discount, and the scripted operator's gains without the joystick. --episodes
episodes of 30 s each.
"""

import dataclasses

from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.robot import scores
from h2o_jax.settings import UNIT, at_least, setting
from h2o_jax.sim import gaps, rollout, tasks, worlds
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.robot import lqr, scripted_operator
from h2o_jax.sim.rollout import Trace
from h2o_jax.sim.tasks.task import Array
from h2o_jax.sim.tasks.wheel_legged import TORQUE_LIMIT, log_columns

_TASK = tasks.get("wheel_legged_stand")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is scored."""

    real: str = setting("none", "The robots to balance, as gaps; a list.")
    discount: tuple[float, ...] = setting(
        (0.99,), "Discount factors that a law is designed for; a list.", UNIT
    )
    episodes: int = setting(10, "Episodes per law and robot.", at_least(1))
    evaluation_seed: int = setting(10_000, "Seed of the first episode.", at_least(0))


SETTINGS = (Judgement,)


def main(flags: Flags) -> None:
    """The command."""
    choice = flags.of(Judgement)
    ideal = gaps.parse("idealised")
    laws = {f"LQR, discount {x:g}": lqr.gains(ideal, x) for x in choice.discount}
    laws["operator's gains"] = (
        scripted_operator.GAINS[log_columns(_TASK)] / TORQUE_LIMIT
    )
    by_robot = {
        gaps.to_text(real): {
            name: scores.of_trace(_TASK, trace(gains, real, choice))
            for name, gains in laws.items()
        }
        for real in gaps.parse_list(choice.real, _TASK.robot)
    }
    print(scores.table(_TASK, by_robot))


def trace(gains: Array, real: Gaps, choice: Judgement) -> Trace:
    """Episodes `[1, E]` of the law `action = observation @ gains`."""
    episodes, seed = choice.episodes, choice.evaluation_seed
    world = worlds.make(_TASK, [real] * episodes, [0] * episodes)
    return rollout.trace(world, lambda obs: (obs @ gains)[..., None], episodes, seed)


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS)
