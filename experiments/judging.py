"""What a policy is worth in a real system that nobody can try it in: three estimates.

None of them is a real return. Fitted Q evaluation asks the log alone, a return in the
simulator what the policy was trained in; and how far the policy leaves the log says how
much either can know.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import cKDTree

from h2o_jax import packing
from h2o_jax.algorithms.fqe import fqe
from h2o_jax.errors import DatasetError
from h2o_jax.networks import make_networks
from h2o_jax.program import Program, make_program
from h2o_jax.scales import divisor, log_scales
from h2o_jax.settings import OPEN_UNIT, at_least, setting
from h2o_jax.sim import replay_log, rollout
from h2o_jax.sim.environments import Environments
from h2o_jax.sim.tasks.task import Task
from h2o_jax.types import Hyper, Transition

Array = np.ndarray
Act = Callable[[Array], Array]
"""`observations [..., O] -> actions [..., A]`."""
_NEIGHBOURS, _QUESTIONS = 50_000, 2000
"""Most logged rows that are searched, and rows that are asked about."""
_HORIZONS = 5.0
"""Effective horizons that the targets go through: exp(-5) of a value is missing."""

_ALONE = 0.5
"""Share of rows without a successor that no log in its order has."""
_REST = 0.05
"""Share of an endless discounted value after a time limit that is worth a line."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judging:
    """How policies are judged."""

    discount: float = 0.99
    """Of every estimate."""
    fqe_updates: int = setting(10_000, "Updates of each critic.", at_least(1))
    fqe_hidden: tuple[int, ...] = setting((128, 128), "Widths.", at_least(1))
    fqe_members: int = setting(3, "Critics, each with a seed of its own.", at_least(2))
    held_out: float = setting(
        0.2,
        "Share of the log's rows, in whole episodes, that no critic sees.",
        OPEN_UNIT,
    )
    simulated_episodes: int = setting(
        10, "Episodes in the simulator, and in the real system if any.", at_least(1)
    )
    judge_seed: int = setting(0, "Of critics, held-out episodes, samples.", at_least(0))


class FittedValue(NamedTuple):
    """A value by fitted Q evaluation, over the starts of held-out episodes."""

    value: float
    """Mean discounted return."""
    error: float
    """Standard error: how the critics disagree, and how the starts differ.

    That all critics are wrong together is not in it.
    """


class Log(NamedTuple):
    """A log, parted into episodes that critics learn from and others."""

    rows: Transition
    held_out: Array
    """`[N]` bool."""
    episodes: tuple[slice, ...]
    """Rows of each held-out episode."""

    @property
    def starts(self) -> Array:
        """`[e, O]` observations that held-out episodes begin with."""
        return np.asarray(self.rows.s_tm1)[[x.start for x in self.episodes]]


def evaluated_steps(task: Task) -> int:
    """Control steps of a whole episode in the simulator."""
    if task.evaluation_seconds is None:
        return task.horizon
    return round(task.evaluation_seconds / task.dt)


def cut(horizon: int, discount: float) -> list[str]:
    """Which estimates a time limit cuts, where more than a little comes after it."""
    rest = discount**horizon
    if rest <= _REST:
        return []
    return [
        f"episodes of {horizon} steps hold {1 - rest:.0%} of an endless discounted "
        "value: fqe goes on beyond the time limit, the log's own and simulated do not"
    ]


def part(rows: Transition, share: float, seed: int) -> Log:
    """Holds whole episodes out.

    None of them has more than twice that share, unless all have: then one of the
    shortest is held out.

    Raises:
        DatasetError: there are fewer than two, or rows do not follow each other.
    """
    sequence = replay_log.sequences(rows)
    count = sequence[-1] + 1
    if count < 2:
        raise DatasetError(
            "the log is one episode, and none can be held out; give one with more"
        )
    alone = ~replay_log.joined(rows) & (np.asarray(rows.discount_t)[:-1] > 0)
    if np.mean(alone) > _ALONE:
        raise DatasetError(
            f"{np.mean(alone):.0%} of the rows of the log are not followed by their "
            "successor; give it in the order in which it was recorded"
        )
    order, sizes = np.random.default_rng(seed).permutation(count), np.bincount(sequence)
    fits = sizes[order] <= 2 * share * len(sequence)
    order = order[fits] if fits.any() else order[[np.argmin(sizes[order])]]
    before = np.cumsum(sizes[order])
    chosen = order[: max(1, np.searchsorted(before, share * len(sequence)))]
    ends = np.cumsum(sizes)
    episodes = (slice(ends[i] - sizes[i], ends[i]) for i in np.sort(chosen))
    return Log(rows, np.isin(sequence, chosen), tuple(episodes))


def logged_value(log: Log, discount: float) -> float:
    """Mean discounted return of the held-out episodes as they were logged."""
    rewards = np.asarray(log.rows.r_t, float)
    every = (rewards[rows] for rows in log.episodes)
    return float(np.mean([discount ** np.arange(len(r)) @ r for r in every]))


def fitted_q_evaluation(log: Log, act: Act, how: Judging) -> FittedValue:
    """Fitted Q evaluation of a policy from a log.

    Rewards are scaled so that values are near one, and observations by their std.
    """
    rows = log.rows
    kept = jax.tree.map(lambda x: np.asarray(x)[~log.held_out], rows._replace(a_t=None))
    kept = kept._replace(a_t=np.asarray(act(kept.s_t), np.float32))
    sizes = kept.s_tm1.shape[1], kept.a_tm1.shape[1]
    program, members = _program(*sizes, how), how.fqe_members
    scale = (1 - how.discount) / max(float(np.sqrt(np.mean(kept.r_t**2))), 1e-6)
    scales = log_scales(kept)
    hyper = Hyper().replace(
        discount=how.discount,
        critic_lr=1e-3,
        target_ema=target_step(how.discount, how.fqe_updates),
        reward_scale=scale,
    )
    hyper = jax.tree.map(lambda x: jnp.full(members, x, jnp.float32), hyper)
    keys = jax.random.split(jax.random.key(how.judge_seed), members)
    state = program.init(keys, hyper, scales)
    data = program.replicate(packing.pack(kept))
    state, _ = program.learn(state, None, data)
    networks = make_networks(
        *sizes, hidden=how.fqe_hidden, critics=1, critic_layer_norm=True
    )
    start = (log.starts - scales.obs_mean) / scales.obs_std
    values = jax.vmap(networks.critic, in_axes=(0, None, None))(
        state.params["critic"], jnp.asarray(start), jnp.asarray(act(log.starts))
    )
    return _summary(np.asarray(values[..., 0], float) / scale)


def target_step(discount: float, updates: int) -> float:
    r"""Step of the targets with which `updates` are enough to reach the values.

    Critics begin near zero, and follow their targets closely; these move by a step
    :math:`\eta` a time towards rewards and discounted values. Where nothing ends an
    episode, what is missing of a value after `n` updates is

    .. math:: (1 - \eta (1 - \gamma))^n \approx e^{-\eta (1 - \gamma) n},

    so the step is chosen for an exponent of five: 0.7 %. A smaller one reports values
    that are too low, whatever the log; a larger one only adds noise.
    """
    return min(1.0, _HORIZONS / ((1 - discount) * updates))


@functools.cache
def _program(obs_dim: int, action_dim: int, how: Judging) -> Program:
    """All critics as one program, which is compiled once for many policies."""
    method = fqe(obs_dim, action_dim, hidden=how.fqe_hidden)
    sizes = obs_dim, action_dim, how.fqe_members, how.fqe_updates
    return make_program(method, *sizes, jax.local_devices()[:1])


def _summary(values: Array) -> FittedValue:
    """Of values `[members, starts]`."""
    by_member, by_start = values.mean(axis=1), values.mean(axis=0)
    members, starts = (
        x.var(ddof=1) / len(x) if len(x) > 1 else 0.0 for x in (by_member, by_start)
    )
    return FittedValue(float(values.mean()), float(np.sqrt(members + starts)))


def leaving(log: Log, act: Act, seed: int) -> float:
    r"""How much further from the log the policy's actions are than the log's own.

    .. math:: \frac{\mathrm{median}\ d(s, \pi(s))}{\mathrm{median}\ d(s, a)}

    In states of held-out episodes, d is the distance to the nearest logged state and
    action of the others, each number in units of its std. Near 1, the log knows what
    the policy does; at several, nothing does.
    """
    rng = np.random.default_rng(seed)
    s, a = (np.asarray(x, float) for x in (log.rows.s_tm1, log.rows.a_tm1))
    std = divisor(np.concatenate((s, a), axis=1).std(axis=0))
    known = _drawn(rng, np.flatnonzero(~log.held_out), _NEIGHBOURS)
    asked = _drawn(rng, np.flatnonzero(log.held_out), _QUESTIONS)
    tree = cKDTree(np.concatenate((s[known], a[known]), axis=1) / std)
    own, policy = (
        np.median(tree.query(np.concatenate((s[asked], x), axis=1) / std)[0])
        for x in (a[asked], act(s[asked]))
    )
    return float(policy / max(own, 1e-9))


def _drawn(rng: np.random.Generator, rows: Array, most: int) -> Array:
    return rows if len(rows) <= most else rng.choice(rows, most, replace=False)


def discounted(
    world: Environments, act: Act, episodes: int, seed: int, discount: float
) -> Array:
    """Discounted returns `[P, E]` of whole episodes; see `rollout.evaluate`."""
    total, before = np.zeros((2, world.n))

    def add(*_: Array) -> None:
        """What the last step paid; where an episode has ended, that is nothing."""
        total[:] += discount ** np.maximum(world.age - 1, 0) * (world.returns - before)
        before[:] = world.returns

    evaluation = rollout.evaluate(world, act, episodes, seed, add)
    add()
    return total.reshape(evaluation.returns.shape)
