"""Small worlds, driven by random actions; one whose interface has every fault."""

import functools

import jax
import numpy as np

from h2o_jax.sim import gaps, models, rollout, tasks, worlds
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.world import World

CHEETAH = tasks.get("halfcheetah")
WALKER = tasks.get("walker2d")
FAULTY = Interface(
    action_noise=0.3,
    latency=2,
    strength=0.8,
    substeps=(3, 6),
    stall_probability=0.1,
    stall_seconds=(0.02, 0.1),
    sensor_noise=(0.01,) * 17,
    sensor_quantum=(0.0,) * 8 + (1e-3,) * 9,
)


@functools.cache
def plain(task):
    return models.compile_model(task)


def make(task, *interfaces, seeds=None, nthread=1):
    n = len(interfaces)
    seeds = range(n) if seeds is None else seeds
    return World(task, [plain(task)] * n, interfaces, seeds, nthread)


def random_actions(steps, n, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, n, 6))


def drive(world, actions):
    """Steps with resets at ends; every number that came out, as one list."""
    log = []
    for action in actions:
        step = world.step(action)
        log += [step.s_t, step.reward, step.terminated]
        over = np.flatnonzero(step.terminated)
        if len(over):
            world.reset(over)
        log.append(world.observations.copy())
    return log


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def recorded(text, rows=900, task=CHEETAH):
    """A log of smooth random actions."""
    world = worlds.make(task, [gaps.parse(text)], [3], threads=1)
    noise = np.random.default_rng(3).standard_normal((rows, 1, 6))
    actions = np.zeros_like(noise)
    for i in range(1, rows):
        actions[i] = np.clip(0.8 * actions[i - 1] + 0.4 * noise[i], -1, 1)
    collected = rollout.collect(world, lambda obs, t: actions[t], rows)
    return jax.tree.map(lambda x: np.asarray(x)[0], collected.transitions)
