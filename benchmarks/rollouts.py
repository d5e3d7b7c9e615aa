"""What `rollout_rate` measures: the same motion behind more and more machinery.

All measurements take actions of one distribution, tanh of a normal of an untrained
policy's width, so that the robot moves and falls alike.
"""

import functools
import time
import warnings
from collections.abc import Callable

import gymnasium
import jax
import mujoco
import numpy as np

from benchmarks.timing import Measure
from experiments import loop
from h2o_jax.algorithms import h2o_plus
from h2o_jax.program import Program, make_program
from h2o_jax.sim import models, rollout
from h2o_jax.sim.tasks import Task
from h2o_jax.sim.world import World
from h2o_jax.types import Actor

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
    program, actors, keys = _policies(task.obs_dim, task.action_dim, n)
    block, calls = min(steps, EPOCH), max(1, steps // EPOCH)

    def act(observations: np.ndarray, t: int) -> np.ndarray:
        return np.asarray(program.explore(actors, observations, keys, t))

    def run() -> int:
        for _ in range(calls):
            rows = loop.pack(rollout.collect(world, act, block).transitions)
            padding = np.repeat(rows[-1:], program.runs - n, axis=0)
            jax.block_until_ready(program.place(np.concatenate([rows, padding])))
        return n * calls * block

    run()  # compiles the policy
    return _timed(run)


@functools.cache
def _policies(
    obs_dim: int, action_dim: int, n: int
) -> tuple[Program, Actor, jax.Array]:
    """Program, untrained actors and keys of `n` runs."""
    method = h2o_plus(obs_dim, action_dim)
    devices = jax.devices()[:n]
    program = make_program(method, obs_dim, action_dim, n, EPOCH, devices)
    keys = jax.random.split(jax.random.key(0), n)
    actors = jax.jit(jax.vmap(lambda key: method.init(key).actor))(keys)
    return program, actors, keys


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
    found = {}
    for t, action in enumerate(actions):
        if world.age[0] == 0:
            found[t] = (world.qpos[0], world.qvel[0])
        _step(world, action)
    return found


def _actions(task: Task, steps: int, n: int) -> np.ndarray:
    """`[steps, n, A]`; an untrained policy's log-std is -1."""
    normals = np.random.default_rng(0).standard_normal((steps, n, task.action_dim))
    return np.tanh(np.exp(-1.0) * normals)
