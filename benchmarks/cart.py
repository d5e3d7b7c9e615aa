"""A cart on a line: the smallest task with a real world and a wrong simulator.

State (x, v), one force, quadratic cost, no terminal state. Everything is JAX, so that
a whole training run is one program, and the optimal controller is known. The
simulator's cart is four times as heavy as the real one: a controller tuned there
pushes the real cart too hard, and it overshoots.
"""

import jax
import jax.numpy as jnp
import numpy as np

from h2o_jax import packing, replay, with_next_action
from h2o_jax.types import Hyper, Transition

OBS, ACTIONS = 2, 1
DT, FORCE, WALL = 0.4, 2.0, 3.0
REAL_MASS, SIM_MASS = 1.0, 4.0
STATE_COST, ACTION_COST = (1.0, 0.1), 0.1
STEPS = 30
STARTS = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), -1).reshape(-1, OBS)

HYPER = Hyper(
    discount=0.95,
    target_ema=0.02,
    policy_lr=1e-3,
    critic_lr=3e-3,
    value_lr=3e-3,
    log_alpha_lr=3e-3,
    discriminator_lr=1e-3,
)


# --- the cart -----------------------------------------------------------------------


def move(s, a, mass):
    """Where the push `a` in [-1, 1] takes the cart in one step."""
    x, v = s[..., 0], s[..., 1]
    acceleration = FORCE * a[..., 0] / mass
    x_t = x + DT * v + 0.5 * DT**2 * acceleration
    v_t = v + DT * acceleration
    return jnp.clip(jnp.stack([x_t, v_t], -1), -WALL, WALL)


def step(s, a, mass):
    """One transition of every cart in `s` `[..., 2]`."""
    reward = -(s**2 @ jnp.array(STATE_COST)) - ACTION_COST * a[..., 0] ** 2
    return Transition(s, a, reward, jnp.ones_like(reward), move(s, a, mass))


def rollout(act, key, starts, mass=REAL_MASS):
    """`Transition [STEPS, n, ...]` of `act(s, key)` from `starts` `[n, 2]`."""

    def one(s, key):
        transition = step(s, act(s, key), mass)
        return transition.s_t, transition

    starts = jnp.asarray(starts, jnp.float32)
    return jax.lax.scan(one, starts, jax.random.split(key, STEPS))[1]


def cost(act, key, starts=STARTS):
    """Mean cost of an episode on the real cart, over a grid of starts."""
    return -rollout(act, key, starts).r_t.sum(0).mean()


def uniform_starts(key, n):
    """`[n, 2]` states with position and speed uniform in [-1, 1]."""
    return jax.random.uniform(key, (n, OBS), minval=-1.0)


# --- controllers that need no learning ------------------------------------------------


def riccati(mass):
    """Optimal gain k of `a = -k s` and cost matrix p of `s' p s`, in float64."""
    a = np.array([[1, DT], [0, 1]])
    b = np.array([[0.5 * DT**2], [DT]]) * FORCE / mass
    p = q = np.diag(STATE_COST)
    for _ in range(1000):
        k = np.linalg.solve(ACTION_COST + b.T @ p @ b, b.T @ p @ a)
        p = q + a.T @ p @ (a - b @ k)
    return k[0], p


def linear(gain, noise=0.0):
    """The controller `-gain s + noise`, clipped."""

    def act(s, key):
        push = -s @ jnp.asarray(gain, jnp.float32)
        push += noise * jax.random.normal(key, push.shape)
        return jnp.clip(push, -1, 1)[..., None]

    return act


OPTIMAL = linear(riccati(REAL_MASS)[0])
STEADY = linear(0.3 * riccati(REAL_MASS)[0])
LOGGED = linear(0.3 * riccati(REAL_MASS)[0], noise=0.5)
"""Who drove the real cart for the log: too gentle, and (unlike STEADY) shaky."""


# --- learning -------------------------------------------------------------------------


def train(
    algorithm,
    key,
    sim_mass=SIM_MASS,
    hyper=HYPER,
    updates=1500,
    carts=8,
    episodes=64,
):
    """Learns from a log of the real cart and from simulated ones; the real cost.

    Each update follows one step of all simulated carts. A method that does not use a
    domain gets no rows of it.
    """
    keys = jax.random.split(key, 5)
    state = algorithm.init(keys[0], hyper)
    log = rollout(LOGGED, keys[1], uniform_starts(keys[2], episodes))
    if algorithm.needs_next_action:
        log = jax.vmap(with_next_action, in_axes=1, out_axes=1)(log)
    log = replay.full(packing.pack(log).reshape(STEPS * episodes, -1))
    memory = replay.init(OBS, ACTIONS, updates * carts)

    def draw(memory, key):
        rows = replay.sample(memory, key, algorithm.batch_size)
        return packing.unpack(rows, OBS, ACTIONS)

    def simulate(actor, s, key, t):
        start_key, act_key = jax.random.split(key)
        s = jnp.where(t % STEPS == 0, uniform_starts(start_key, carts), s)
        return step(s, algorithm.act(actor, s, act_key), sim_mass)

    def one(carry, t):
        state, memory, s = carry
        sim_key, *draw_keys = jax.random.split(jax.random.fold_in(keys[3], t), 3)
        sources = {"real": log}
        if "sim" in algorithm.domains:
            experience = simulate(state.actor, s, sim_key, t)
            memory = replay.extend(memory, packing.pack(experience))
            s, sources["sim"] = experience.s_t, memory
        batches = {
            f"{domain}_batch": draw(source, k)
            for (domain, source), k in zip(sources.items(), draw_keys, strict=False)
            if domain in algorithm.domains
        }
        state, metrics = algorithm.update(state, **batches)
        return (state, memory, s), metrics

    carry = state, memory, jnp.zeros((carts, OBS))
    (state, _, _), metrics = jax.lax.scan(one, carry, jnp.arange(updates))
    return cost(lambda s, key: algorithm.act(state.actor, s), keys[4]), metrics
