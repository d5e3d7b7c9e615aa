"""The runs of an experiment: a grid of seeds, gaps and hyperparameters."""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps
from h2o_jax.sim.gaps import Gaps
from h2o_jax.types import Hyper

MOST = 10_000
"""Runs of a grid, and numbers in a list of ranges."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One cell of the grid."""

    seed: int
    gap: Gaps
    """How the simulator differs from the unmodified model."""
    hyper: tuple[tuple[str, float], ...] = ()
    """Float hyperparameters of this run that are not the default."""
    swept: tuple[tuple[str, float], ...] = ()
    """Those that differ between the runs of the grid."""

    @property
    def label(self) -> str:
        """What sets this run apart from others of its grid, but for its seed."""
        swept = [f"{name}={value!r}".removesuffix(".0") for name, value in self.swept]
        return " ".join([gaps.to_text(self.gap), *swept])


def grid(
    seeds: Sequence[int],
    gap_list: Sequence[Gaps],
    hyper: Mapping[str, Sequence[float]],
) -> tuple[Run, ...]:
    """Every combination; seeds vary fastest, so that one setting's seeds are adjacent.

    Args:
        seeds: base seeds.
        gap_list: simulators.
        hyper: field of `Hyper` -> its values; names joined by `,` vary together.

    Raises:
        ConfigError: a combination occurs twice, or there are too many.
    """
    count = math.prod(map(len, (seeds, gap_list, *hyper.values())))
    if count > MOST:
        raise ConfigError(f"the grid has {count} runs, {MOST} at most; give fewer")
    combinations = [
        [
            (name, value, len(axis) > 1)
            for (names, axis), value in zip(hyper.items(), values, strict=True)
            for name in names.split(",")
        ]
        for values in itertools.product(*hyper.values())
    ]
    runs = tuple(
        Run(
            seed,
            gap,
            tuple((k, x) for k, x, _ in combination if x != getattr(Hyper(), k)),
            tuple((k, x) for k, x, swept in combination if swept),
        )
        for gap in gap_list
        for combination in combinations
        for seed in seeds
    )
    for run, times in Counter(runs).items():
        if times > 1:
            raise ConfigError(
                f"{run.label}, seed {run.seed} is given twice by the lists of --gap, "
                "--seed and hyperparameters; give it once"
            )
    return runs


def shard(runs: Any, index: int, count: int) -> Any:
    """One of `count` contiguous shards, whose sizes differ by at most one.

    Args:
        runs: a tuple of the whole grid, in its order, or an array `[R, ...]` over it.
        index: of the shard, from 0.
        count: of all shards, at most as many as runs.
    """
    first, end = (len(runs) * i // count for i in (index, index + 1))
    return runs[first:end]
