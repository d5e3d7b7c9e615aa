"""Measurements of `update_time`, made in the measuring process."""

import dataclasses
import functools
import inspect
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import floor
from benchmarks.timing import Measure
from experiments import build
from experiments.experiment import Experiment
from experiments.runs import Run
from h2o_jax import packing, replay
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.program import make_program
from h2o_jax.types import LearnerState

CAPACITY = 100_000  # rows of the log, and of each run's replay
UPDATES = 50  # at least so many between two looks at the clock
FLOOR = "matrix products alone"
ONE_CALL = "1 update a call, batches passed in, 1 run"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What one process measures."""

    algorithm: str
    cores: int
    """Or so many accelerators."""
    runs: tuple[int, ...]
    """Numbers of runs in one program."""
    details: bool = True
    """Whether 1 run comes with all that is measured on one run."""
    blocks: tuple[int, int] = (10, 100)
    """Updates a call, few and many; several runs take the former."""
    hidden: tuple[int, ...] = (256, 256)
    learn_rows: int | None = None
    """Rows of a batch that train, from the first; None for the method's own."""
    discriminate_rows: int | None = None


def block(updates: int, runs: int) -> str:
    """Name of the measurement of a scanned block."""
    return f"{updates} updates a call, {runs} run{'s' * (runs > 1)}"


def measures(plan: Plan) -> dict[str, Measure]:
    """Everything that a plan asks for, by name."""
    few, many = plan.blocks
    measures: dict[str, Measure] = {
        block(few, runs): Block(plan, few, runs) for runs in plan.runs
    }
    if plan.details and 1 in plan.runs:
        measures[block(many, 1)] = Block(plan, many, 1)
        measures[ONE_CALL] = _one_call(plan)
        if plan.algorithm in floor.PASSES:
            measures[FLOOR] = products_alone(plan)
    return measures


def products(plan: Plan) -> list[floor.Product]:
    """The matrix products of one update."""
    setup = experiment(plan)
    # The discriminators' batch is the larger one, where there are any.
    batch = build.algorithm(setup).batch_size
    passes = floor.PASSES[plan.algorithm]
    task = setup.model
    return floor.products(
        passes(task.obs_dim, task.action_dim, learn_rows(plan), batch), plan.hidden
    )


def learn_rows(plan: Plan) -> int:
    """Rows of a batch that train more than discriminators."""
    given = inspect.signature(ALGORITHMS[plan.algorithm]).parameters
    return plan.learn_rows or given["learn_rows"].default.stop


def experiment(plan: Plan, updates: int = 1, runs: int = 1) -> Experiment:
    """The experiment of a plan, with as many simulator rows as updates."""

    def rows(n: int | None) -> tuple[int, int] | None:
        return None if n is None else (0, n)

    return Experiment(
        task="halfcheetah",
        algorithm=plan.algorithm,
        runs=tuple(Run(seed, ()) for seed in range(runs)),
        dataset="",
        hidden=plan.hidden,
        discriminator_hidden=plan.hidden,
        learn_rows=rows(plan.learn_rows),
        discriminate_rows=rows(plan.discriminate_rows),
        steps=updates,
        updates=updates,
    )


class Block:
    """The training command's own program: stores rows, samples, updates."""

    def __init__(self, plan: Plan, updates: int, runs: int):
        """Places everything; the first call compiles."""
        setup = experiment(plan, updates, runs)
        method, task = build.algorithm(setup), setup.model
        devices = jax.devices()[: min(plan.cores, runs)]
        self._program = make_program(
            method, task.obs_dim, task.action_dim, runs, updates, devices
        )
        self._calls = -(-UPDATES // (updates * runs))
        self.updates = self._calls * updates * runs
        """Of all runs together, in one measurement."""
        self._learner = self._every_run(_init(plan))
        self._data = self._replay = self._rows = None
        if "real" in method.domains:
            # On every device once: training moves it once per thousand updates.
            self._data = self._program.replicate(random_rows(setup, CAPACITY))
        if "sim" in method.domains:
            full = replay.full(random_rows(setup, CAPACITY))
            self._replay = self._every_run(full)
            self._rows = self._every_run(random_rows(setup, updates))

    def __call__(self) -> float:
        """Updates per second."""
        began = time.perf_counter()
        for _ in range(self._calls):
            if self._replay is not None and self._rows is not None:
                self._replay = self._program.store(self._replay, self._rows)
            self._learner, metrics = self._program.learn(
                self._learner, self._replay, self._data
            )
        jax.block_until_ready((self._learner, self._replay, metrics))
        return self.updates / (time.perf_counter() - began)

    def text(self) -> str:
        """What it compiles to."""
        learn = self._program.learn
        return learn.compiled(self._learner, self._replay, self._data).as_text()

    def _every_run(self, one: Any) -> Any:
        shape = (self._program.runs,)
        return self._program.place(
            jax.tree.map(lambda x: jnp.broadcast_to(x, shape + x.shape), one)
        )


def _one_call(plan: Plan) -> Measure:
    """`Algorithm.update` as other people's training code calls it, fed by NumPy."""
    setup = experiment(plan)
    method, task = build.algorithm(setup), setup.model
    state = _init(plan)
    packed = np.asarray(random_rows(setup, UPDATES, method.batch_size))
    batches = [packing.unpack(rows, task.obs_dim, task.action_dim) for rows in packed]

    def measure() -> float:
        nonlocal state
        began = time.perf_counter()
        for batch in batches:
            given = {f"{domain}_batch": batch for domain in method.domains}
            state, metrics = method.update(state, **given)
        jax.block_until_ready((state, metrics))
        return UPDATES / (time.perf_counter() - began)

    return measure


def products_alone(plan: Plan) -> Measure:
    """The floor."""
    program = floor.program(products(plan), UPDATES)

    def measure() -> float:
        began = time.perf_counter()
        jax.block_until_ready(program())
        return UPDATES / (time.perf_counter() - began)

    return measure


@functools.cache
def _init(plan: Plan) -> LearnerState:
    """A first state; compiled once, for all measurements."""
    return jax.jit(build.algorithm(experiment(plan)).init)(jax.random.key(0))


def random_rows(setup: Experiment, *shape: int) -> jax.Array:
    """Packed rows `[*shape, D]` of noise, none of them terminal."""
    task = setup.model
    width = packing.width(task.obs_dim, task.action_dim)
    rows = np.random.default_rng(0).standard_normal((*shape, width), np.float32)
    packing.unpack(rows, task.obs_dim, task.action_dim).discount_t[...] = 1.0
    return jnp.asarray(rows)
