"""Which episode each environment is in, its seed, and the model that it draws."""

from collections.abc import Callable, Sequence

import mujoco
import numpy as np

from h2o_jax.sim.interface import Interface
from h2o_jax.sim.tasks.task import Array

Variation = Callable[[np.random.Generator], tuple[mujoco.MjModel, Interface]]
"""Draws the model and the interface of an environment's next episode."""


class Episodes:
    """The episodes of `n` environments; each is a function of its seed.

    Attributes:
        number: `[n]` of the episode, -1 before the first.
        seed: `[n]` uint64 of the episode.
    """

    def __init__(self, seeds: Sequence[int], variations: Sequence[Variation | None]):
        """Nothing has begun.

        Args:
            seeds: `n` non-negative integers.
            variations: `n`, None where every episode has the same model; empty for
                none.
        """
        self._seeds = list(seeds)
        self._variations = list(variations) or [None] * len(self._seeds)
        self.number = np.full(len(self._seeds), -1)
        self.seed = np.zeros(len(self._seeds), np.uint64)

    def begin(self, ids: Array, seeds: Sequence[int] | None) -> None:
        """The next episodes of environments `ids [k]`, or those with given seeds."""
        if seeds is None:
            self.number[ids] += 1
            seeds = [episode_seed(self._seeds[i], self.number[i]) for i in ids]
        self.seed[ids] = seeds

    def drawn(self, ids: Array) -> dict[int, tuple[mujoco.MjModel, Interface]]:
        """Environment -> model and interface, for those of `ids` that vary."""
        drawn = {}
        for i in ids:
            variation = self._variations[i]
            if variation is not None:
                # Apart from the numbers of the reset and of the interface.
                rng = np.random.default_rng([int(self.seed[i]), 0, 1])
                drawn[int(i)] = variation(rng)
        return drawn


def episode_seed(seed: int, episode: int) -> int:
    """The seed of an environment's `episode`-th episode, 64 bits."""
    sequence = np.random.SeedSequence([int(seed), int(episode)])
    return int(sequence.generate_state(1, np.uint64)[0])
