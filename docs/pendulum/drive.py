"""Stands for the robot: an exported policy drives the true pendulum.

python drive.py policy.npz 10
"""

import sys

import numpy as np
from pendulum import REAL
from policy import Policy  # the file beside policy.npz, which needs NumPy alone

from h2o_jax.sim import rollout, worlds

policy, episodes = Policy(sys.argv[1]), int(sys.argv[2])


def act(observations):
    """Amperes, as the robot takes them; the world's actions are halves of 2 A."""
    return np.array([[policy(s) / 2 for s in one] for one in observations])


world = worlds.make(REAL, [()] * episodes, range(episodes))
found = rollout.evaluate(world, act, episodes, seed=0)
print(f"stood for {found.seconds.mean():.1f} s of 20 s, fell {found.fell.mean():.0%}")
print(f"return {found.returns.mean():.0f}")
print(policy.report() or "no sensor left the range of training")
