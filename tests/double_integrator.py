"""A cart on a line: the smallest task with a real world and a wrong simulator.

State (x, v), one force. Everything is JAX, so that a whole training run is one
program; the optimal controller is known. The simulator's cart is `SIM_MASS` times as
heavy as the real one: a controller tuned there pushes the real cart too hard, and it
overshoots.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from h2o_jax import replay
from h2o_jax.types import Algorithm, Hyper, Transition

DT, FORCE = 0.4, 2.0
REAL_MASS, SIM_MASS = 1.0, 4.0
STATE_COST, ACTION_COST = np.array([1.0, 0.1]), 0.1
LIMIT = 3.0
STEPS = 30
OBS, ACTIONS = 2, 1
STARTS = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), -1).reshape(-1, 2)


def move(s, a, mass):
    """Where force `a` in [-1, 1] takes the cart in one step; walls at +-LIMIT."""
    x, v = s[..., 0], s[..., 1]
    acceleration = FORCE * a[..., 0] / mass
    x_t = x + DT * v + 0.5 * DT**2 * acceleration
    v_t = v + DT * acceleration
    return jnp.clip(jnp.stack([x_t, v_t], -1), -LIMIT, LIMIT)


def reward(s, a):
    return -(s**2 @ STATE_COST) - ACTION_COST * a[..., 0] ** 2


def lqr_gain(mass):
    """Row k of the optimal a = -k s, by iterating the Riccati equation."""
    a = np.array([[1, DT], [0, 1]])
    b = np.array([[0.5 * DT**2], [DT]]) * FORCE / mass
    q, r = np.diag(STATE_COST), np.array([[ACTION_COST]])
    p = q
    for _ in range(1000):
        k = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
        p = q + a.T @ p @ (a - b @ k)
    return k[0]


def linear(gain, noise=0.0):
    """Controller `clip(-k s + noise)`, as `(obs, key) -> action`."""

    def act(s, key):
        push = -s @ jnp.asarray(gain, jnp.float32)
        return jnp.clip(push + noise * jax.random.normal(key, push.shape), -1, 1)[
            ..., None
        ]

    return act


def rollout(act, key, start, mass=REAL_MASS):
    """`STEPS` steps from `start` `[n, 2]` as `Transition [STEPS, n, ...]`."""

    def one(s, key):
        a = act(s, key)
        s_t = move(s, a, mass)
        r_t = reward(s, a)
        return s_t, Transition(s, a, r_t, jnp.ones_like(r_t), s_t)

    start = jnp.asarray(start, jnp.float32)
    return jax.lax.scan(one, start, jax.random.split(key, STEPS))[1]


def cost(act, key):
    """Mean cost of an episode on the real cart, over a grid of starts."""
    return -rollout(act, key, STARTS).r_t.sum(0).mean()


def log(key, act, episodes):
    """Packed rows `[episodes * STEPS, D]` of a controller on the real cart."""
    start_key, key = jax.random.split(key)
    start = jax.random.uniform(start_key, (episodes, OBS), minval=-1.0)
    rows = replay.pack(rollout(act, key, start))
    return rows.reshape(-1, rows.shape[-1])


class Settings(NamedTuple):
    """Size of a training run."""

    updates: int = 3000
    carts: int = 8
    episodes: int = 64


HYPER = Hyper(
    discount=0.95,
    target_ema=0.02,
    policy_lr=1e-3,
    critic_lr=3e-3,
    value_lr=3e-3,
    log_alpha_lr=3e-3,
    discriminator_lr=1e-3,
)
BEHAVIOUR = linear(0.3 * lqr_gain(REAL_MASS), noise=0.5)


def train(
    algorithm: Algorithm, key, hyper=HYPER, settings=Settings(), sim_mass=SIM_MASS
):
    """One update per step of the simulated carts; returns the cost on the real one."""
    init_key, log_key, run_key, cost_key = jax.random.split(key, 4)
    state = algorithm.init(init_key, hyper)
    data = replay.full(log(log_key, BEHAVIOUR, settings.episodes))
    memory = replay.init(OBS, ACTIONS, settings.updates * settings.carts)
    uses_sim = "sim" in algorithm.domains

    def draw(memory, key):
        rows = replay.sample(memory, key, algorithm.batch_size)
        return replay.unpack(rows, OBS, ACTIONS)

    def simulate(actor, memory, s, key, t):
        start_key, act_key = jax.random.split(key)
        fresh = jax.random.uniform(start_key, s.shape, minval=-1.0)
        s = jnp.where(t % STEPS == 0, fresh, s)
        a = algorithm.act(actor, s, act_key)
        s_t = move(s, a, sim_mass)
        r_t = reward(s, a)
        batch = Transition(s, a, r_t, jnp.ones_like(r_t), s_t)
        return replay.extend(memory, replay.pack(batch)), s_t

    def one(carry, t):
        state, memory, s = carry
        step_key, real_key, sim_key = jax.random.split(
            jax.random.fold_in(run_key, t), 3
        )
        real = draw(data, real_key) if "real" in algorithm.domains else None
        sim = None
        if uses_sim:
            memory, s = simulate(state.actor, memory, s, step_key, t)
            sim = draw(memory, sim_key)
        state, metrics = algorithm.update(state, real, sim)
        return (state, memory, s), metrics

    carry = state, memory, jnp.zeros((settings.carts, OBS))
    (state, *_), metrics = jax.lax.scan(one, carry, jnp.arange(settings.updates))
    learned = lambda s, key: algorithm.act(state.actor, s)
    return cost(learned, cost_key), metrics
