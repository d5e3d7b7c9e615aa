"""What one program is asked to do, as plain frozen data."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, tasks
from h2o_jax.sim.gaps import GapSetting
from h2o_jax.sim.tasks.task import Task
from h2o_jax.types import Hyper


@dataclasses.dataclass(frozen=True)
class Run:
    """One cell of the grid."""

    seed: int
    gap: tuple[GapSetting, ...]
    """How the simulator differs from the unmodified model."""
    hyper: tuple[tuple[str, float], ...] = ()
    """Float hyperparameters of this run that are not the default."""
    swept: tuple[tuple[str, float], ...] = ()
    """Those that differ between the runs of the grid."""

    @property
    def label(self) -> str:
        """What sets this run apart from others of its grid, but for its seed."""
        settings = [
            f"{name}={value!r}".removesuffix(".0") for name, value in self.swept
        ]
        return " ".join([gaps.to_text(self.gap), *settings])


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that `loop.train` needs to know."""

    task: str
    algorithm: str
    runs: tuple[Run, ...]
    dataset: str
    real: tuple[GapSetting, ...] = ()
    """How the real system differs from the unmodified model."""
    inertia: Literal["modern", "d4rl"] = "modern"
    backbone: str | None = None
    """Of the method; None for its default, as with the rows."""
    hidden: tuple[int, ...] = (256, 256)
    discriminator_hidden: tuple[int, ...] = (256, 256)
    critics: int | None = None
    """Size of the ensemble; None for the method's default."""
    critic_layer_norm: bool | None = None
    """As the ensemble's size."""
    batch: int = 128
    """Rows of each of two domains per update; scales the method's defaults."""
    learn_rows: tuple[int, int] | None = None
    discriminate_rows: tuple[int, int] | None = None
    normalise: bool = False
    return_range: float | None = None
    """Between the log's best and worst episodes, as the update sees them."""
    relative_noise: bool = False
    epochs: int = 1000
    steps: int = 1000
    """Simulator steps per epoch and run."""
    updates: int = 1000
    """Updates per epoch and run."""
    overlap: bool = False
    """Whether the simulators step, a block behind, while the device learns."""
    replay_rows: int | None = None
    """Simulated rows that each run keeps; None for ten times the log's."""
    matmul_precision: str | None = None
    """Of matrix products on accelerators; None for JAX's own choice."""
    evaluate_every: int = 10
    episodes: int = 10
    evaluation_seed: int = 10_000

    @property
    def model(self) -> Task:
        """The task's record."""
        return tasks.get(self.task)

    def evaluates(self, epoch: int) -> bool:
        """Whether `epoch`, 0 before any training, ends with an evaluation."""
        return epoch % self.evaluate_every == 0 or epoch == self.epochs

    def hyper(self, padded: int) -> Hyper:
        """Hyperparameters with `[padded]` leaves; the last run fills the padding."""
        rows = [Hyper().replace(**dict(run.hyper)) for run in self._padded(padded)]
        return jax.tree.map(lambda *xs: jnp.asarray(xs, jnp.float32), *rows)

    def keys(self, padded: int) -> tuple[jax.Array, jax.Array]:
        """Keys `[padded]` of learning and of exploration; the seeds alone decide."""
        roots = jnp.stack([jax.random.key(run.seed) for run in self._padded(padded)])
        both = jax.vmap(jax.random.split)(roots)
        return both[:, 0], both[:, 1]

    def _padded(self, padded: int) -> list[Run]:
        return [self.runs[min(i, len(self.runs) - 1)] for i in range(padded)]


def defaults() -> dict[str, Any]:
    """Every setting of an experiment or of `Hyper` that has a default."""
    fields = dataclasses.fields(Experiment)
    own = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
    return own | dataclasses.asdict(Hyper())


def grid(
    seeds: Sequence[int],
    gap_list: Sequence[tuple[GapSetting, ...]],
    hyper: Mapping[str, Sequence[float]],
) -> tuple[Run, ...]:
    """Every combination; seeds vary fastest, so that one setting's seeds are adjacent.

    Args:
        seeds: base seeds.
        gap_list: simulators.
        hyper: field of `Hyper` -> its values; names joined by `,` vary together.

    Raises:
        ConfigError: a combination occurs twice.
    """
    settings = [
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
            tuple((k, x) for k, x, _ in setting if x != getattr(Hyper(), k)),
            tuple((k, x) for k, x, swept in setting if swept),
        )
        for gap in gap_list
        for setting in settings
        for seed in seeds
    )
    for run in runs:
        if runs.count(run) > 1:
            raise ConfigError(f"{run.label}, seed {run.seed} is asked for twice")
    return runs


def part(runs: Any, index: int, count: int) -> Any:
    """One of `count` contiguous parts, whose sizes differ by at most one.

    Args:
        runs: a tuple of the whole grid, in its order, or an array `[R, ...]` over it.
        index: of the part, from 0.
        count: of all parts, at most as many as runs.
    """
    first, end = (len(runs) * i // count for i in (index, index + 1))
    return runs[first:end]
