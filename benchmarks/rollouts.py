"""What `rollout_rate` measures: the same motion behind more and more machinery.

All measurements take actions of one distribution, tanh of a normal of an untrained
policy's width, so that the robot moves and falls alike.
"""

import time
import warnings
from collections.abc import Callable

import gymnasium
import jax
import mujoco
import numpy as np

from benchmarks.timing import Measure
from experiments import build, simulate
from experiments.experiment import Experiment
from experiments.runs import Run
from h2o_jax.sim import models
from h2o_jax.sim.tasks import Task
from h2o_jax.sim.world import World

GYMNASIUM = {"halfcheetah": "HalfCheetah-v4", "walker2d": "Walker2d-v4"}
EPOCH = 1000  # steps per environment and call of `collect`, as in training


def physics(task: Task, steps: int) -> Measure:
    """MuJoCo in a Python loop, through the states of a `World` of one environment."""
    model = models.compile_model(task)
    actions = _actions(task, steps, 1)
    starts = _starts(_world(task, 1, 1), actions)
    command = model.actuator_ctrlrange[:, 1] * actions[:, 0]
    data = mujoco.MjData(model)

    def run() -> int:
        for t in range(steps):
            if t in starts:
                mujoco.mj_resetData(model, data)
                data.qpos[:], data.qvel[:] = starts[t]
            data.ctrl[:] = command[t]
            mujoco.mj_step(model, data, task.frame_skip)
        return steps

    return _timed(run)


def gymnasium_loop(task: Task, steps: int) -> Measure:
    """`env.step` of one environment, and `env.reset` where an episode ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says that v4 is old
        env = gymnasium.make(GYMNASIUM[task.name])
        env.reset(seed=0)
        env.step(env.action_space.sample())
    actions = _actions(task, steps, 1)[:, 0]

    def run() -> int:
        env.reset()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return steps

    return _timed(run)


def world_loop(task: Task, n: int, steps: int, threads: int) -> Measure:
    """`World.step` of `n` environments, and `World.reset` where episodes end."""
    world, actions = _world(task, n, threads), _actions(task, steps, n)

    def run() -> int:
        for action in actions:
            _step(world, action)
        return n * steps

    return _timed(run)


def collecting(task: Task, n: int, steps: int, threads: int) -> Measure:
    """What training does for `n` runs: policy, steps, storing, and onto the device."""
    world = _world(task, n, threads)
    block, calls = min(steps, EPOCH), max(1, steps // EPOCH)
    experiment = Experiment(
        task=task.name,
        algorithm="h2o_plus",
        runs=tuple(Run(seed, ()) for seed in range(n)),
        dataset="",
        epochs=1,
        steps=block,
    )
    method = build.algorithm(experiment)
    program = build.program(experiment, method)
    state = build.state(experiment, method, program, None)

    def run() -> int:
        for epoch in range(1, calls + 1):
            block = simulate.prepare(experiment, world, state, epoch)()
            jax.block_until_ready(simulate.place(program, block))
        return n * calls * experiment.steps

    run()  # compiles the noise
    return _timed(run)


def _timed(run: Callable[[], int]) -> Measure:
    def measure() -> float:
        began = time.perf_counter()
        return run() / (time.perf_counter() - began)

    return measure


def _world(task: Task, n: int, threads: int) -> World:
    model = models.compile_model(task)
    return World(task, [model] * n, [task.interface] * n, range(n), threads)


def _step(world: World, actions: np.ndarray) -> None:
    step = world.step(actions)
    over = step.terminated | step.unstable | (world.age >= world.task.horizon)
    if np.count_nonzero(over):
        world.reset(np.flatnonzero(over))


def _starts(
    world: World, actions: np.ndarray
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Positions and velocities that episodes begin with, by the step they begin at."""
    starts = {}
    for t, action in enumerate(actions):
        if world.age[0] == 0:
            starts[t] = (world.qpos[0], world.qvel[0])
        _step(world, action)
    return starts


def _actions(task: Task, steps: int, n: int) -> np.ndarray:
    """`[steps, n, A]`; an untrained policy's log-std is -1."""
    normals = np.random.default_rng(0).standard_normal((steps, n, task.action_dim))
    return np.tanh(np.exp(-1.0) * normals)
