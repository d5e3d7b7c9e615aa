"""Residuals made by hand, and small logs to learn them from."""

import itertools

import numpy as np

from h2o_jax.data.datasets import Dataset
from h2o_jax.sim import rollout, tasks, worlds
from h2o_jax.sim.residual import Residual


def constant(task, answer, members=2, used=None, **fields):
    """A residual that gives `answer [O + 1]` whatever it is asked, in full."""
    inputs, outputs = 2 * task.obs_dim + task.action_dim, task.obs_dim + 1
    used = np.ones(outputs) if used is None else used
    parts = {
        "about": {"task": task.name},
        "weights": (np.zeros((members, inputs, outputs), np.float32),),
        "biases": (np.tile(np.float32(answer), (members, 1)),),
        "input_mean": np.zeros(inputs),
        "input_std": np.ones(inputs),
        "output_mean": np.zeros(outputs),
        "output_std": np.ones(outputs),
        "change": np.ones(outputs),
        "used": np.asarray(used, float),
        "limit": 1.0,
        "low": np.full(task.obs_dim, -1e3),
        "high": np.full(task.obs_dim, 1e3),
    }
    return Residual(**(parts | fields))


def random(task, seed=0, hidden=16, scale=0.01, limit=10.0):
    """A residual with random weights."""
    rng = np.random.default_rng(seed)
    inputs, outputs = 2 * task.obs_dim + task.action_dim, task.obs_dim + 1
    sizes = (inputs, hidden, hidden, outputs)
    pairs = list(itertools.pairwise(sizes))
    layers = [rng.normal(size=(3, i, o)) / i**0.5 for i, o in pairs]
    return constant(
        task,
        np.zeros(outputs),
        weights=tuple(np.float32(w) for w in layers),
        biases=tuple(np.zeros((3, o), np.float32) for _, o in pairs),
        output_std=np.full(outputs, scale),
        limit=limit,
    )


def log_of(name, rows, episodes, gaps=(), seed=0):
    """Random actions in a system, one episode after another."""
    task = tasks.get(name)
    world = worlds.make(task, [gaps] * episodes, range(episodes), threads=1)
    rng = np.random.default_rng(seed)
    shape = (rows, episodes, task.action_dim)
    actions = rng.uniform(-1, 1, shape).astype(np.float32)
    collected = rollout.collect(world, lambda obs, t: actions[t], rows)
    flat = [x.reshape(-1, *x.shape[2:]) for x in collected.transitions[:5]]
    transition = type(collected.transitions)(*flat)
    return Dataset(transition, np.zeros(0), np.zeros(0, int), 0, "made.npz", "0" * 64)
