"""Stands for the wheel-legged robot: an exported policy drives the model fitted to it.

python drive.py robot.npz 5
"""

import sys

import numpy as np
from policy import Policy  # the file beside robot.npz, which needs NumPy alone

from h2o_jax.sim import rollout, tasks, worlds

policy, episodes = Policy(sys.argv[1]), int(sys.argv[2])
limit = policy.contract["actions"][0]["high"]


def act(observations):
    """Torque in N m, as the robot takes it; the world's actions are shares of it."""
    return np.array([[policy(s) / limit for s in one] for one in observations])


world = worlds.make(tasks.get("wheel_legged_stand"), [()] * episodes, range(episodes))
found = rollout.evaluate(world, act, episodes, seed=0)
print(f"stood for {found.seconds.mean():.1f} s of 30 s, fell {found.fell.mean():.0%}")
print(f"cost {30 - (found.returns / found.lengths).mean():.2f} per step")
print(policy.report() or "no sensor left the range of training")
