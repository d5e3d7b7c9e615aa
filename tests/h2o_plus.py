"""One compiled update of a tiny H2O+, and the batches it learns from."""

import jax
import jax.numpy as jnp
import numpy as np

import h2o_jax
from h2o_jax.types import Hyper, Transition

OBS, A = 3, 2
LEARN, DISCRIMINATE = 4, 10
GROUPS = ("discriminator", "value", "critic", "policy", "log_alpha")


def transitions(seed):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    n = DISCRIMINATE
    going = (rng.uniform(size=n) > 0.2).astype(np.float32)
    return Transition(
        normal(n, OBS), np.tanh(normal(n, A)), normal(n), going, normal(n, OBS)
    )


class H2OPlus:
    """One compiled update; everything varied below is a leaf or a batch."""

    real, sim = transitions(0), transitions(1)

    def __init__(self):
        self.algorithm = h2o_jax.h2o_plus(
            OBS,
            A,
            hidden=(8, 8),
            discriminator_hidden=(8, 8),
            learn_rows=slice(0, LEARN),
            discriminate_rows=slice(LEARN, DISCRIMINATE),
        )
        self.init = jax.jit(self.algorithm.init)
        # A few steps away from the small initial values.
        state = self.init(jax.random.key(0), Hyper(policy_lr=0.1, value_lr=0.1))
        for _ in range(3):
            state, _ = self.algorithm.update(state, self.real, self.sim)
        self.state = state.replace(hyper=jax.tree.map(jnp.float32, Hyper()))

    def __call__(self, real=None, sim=None, scales=None, **hyper):
        leaves = {k: jnp.float32(v) for k, v in hyper.items()}
        state = self.state.replace(hyper=self.state.hyper.replace(**leaves))
        if scales is not None:
            state = state.replace(scales=scales)
        real = self.real if real is None else real
        sim = self.sim if sim is None else sim
        return self.algorithm.update(state, real, sim)
