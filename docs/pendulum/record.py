"""Stands for the robot: a shaky hand balances the true pendulum and logs it as CSV.

python record.py log.csv 20000
"""

import csv
import sys

import numpy as np
from pendulum import REAL

from h2o_jax.sim import rollout, worlds

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


def sensed(s):
    """What the encoders say: 1 mm, 2 mrad, and speeds to 0.01."""
    return np.round(s + rng.normal(size=4) * [0.001, 0.002, 0.01, 0.01], 4)


log = rollout.collect(world, act, rows).transitions
names = ["time [s]", "trial", "x [m]", "angle [rad]", "v [m/s]", "rate [rad/s]"]
with open(out, "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow([*names, "command [A]", "mode"])
    trial, time = 0, 0.0
    for s, a, _, goes_on, after in zip(*(x[0] for x in log[:5]), strict=True):
        writer.writerow([f"{time:.2f}", trial, *sensed(s), *(2 * a), "balance"])
        time += 0.02
        if not goes_on:  # the state in which it lies, and half a minute to lift it
            writer.writerow([f"{time:.2f}", trial, *sensed(after), 0.0, "fallen"])
            trial, time = trial + 1, time + 30
