"""A cart on a line: the smallest task with a real world and a wrong simulator.

State (x, v), one force, quadratic cost, no terminal state. Everything is JAX, so that
a whole training run is one program, and the optimal controller is known. The
simulator's cart is four times as heavy as the real one: a controller tuned there
pushes the real cart too hard, and it overshoots.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

import h2o_jax
from h2o_jax import packing, replay, with_next_action
from h2o_jax.types import Actor, Algorithm, Array, Domain, Hyper, Metrics, Transition

Controller = Callable[[jax.Array, jax.Array], jax.Array]
"""`(s [..., 2], key) -> push [..., 1]`."""

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


def move(s: jax.Array, a: jax.Array, mass: Any) -> jax.Array:
    """Where the push `a` in [-1, 1] takes the cart in one step."""
    x, v = s[..., 0], s[..., 1]
    acceleration = FORCE * a[..., 0] / mass
    x_t = x + DT * v + 0.5 * DT**2 * acceleration
    v_t = v + DT * acceleration
    return jnp.clip(jnp.stack([x_t, v_t], -1), -WALL, WALL)


def step(s: jax.Array, a: jax.Array, mass: Any) -> Transition:
    """One transition of every cart in `s` `[..., 2]`."""
    reward = -(s**2 @ jnp.array(STATE_COST)) - ACTION_COST * a[..., 0] ** 2
    return Transition(s, a, reward, jnp.ones_like(reward), move(s, a, mass))


def rollout(
    act: Controller, key: jax.Array, starts: Array, mass: Any = REAL_MASS
) -> Transition:
    """`Transition [STEPS, n, ...]` of `act(s, key)` from `starts` `[n, 2]`."""

    def one(s: jax.Array, key: jax.Array) -> tuple[jax.Array, Transition]:
        transition = step(s, act(s, key), mass)
        return transition.s_t, transition

    starts = jnp.asarray(starts, jnp.float32)
    return jax.lax.scan(one, starts, jax.random.split(key, STEPS))[1]


def cost(act: Controller, key: jax.Array, starts: Array = STARTS) -> jax.Array:
    """Mean cost of an episode on the real cart, over a grid of starts."""
    return -rollout(act, key, starts).r_t.sum(0).mean()


def uniform_starts(key: jax.Array, n: int) -> jax.Array:
    """`[n, 2]` states with position and speed uniform in [-1, 1]."""
    return jax.random.uniform(key, (n, OBS), minval=-1.0)


# --- controllers that need no learning ------------------------------------------------


def riccati(mass: float) -> tuple[np.ndarray, np.ndarray]:
    """Optimal gain k of `a = -k s` and cost matrix p of `s' p s`, in float64."""
    a = np.array([[1, DT], [0, 1]])
    b = np.array([[0.5 * DT**2], [DT]]) * FORCE / mass
    r = np.array([[ACTION_COST]])
    p = scipy.linalg.solve_discrete_are(a, b, np.diag(STATE_COST), r)
    k = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
    return k[0], p


def linear(gain: np.ndarray, noise: float = 0.0) -> Controller:
    """The controller `-gain s + noise`, clipped."""

    def act(s: jax.Array, key: jax.Array) -> jax.Array:
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
    algorithm: Algorithm,
    key: jax.Array,
    sim_mass: Any = SIM_MASS,
    hyper: Hyper = HYPER,
    updates: int = 1500,
    carts: int = 8,
    episodes: int = 64,
) -> tuple[jax.Array, Metrics]:
    """Learns from a log of the real cart and from simulated ones.

    Each update follows one step of all simulated carts. A method that does not use a
    domain gets no rows of it.

    Args:
        algorithm: the method.
        key: random key of the whole run.
        sim_mass: mass of the simulator's cart.
        hyper: float hyperparameters.
        updates: updates.
        carts: simulated carts, stepped together.
        episodes: episodes in the log, of `STEPS` rows each.

    Returns:
        The real cost, and metrics `[updates]`.
    """
    keys = jax.random.split(key, 5)
    state = algorithm.init(keys[0], hyper)
    log = _log(algorithm, keys[1], keys[2], episodes)
    simulated = replay.init(OBS, ACTIONS, updates * carts)

    def draw(source: replay.Replay, key: jax.Array) -> Transition:
        rows = replay.sample(source, key, algorithm.batch_size)
        return packing.unpack(rows, OBS, ACTIONS)

    def simulate(actor: Actor, s: jax.Array, key: jax.Array, t: jax.Array) -> Any:
        start_key, act_key = jax.random.split(key)
        s = jnp.where(t % STEPS == 0, uniform_starts(start_key, carts), s)
        return step(s, algorithm.act(actor, s, act_key), sim_mass)

    def one(carry: Any, t: jax.Array) -> tuple[Any, Metrics]:
        state, simulated, s = carry
        sim_key, *draw_keys = jax.random.split(jax.random.fold_in(keys[3], t), 3)
        sources: dict[Domain, replay.Replay] = {"real": log}
        if "sim" in algorithm.domains:
            experience = simulate(state.actor, s, sim_key, t)
            simulated = replay.extend(simulated, packing.pack(experience))
            s, sources["sim"] = experience.s_t, simulated
        batches = {
            f"{domain}_batch": draw(source, k)
            for (domain, source), k in zip(sources.items(), draw_keys, strict=False)
            if domain in algorithm.domains
        }
        state, metrics = algorithm.update(state, **batches)
        return (state, simulated, s), metrics

    carry = state, simulated, jnp.zeros((carts, OBS))
    (state, _, _), metrics = jax.lax.scan(one, carry, jnp.arange(updates))
    return cost(lambda s, key: algorithm.act(state.average_actor, s), keys[4]), metrics


def _log(
    algorithm: Algorithm, key: jax.Array, start_key: jax.Array, episodes: int
) -> replay.Replay:
    """What the driver did, with the next action where the method needs it."""
    log = rollout(LOGGED, key, uniform_starts(start_key, episodes))
    if algorithm.needs_next_action:
        log = jax.vmap(with_next_action, in_axes=1, out_axes=1)(log)
    return replay.full(packing.pack(log).reshape(STEPS * episodes, -1))


# DARC adds nats to rewards, which are about 0.05 per step here.
_HYPER = {"darc": {"reward_scale": 30.0}}


def trainer(name: str) -> Callable[[jax.Array, Any], jax.Array]:
    """One compiled program: `(key, mass of the simulator's cart) -> real cost`."""
    builder = h2o_jax.ALGORITHMS[name]
    own = inspect.signature(builder).parameters
    settings: dict[str, Any] = {"hidden": (32, 32), "discriminator_hidden": (32, 32)}
    settings["learn_rows"] = slice(0, 64)
    if "discriminate_rows" in own:
        settings |= dict.fromkeys(("learn_rows", "discriminate_rows"), slice(0, 32))
    if "critics" in own:
        settings["critics"] = 4
    algorithm = builder(OBS, ACTIONS, **settings)
    hyper = HYPER.replace(**_HYPER.get(name, {}))
    return jax.jit(lambda key, mass: train(algorithm, key, mass, hyper)[0])
