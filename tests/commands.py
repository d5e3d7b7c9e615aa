"""Runs commands in this process, with tiny settings."""

import contextlib
import resource
import signal
import sys

import jax
import numpy as np

from experiments import collect, devices, inspect, run, run_folder
from experiments.cli import parsing
from experiments.cli.flags import Flags
from experiments.experiment import Grid
from experiments.robot import operate
from h2o_jax.data import datasets
from h2o_jax.sim import gaps, rollout, tasks, worlds

COMMANDS = {
    "experiments": "experiments.__main__",
    "experiments.run": "experiments.run",
    "experiments.collect": "experiments.collect",
    "experiments.quickstart": "experiments.quickstart",
    "experiments.inspect": "experiments.inspect",
    "experiments.audit": "experiments.audit",
    "experiments.identify": "experiments.identify",
    "experiments.correct": "experiments.correct",
    "experiments.compare": "experiments.compare",
    "experiments.grid": "experiments.grid",
    "experiments.judge": "experiments.judge",
    "experiments.tables": "experiments.tables",
    "experiments.launch": "experiments.launch",
    "experiments.export": "experiments.export",
    "experiments.report": "experiments.report",
    "experiments.robot": "experiments.robot.__main__",
    "experiments.robot.calibrate": "experiments.robot.calibrate",
    "experiments.robot.operate": "experiments.robot.operate",
    "experiments.robot.yardsticks": "experiments.robot.yardsticks",
}
"""What `python -m` is given -> the module with `main` and `SETTINGS`."""


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


def parsed(*arguments, settings=run.SETTINGS, hidden=()):
    """The flags of a command line, with the published defaults unless it says so."""
    flags = Flags(*settings, hidden=hidden)
    resumes = any(x.startswith("--resume") for x in arguments)
    takes = Grid in (*settings, *hidden) and not resumes
    published = ["--defaults=published"] if takes else []
    flags.parse(["prog", *published, *arguments])
    return flags


def experiment_of(*arguments):
    """The experiment that a command line describes."""
    return parsing.experiment(parsed(*arguments))


def write_run(folder, flags="", **facts):
    """A run folder that says this of itself, instead of what it said before."""
    for name in (run_folder.FLAGS, run_folder.VERSIONS):
        (folder / name).unlink(missing_ok=True)
    record = run_folder.RunFolder(folder)
    record.begin(flags, facts)
    record.close()


def call(main, monkeypatch, *arguments):
    """Runs `main` as a command would, on the devices that the tests already have.

    What it wrote must be its own to replace, as the command could be given again; only
    a draft of inspect is its reader's, and a robot's log has no mark.
    """
    monkeypatch.setattr(devices, "use_cores", lambda cores, runs: None)
    module = sys.modules[main.__module__]
    hidden = getattr(module, "HIDDEN", ())
    flags = parsed(*arguments, settings=module.SETTINGS, hidden=hidden)
    main(flags)
    if module not in (inspect, collect, operate):
        flags.try_places()


def write_log(path, rows=400, gap="none"):
    """A log of random actions in Hopper, the unmodified one by default."""
    task = tasks.get("hopper")
    world = worlds.make(task, [gaps.parse(gap)], [0])
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (rows, 1, task.action_dim)).astype(np.float32)
    collected = rollout.collect(world, lambda obs, t: actions[t], rows)
    flat = jax.tree.map(lambda x: x[0], collected.transitions)
    datasets.write_d4rl(path, flat, np.zeros(rows, bool))
    return path


@contextlib.contextmanager
def limited_files(size):
    """No file may grow beyond `size` bytes: the nearest thing to a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)
