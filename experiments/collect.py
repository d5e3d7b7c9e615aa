"""Collects a log of the real system without any download, as D4RL's authors did.

SAC trains in the unmodified simulator until its return reaches --collect_return
(default: a third of the expert's). All that it saw is the `medium-replay` log;
rollouts of the policy it reached are the `medium` log. A wheel-legged robot is driven
by a scripted operator instead. The result is kept in --cache_dir; --out also writes it
as a .hdf5 file in D4RL's layout or as minari:NAME. A command that was stopped goes on
where its last evaluation was.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

import jax
import numpy as np

import h2o_jax
from experiments import (
    build,
    devices,
    flags,
    from_flags,
    loop,
    records,
    saving,
    simulate,
)
from experiments.build import State, Worlds
from experiments.cli import console, interrupts
from experiments.experiment import Experiment, Run
from h2o_jax import numpy_policy, packing
from h2o_jax.data import datasets, hdf5
from h2o_jax.errors import ConfigError
from h2o_jax.program import Program
from h2o_jax.sim import gaps, models, rollout
from h2o_jax.sim.robot import log as robot_log
from h2o_jax.sim.robot import scripted_operator
from h2o_jax.sim.world import World
from h2o_jax.types import Transition

_BLOCK = 1000
"""Steps and updates per epoch of SAC, whatever the later run uses."""
_MEDIUM_ROWS = 200_000
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
        return _digest(dataclasses.astuple(self))


def main() -> None:
    """The command, with parsed flags."""
    experiment = from_flags.experiment()
    out = flags.FLAGS.out
    if out and not out.startswith("minari:") and not out.endswith((".hdf5", ".h5")):
        raise ConfigError(f"--out={out}: give a path ending in .hdf5, or minari:NAME")
    devices.prepare(runs=1, matmul_precision=None)
    devices.check()
    path = ensure_dataset(experiment)
    task = experiment.model
    data = datasets.load(str(path), obs_dim=task.obs_dim, action_dim=task.action_dim)
    print(datasets.summary(data))
    if out:
        write(out, path, data.transition)
        print(f"wrote    {out}")


def ensure_dataset(experiment: Experiment) -> pathlib.Path:
    """Path of the log that the `--collect_*` flags describe, collected if need be."""
    if experiment.model.robot == "wheel_legged":
        return _operate(experiment)
    recipe, path = _recipe(experiment), place(experiment)
    if path.is_file():
        return path
    work = path.with_suffix(".work")
    record = records.Record(work)  # holds the folder's lock
    try:
        rows, limits = _collect(recipe, work)
        datasets.write_d4rl(path, rows, limits, _attributes(recipe))
    finally:
        record.close()
    shutil.rmtree(work)
    return path


def place(experiment: Experiment) -> pathlib.Path:
    """Where the log that the `--collect_*` flags describe is kept, once collected."""
    if experiment.model.robot == "wheel_legged":
        kind, key = "operator", _digest((*_operated(), experiment.real))
    else:
        recipe = _recipe(experiment)
        kind, key = recipe.kind, recipe.key
    return cache_folder() / f"{experiment.task}-{kind}-{key}.hdf5"


def _operated() -> tuple[int, int, robot_log.Pairing]:
    """Rows, seed and pairing of the scripted operator's log."""
    rows = flags.FLAGS.collect_rows or scripted_operator.ROWS
    return rows, flags.FLAGS.collect_seed, from_flags.pairing()


def _operate(experiment: Experiment) -> pathlib.Path:
    """Path of a wheel-legged robot's log, driven by the scripted operator if absent."""
    path = place(experiment)
    if not path.is_file():
        task = experiment.model
        rows, seed, pairing = _operated()
        data = scripted_operator.record(task, rows, seed, pairing, experiment.real)
        limits = time_limits(data.transition.discount_t, task.horizon)
        origin = "; ".join([data.source, *data.notes])
        attributes = {"origin": origin, "pairing": pairing}
        datasets.write_d4rl(path, data.transition, limits, attributes)
    return path


def _digest(settings: object) -> str:
    """Digest of all that a log depends on, our version included."""
    text = repr((settings, h2o_jax.__version__))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cache_folder() -> pathlib.Path:
    """The cache, made if absent."""
    default = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    folder = flags.FLAGS.cache_dir or f"{default}/h2o_jax"
    path = pathlib.Path(folder).expanduser()
    with records.writing("cache_dir", path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write(out: str, path: pathlib.Path, rows: Transition) -> None:
    """Writes the cached log `path` where a user asked for it, with its origin."""
    if out.startswith("minari:"):
        limits = hdf5.read(path, None)["timeouts"].astype(bool)
        datasets.write_minari(out.removeprefix("minari:"), rows, limits)
    else:
        part = pathlib.Path(out + ".part")
        shutil.copyfile(path, part)
        part.replace(out)


def time_limits(discount_t: np.ndarray, horizon: int) -> np.ndarray:
    """Where one environment's record `[T]` was cut: at the time limit or its end."""
    limits = np.zeros(len(discount_t), bool)
    age = 0
    for i, goes_on in enumerate(discount_t > 0):
        age += 1
        limits[i] = goes_on and (age == horizon or i == len(limits) - 1)
        if age == horizon or not goes_on:
            age = 0
    return limits


def _recipe(experiment: Experiment) -> Recipe:
    target = flags.FLAGS.collect_return
    if target is None:
        target = experiment.model.medium_return
    if target is None:
        raise ConfigError(f"--collect_return: give one, {experiment.task} has none")
    batch = flags.FLAGS.collect_batch
    collecting = Experiment(
        task=experiment.task,
        algorithm="sac",
        runs=(Run(flags.FLAGS.collect_seed, experiment.real),),
        dataset="",
        real=experiment.real,
        inertia=experiment.inertia,
        hidden=from_flags.integers("collect_hidden"),
        learn_rows=(0, batch),
        epochs=flags.FLAGS.collect_epochs,
        steps=_BLOCK,
        updates=_BLOCK,
        evaluate_every=5,
        episodes=5,
    )
    kind, rows = flags.FLAGS.collect_kind, flags.FLAGS.collect_rows or _MEDIUM_ROWS
    return Recipe(collecting, kind, target, rows if kind == "medium" else 0)


def _collect(recipe: Recipe, work: pathlib.Path) -> tuple[Transition, np.ndarray]:
    """Trains SAC until the target, then gives its replay or its rollouts.

    Returns:
        Rows `[N, ...]`, and `[N]` where an episode was cut, not terminated.
    """
    experiment = recipe.experiment
    method = build.algorithm(experiment)
    worlds = build.worlds(experiment, method, flags.FLAGS.threads)
    program = build.program(experiment, method)
    state = build.state(experiment, method, program, None)
    if (work / "checkpoint").is_dir():
        saving.restore(work, experiment, program, state, worlds, None)
    print(f"collecting {recipe.kind} of {experiment.task}: SAC to {recipe.target:.0f}")
    # A restored state may have reached the target already.
    if state.best_return[0] < recipe.target:
        _train(recipe, program, worlds, state, work)
    if state.best_return[0] < recipe.target:
        print("stopped short of the target by --collect_epochs")
    if recipe.kind == "medium":
        return _rollouts(recipe, state)
    return _replay(recipe, state)


def _train(
    recipe: Recipe, program: Program, worlds: Worlds, state: State, work: pathlib.Path
) -> None:
    """Trains until an evaluation reaches the target; saves itself in `work`."""
    experiment = recipe.experiment
    display = console.Display("collect", experiment.epochs)
    with display, interrupts.Stop("the epoch ends and is saved") as stop:
        for report in loop.train(experiment, program, worlds, None, state):
            display.epoch(report.epoch)
            stopping = stop.asked
            if report.returns is not None or stopping:
                saving.save(work, experiment, state, worlds, None)
            if stopping:
                how = "the same command goes on collecting"
                raise interrupts.stopped(stopping, report.epoch, how)
            if report.returns is not None:
                mean = report.returns.mean()
                display.line(f"epoch {report.epoch:4d}  real return {mean:8.1f}")
                if mean >= recipe.target:
                    return


def _replay(recipe: Recipe, state: State) -> tuple[Transition, np.ndarray]:
    """All that SAC saw, in order."""
    assert state.memory is not None
    task = recipe.experiment.model
    if state.epoch == 0:
        raise ConfigError(
            f"--collect_return={recipe.target:g}: the untrained policy reaches that, "
            "and nothing was collected; give more"
        )
    written = state.memory.rows[0][: int(state.memory.added[0])]
    rows = packing.unpack(written, task.obs_dim, task.action_dim)
    rows = jax.tree.map(np.asarray, rows)
    return rows, time_limits(rows.discount_t, task.horizon)


def _rollouts(recipe: Recipe, state: State) -> tuple[Transition, np.ndarray]:
    """Stochastic rollouts of the policy that SAC reached, one robot's after another."""
    experiment, task = recipe.experiment, recipe.experiment.model
    model = models.compile_model(task, experiment.real, experiment.inertia)
    interface = gaps.interface(experiment.real, task.interface)
    seeds = [experiment.runs[0].seed + 1 + i for i in range(_ROLLOUTS)]
    world = World(task, [model] * _ROLLOUTS, [interface] * _ROLLOUTS, seeds)
    one = simulate.actors(state, 1)
    act = numpy_policy.make(
        jax.tree.map(lambda x: np.repeat(x, _ROLLOUTS, axis=0), one)
    )
    rng = np.random.default_rng(seeds[0])
    shape = (_ROLLOUTS, task.action_dim)
    rows = rollout.collect(
        world,
        lambda obs, t: act(obs, rng.standard_normal(shape, np.float32)),
        -(-recipe.rows // _ROLLOUTS),
    ).transitions
    limits = [time_limits(d, task.horizon) for d in rows.discount_t]
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
    return flat, np.concatenate(limits)


def _attributes(recipe: Recipe) -> dict[str, str]:
    return {
        "origin": "collected with h2o_jax.experiments.collect; not a D4RL download",
        "recipe": json.dumps(dataclasses.asdict(recipe), default=str),
    }


if __name__ == "__main__":
    console.command(main, __doc__ or "")
