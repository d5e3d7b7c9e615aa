"""Runs commands in this process, with tiny settings."""

import contextlib

import jax
import numpy as np
from absl import flags as absl_flags
from absl.testing import flagsaver

from experiments import command_line
from experiments.cli import console
from h2o_jax.data import datasets
from h2o_jax.sim import models, rollout, tasks
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.world import World

TINY = (
    "--task=hopper",
    "--hidden=8,8",
    "--discriminator_hidden=8,8",
    "--learn_rows=0:8",
    "--steps=60",
    "--updates=5",
    "--evaluate_every=1",
    "--episodes=2",
)


@contextlib.contextmanager
def parsed(*arguments):
    """Flags as if given on a command line; the former ones come back at the end."""
    with flagsaver.flagsaver():
        absl_flags.FLAGS.unparse_flags()
        for flag in command_line.defined():
            flag.unparse()
        command_line.parse(["prog", *arguments])
        yield


def call(main, monkeypatch, *arguments):
    """Runs `main` as a command would, on the devices that the tests already have."""
    monkeypatch.setattr(console, "use_cores", lambda cores, runs: None)
    with parsed(*arguments):
        main()


def write_log(path, rows=400):
    """A log of random actions in the unmodified Hopper."""
    task = tasks.get("hopper")
    world = World(task, [models.compile_model(task)], [Interface()], [0])
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (rows, 1, task.action_dim)).astype(np.float32)
    collected = rollout.collect(world, lambda obs, t: actions[t], rows)
    flat = jax.tree.map(lambda x: x[0], collected.transitions)
    datasets.write_d4rl(path, flat, np.zeros(rows, bool))
    return path
