"""Measurements of `peer` of PyTorch, made in the measuring process."""

import time

import jax
import numpy as np
import torch

from benchmarks import updates
from benchmarks.timing import Measure
from benchmarks.torch_peer import Batch, H2OPlus
from benchmarks.updates import Plan
from experiments import build
from h2o_jax import packing

EAGER = "PyTorch, eager"


def measures(plan: Plan) -> dict[str, Measure]:
    """The eager update of one run, its batches sampled by NumPy."""
    torch.set_num_threads(plan.cores)
    setup = updates.experiment(plan)
    task, rows = setup.model, build.algorithm(setup).batch_size
    agent = H2OPlus(
        task.obs_dim,
        task.action_dim,
        plan.hidden,
        updates.learn_rows(plan),
    )
    log, replay = (_Replay(plan, seed, rows) for seed in (0, 1))

    def measure() -> float:
        began = time.perf_counter()
        for _ in range(updates.UPDATES):
            agent.update(log.sample(), replay.sample())
        return updates.UPDATES / (time.perf_counter() - began)

    return {EAGER: measure}


class _Replay:
    """Columns of rows in NumPy arrays, as common replay buffers keep them."""

    def __init__(self, plan: Plan, seed: int, batch_size: int):
        setup = updates.experiment(plan)
        task = setup.model
        packed = updates.random_rows(setup, updates.CAPACITY)
        rows = packing.unpack(packed, task.obs_dim, task.action_dim)
        columns = {
            "observations": rows.s_tm1,
            "actions": rows.a_tm1,
            "rewards": rows.r_t,
            "dones": 1 - rows.discount_t,
            "next_observations": rows.s_t,
        }
        self._columns = jax.tree.map(np.asarray, columns)
        self._rng = np.random.default_rng(seed)
        self._batch_size = batch_size

    def sample(self) -> Batch:
        """Rows drawn uniformly, with replacement."""
        chosen = self._rng.integers(updates.CAPACITY, size=self._batch_size)
        return {k: torch.from_numpy(x[chosen]) for k, x in self._columns.items()}
