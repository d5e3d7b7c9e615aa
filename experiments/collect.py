"""Collects a log of the real system without any download, as D4RL's authors did.

SAC trains in the unmodified simulator until its return reaches --collect_return
(default: a third of the expert's). All that it saw is the `medium-replay` log;
rollouts of the policy it reached are the `medium` log. The result is kept in
--cache_dir; --out also writes it as a .hdf5 file in D4RL's layout or as minari:NAME.
A command that was stopped goes on where its last evaluation was.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np

import h2o_jax
from experiments import build, console, flags, from_flags, loop, saving
from experiments.build import State
from experiments.experiment import Experiment, Run
from h2o_jax import replay
from h2o_jax.errors import ConfigError
from h2o_jax.program import Program
from h2o_jax.sim import datasets, gaps, models, rollout
from h2o_jax.sim.world import World
from h2o_jax.types import Transition

_ROLLOUTS = 10
"""Environments that record a `medium` log side by side."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a log is collected."""

    experiment: Experiment
    """SAC in the real system."""
    kind: str
    target: float
    """Deterministic return at which SAC stops."""
    rows: int
    """Transitions of a `medium` log."""

    @property
    def key(self) -> str:
        """Digest of all that the log depends on, our version included."""
        text = repr((dataclasses.astuple(self), h2o_jax.__version__))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def main() -> None:
    """The command, with parsed flags."""
    experiment = from_flags.experiment()
    console.use_cores(flags.FLAGS.threads, runs=1)
    path = ensure_dataset(experiment)
    task = experiment.model
    data = datasets.load(str(path), obs_dim=task.obs_dim, action_dim=task.action_dim)
    print(datasets.summary(data))
    if flags.FLAGS.out:
        write(flags.FLAGS.out, data.transition, task.horizon, task.name)


def ensure_dataset(experiment: Experiment) -> pathlib.Path:
    """Path of the log that the `--collect_*` flags describe, collected if need be."""
    recipe = _recipe(experiment)
    name = f"{experiment.task}-{recipe.kind}-{recipe.key}"
    path = cache_folder() / f"{name}.hdf5"
    if not path.is_file():
        work = path.with_suffix(".work")
        rows = _collect(recipe, work)
        limits = time_limits(rows.discount_t, experiment.model.horizon)
        datasets.write_d4rl(path, rows, limits, _attributes(recipe))
        shutil.rmtree(work)
    return path


def cache_folder() -> pathlib.Path:
    """The cache, made if absent."""
    default = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    folder = flags.FLAGS.cache_dir or f"{default}/h2o_jax"
    path = pathlib.Path(folder).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--cache_dir={path}: {error.strerror}") from None
    return path


def write(out: str, rows: Transition, horizon: int, task: str) -> None:
    """Writes a log where a user asked for it.

    Raises:
        ConfigError: neither a .hdf5 path nor minari:NAME.
    """
    limits = time_limits(rows.discount_t, horizon)
    if out.startswith("minari:"):
        datasets.write_minari(out.removeprefix("minari:"), rows, limits)
    elif out.endswith((".hdf5", ".h5")):
        datasets.write_d4rl(pathlib.Path(out), rows, limits, {"task": task})
    else:
        raise ConfigError(f"--out={out}: give a path ending in .hdf5, or minari:NAME")
    print(f"wrote    {out}")


def time_limits(discount_t: np.ndarray, horizon: int) -> np.ndarray:
    """`[N]` bool, rows of one environment's record at which the time limit struck."""
    limits = np.zeros(len(discount_t), bool)
    age = 0
    for i, goes_on in enumerate(discount_t > 0):
        age += 1
        limits[i] = goes_on and age == horizon
        if age == horizon or not goes_on:
            age = 0
    return limits


def _recipe(experiment: Experiment) -> Recipe:
    target = flags.FLAGS.collect_return
    if target is None:
        if experiment.model.reference is None:
            raise ConfigError(
                f"--collect_return: give one, {experiment.task} has no expert's return"
            )
        target = experiment.model.reference[1] / 3
    collecting = Experiment(
        task=experiment.task,
        algorithm="sac",
        runs=(Run(flags.FLAGS.collect_seed, experiment.real),),
        dataset="",
        real=experiment.real,
        inertia=experiment.inertia,
        hidden=experiment.hidden,
        learn_rows=experiment.learn_rows,
        epochs=flags.FLAGS.collect_epochs,
        steps=experiment.steps,
        updates=experiment.updates,
        evaluate_every=5,
        episodes=5,
    )
    kind, rows = flags.FLAGS.collect_kind, flags.FLAGS.collect_rows
    return Recipe(collecting, kind, target, rows if kind == "medium" else 0)


def _collect(recipe: Recipe, work: pathlib.Path) -> Transition:
    """Trains SAC until the target, then gives its replay or its rollouts."""
    experiment = recipe.experiment
    method = build.algorithm(experiment)
    worlds = build.worlds(experiment, method, flags.FLAGS.threads)
    program = build.program(experiment, method)
    state = build.state(experiment, method, program, None)
    if (work / "checkpoint").is_dir():
        saving.restore(work, state, worlds, None)
    print(f"collecting {recipe.kind} of {experiment.task}: SAC to {recipe.target:.0f}")
    with console.Display("collect", experiment.epochs) as display:
        for report in loop.train(experiment, program, worlds, None, state):
            display.epoch(report.epoch)
            if report.returns is None:
                continue
            mean = report.returns.mean()
            display.line(f"epoch {report.epoch:4d}  real return {mean:8.1f}")
            saving.save(work, experiment, state, worlds, None)
            if mean >= recipe.target:
                break
    if recipe.kind == "medium":
        return _rollouts(recipe, program, state)
    return _replay(recipe, state)


def _replay(recipe: Recipe, state: State) -> Transition:
    """All that SAC saw, in order."""
    assert state.memory is not None
    rows = state.memory.rows[0][: int(state.memory.added[0])]
    task = recipe.experiment.model
    return jax.tree.map(np.asarray, replay.unpack(rows, task.obs_dim, task.action_dim))


def _rollouts(recipe: Recipe, program: Program, state: State) -> Transition:
    """Stochastic rollouts of the policy that SAC reached."""
    experiment = recipe.experiment
    model = models.compile_model(experiment.model, experiment.real, experiment.inertia)
    interface = gaps.interface(experiment.real)
    seeds = [experiment.runs[0].seed + 1 + i for i in range(_ROLLOUTS)]
    world = World(experiment.model, [model] * _ROLLOUTS, [interface] * _ROLLOUTS, seeds)
    one = loop.actors(state, 1)
    actors = jax.tree.map(lambda x: jnp.repeat(x, _ROLLOUTS, axis=0), one)
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    collected = rollout.collect(
        world,
        lambda obs, t: np.asarray(program.explore(actors, obs, keys, t)),
        -(-recipe.rows // _ROLLOUTS),
    )
    return Transition(*(x.reshape(-1, *x.shape[2:]) for x in collected.transitions))


def _attributes(recipe: Recipe) -> dict[str, str]:
    return {
        "origin": "collected with h2o_jax.experiments.collect; not a D4RL download",
        "recipe": json.dumps(dataclasses.asdict(recipe), default=str),
    }


if __name__ == "__main__":
    console.command(main, __doc__ or "")
