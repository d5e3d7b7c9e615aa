"""Stands for the robot: a shaky hand balances the true pendulum and logs it as CSV.

python docs/pendulum/record.py log.csv 20000
"""

import csv
import sys

import numpy as np
from pendulum import REAL

from h2o_jax.sim import rollout, worlds

AFTER = ["x1", "angle1", "v1", "rate1"]

out, rows = sys.argv[1], int(sys.argv[2])
world = worlds.make(REAL, [()], [0])
rng = np.random.default_rng(0)
hand = {"gain": 1.0, "push": 0.0}


def act(s, t):
    """A person's law with gains and pushes that change now and then."""
    if t % 50 == 0:
        hand["gain"], hand["push"] = rng.uniform(0.3, 1.1), 0.4 * rng.normal()
    law = s @ np.array([0.5, 8.0, 0.8, 1.2])
    return np.clip(hand["gain"] * law + hand["push"] + 0.2 * rng.normal(), -1, 1)[
        :, None
    ]


log = rollout.collect(world, act, rows).transitions
with open(out, "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["x", "angle", "v", "rate", "amperes", "reward", "fell", *AFTER])
    for s, a, r, goes_on, after in zip(*(column[0] for column in log[:5]), strict=True):
        writer.writerow([*s, *(2 * a), r, int(goes_on == 0), *after])
