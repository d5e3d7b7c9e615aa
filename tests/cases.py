"""Every algorithm on tiny networks, and batches for it."""

import inspect

import jax
import numpy as np

import h2o_jax
from h2o_jax.types import Hyper, Transition

OBS, A, LEARN, ROWS, UPDATES = 3, 2, 4, 10, 10


def build(name):
    builder = h2o_jax.ALGORITHMS[name]
    settings = {"learn_rows": slice(0, LEARN)}
    if "discriminate_rows" in inspect.signature(builder).parameters:
        settings["discriminate_rows"] = slice(LEARN, ROWS)
    if "critics" in inspect.signature(builder).parameters:
        settings["critics"] = 3
    return builder(OBS, A, hidden=(8, 8), discriminator_hidden=(8, 8), **settings)


def transitions(seed):
    """`[UPDATES, ROWS, ...]`, of which a fifth is terminal."""
    rng = np.random.default_rng(seed)
    shape = UPDATES, ROWS
    columns = [
        rng.normal(size=(*shape, OBS)),
        np.tanh(rng.normal(size=(*shape, A))),
        rng.normal(size=shape),
        rng.uniform(size=shape) > 0.2,
        rng.normal(size=(*shape, OBS)),
    ]
    return Transition(*(x.astype(np.float32) for x in columns))


def with_next_action(log):
    """With next logged actions, of which a fifth is unknown."""
    rng = np.random.default_rng(2)
    unknown = rng.uniform(size=(UPDATES, ROWS, 1)) < 0.2
    a_t = np.where(unknown, np.inf, np.tanh(rng.normal(size=log.a_tm1.shape)))
    return log._replace(a_t=a_t.astype(np.float32))


REAL, SIM = with_next_action(transitions(0)), transitions(1)


def batch(i, tree):
    return jax.tree.map(lambda x: x[i], tree)


class Case:
    """An algorithm, compiled once for all tests."""

    def __init__(self, name):
        self.name = name
        self.algorithm = build(name)
        self.init = jax.jit(self.algorithm.init)
        self.traces = 0
        self.update = jax.jit(self._counted)

    def _counted(self, state, real, sim):
        self.traces += 1
        return self.algorithm.update(state, real, sim)

    def start(self, seed=0, **hyper):
        return self.init(jax.random.key(seed), Hyper(**hyper))

    def run(self, state, first=0, last=5, real=REAL, sim=SIM, update=None):
        """States and metrics after each update."""
        history = []
        for i in range(first, last):
            state, metrics = (update or self.update)(
                state, batch(i, real), batch(i, sim)
            )
            history.append((state, metrics))
        return history
