"""H2O+ in a training loop of one's own: Gymnasium's Pendulum, a replay in NumPy.

The simulator has a gravity of 14 m/s^2, the real pendulum one of 10. All that is known
of the real one is a log of random actions.
"""

import gymnasium
import jax
import numpy as np

import h2o_jax


class Replay:
    """The last `capacity` transitions."""

    def __init__(self, capacity: int):
        self._rows = h2o_jax.Transition(
            *(np.zeros((capacity, *n), "float32") for n in ((3,), (1,), (), (), (3,)))
        )
        self._added = 0

    def add(self, *row):
        """Stores one transition in place of the oldest."""
        for column, value in zip(self._rows, row, strict=False):
            column[self._added % len(column)] = value
        self._added += 1

    def sample(self, rng, n):
        """Any `n` rows."""
        rows = rng.integers(min(self._added, len(self._rows.r_t)), size=n)
        return jax.tree.map(lambda column: column[rows], self._rows)


def steps_of(env, act, steps):
    """Transitions as `act` drives the environment; a time limit is no end."""
    s, _ = env.reset(seed=0)
    for _ in range(steps):
        a = act(s)
        after, r, terminated, truncated, _ = env.step(2 * a)  # torque in [-2, 2] N m
        yield s, a, r, 0.0 if terminated else 1.0, after
        s = env.reset()[0] if terminated or truncated else after


def main(steps: int = 10_000) -> float:
    """Trains for so many simulator steps; mean return in the real pendulum."""
    sim, real = gymnasium.make("Pendulum-v1", g=14.0), gymnasium.make("Pendulum-v1")
    alg = h2o_jax.h2o_plus(3, 1, hidden=(64, 64), discriminator_hidden=(64, 64))
    state = alg.init(jax.random.key(0), h2o_jax.Hyper(reward_scale=0.1))
    act, rng = jax.jit(alg.act), np.random.default_rng(0)

    log, replay = Replay(5000), Replay(20_000)
    for row in steps_of(real, lambda s: rng.uniform(-1, 1, 1), 5000):
        log.add(*row)
    explore = lambda s: np.asarray(  # noqa: E731
        act(state.actor, s, jax.random.fold_in(jax.random.key(1), state.step))
    )
    for row in steps_of(sim, explore, steps):
        replay.add(*row)
        batches = (x.sample(rng, alg.batch_size) for x in (log, replay))
        state, _ = alg.update(state, *batches)

    mode = lambda s: np.asarray(act(state.average_actor, s))  # noqa: E731
    rewards = [r for _, _, r, _, _ in steps_of(real, mode, 10 * 200)]
    return float(np.sum(rewards) / 10)


if __name__ == "__main__":
    print(f"mean real return {main():.0f}; random actions reach -1231")
