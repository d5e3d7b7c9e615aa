"""Worlds of wheel-legged robots."""

import dataclasses

import numpy as np

from h2o_jax.sim import gaps, models, tasks
from h2o_jax.sim.world import World

STAND = tasks.get("wheel_legged_stand")
FORWARD = tasks.get("wheel_legged_forward")
MODELS = {text: models.compile_model(STAND, gaps.parse(text)) for text in ("none",)}


def make(text="none", n=1, task=STAND, **changes):
    """A world of `n` robots; `changes` replace fields of the interface."""
    settings = gaps.parse(text, task.robot)
    if text not in MODELS:
        MODELS[text] = models.compile_model(task, settings)
    interface = gaps.interface(settings, task.interface)
    interface = dataclasses.replace(interface, **changes)
    return World(task, [MODELS[text]] * n, [interface] * n, range(n), nthread=1)


def nothing(observations):
    return np.zeros((*observations.shape[:-1], 1))
