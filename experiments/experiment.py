"""What one program does, as plain frozen data.

The fields made by `setting` are the settings that exist: command lines, defaults and
help texts are generated from them.
"""

import dataclasses
from typing import Any, Literal, NewType

import jax
import jax.numpy as jnp

from experiments.mending_settings import MendingSettings
from experiments.runs import Run
from h2o_jax import settings
from h2o_jax.algorithms import ALGORITHMS
from h2o_jax.algorithms.h2o_plus import ANCHORS
from h2o_jax.algorithms.parts import WEIGHTINGS
from h2o_jax.settings import ANY, FREE, PLACE, POSITIVE, UNIT, at_least, setting
from h2o_jax.sim import gaps, systems, tasks
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.systems import System
from h2o_jax.sim.tasks.task import Task
from h2o_jax.types import Hyper
from h2o_jax.value_losses import BACKBONES

Ranges = NewType("Ranges", tuple[int, ...])
"""Different whole numbers; a command line may give them as ranges."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Task and data."""

    task: str = setting(
        "halfcheetah",
        "Robot and reward: "
        + ", ".join(tasks.TASKS)
        + "; or a task of your own: FILE.py:NAME, gymnasium:ID.",
    )
    dataset: str = setting(
        "",
        "Log of the real system: a .hdf5 (D4RL layout), .npz, .csv, .parquet or .mcap "
        "file, a LeRobot or ROS 2 bag folder (see docs/logs.md), minari:NAME, "
        "package:halfcheetah, or a wheel-legged robot's .txt. Empty: collect one (see "
        "--collect_*) and keep it in --cache_dir.",
        tags=[PLACE],
    )
    real: Gaps = setting(
        (),
        "The real system: how it differs from the task's model, as in --gap; or "
        "FILE.py:NAME, a second model of it; or unknown, where none is at hand, which "
        "is what a task of your own with a --dataset has unless told otherwise.",
    )
    inertia: Literal["modern", "d4rl"] = setting(
        "modern",
        "Capsule inertia of every model; d4rl is that of MuJoCo before 2.1.1, with "
        "which the D4RL and ODRL logs were recorded.",
    )

    @property
    def model(self) -> Task:
        """The task's record."""
        return tasks.get(self.task)

    @property
    def knows_real(self) -> bool:
        """Whether there is an environment of the real system."""
        return systems.known(self.real)

    @property
    def real_system(self) -> System:
        """The environment of the real system, where there is one."""
        return systems.of(self.task, self.real)

    @property
    def logged_system(self) -> System:
        """The real system as far as it is known: else the task's own simulator."""
        if self.knows_real:
            return self.real_system
        return System(self.model, (), self.task)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """Method, networks and batches."""

    algorithm: str = setting("h2o_plus", "Method.", tuple(ALGORITHMS))
    backbone: str | None = setting(
        None, "Value loss on real data; default: iql.", tuple(BACKBONES)
    )
    weighting: str | None = setting(
        None,
        "How simulated rows count in h2o_plus: by the dynamics ratio, by that over its "
        "mean, or all alike, which trains no discriminators; default: ratio.",
        tuple(WEIGHTINGS),
    )
    anchor: str | None = setting(
        None,
        "What keeps the policy of h2o_plus near the log: nothing, or cloning of logged "
        "actions by their advantage; default: none.",
        ANCHORS,
    )
    hidden: tuple[int, ...] = setting(
        (256, 256), "Widths of policy, critics and state value.", at_least(1)
    )
    discriminator_hidden: tuple[int, ...] = setting(
        (256, 256), "Widths of discriminators.", at_least(1)
    )
    critics: int | None = setting(
        None, "Critics of the ensemble; default: 2, or 10 for edac.", at_least(1)
    )
    critic_layer_norm: bool | None = setting(
        None, "LayerNorm in critics; default: only in rebrac."
    )
    policy_log_std: float = setting(
        -1.0,
        "Log-std of an untrained tanh-Gaussian policy, before its tanh: -1 as the "
        "published code, 0 to explore more widely.",
        ANY,
    )
    batch: int = setting(
        128,
        "Rows of each of two domains for value, critics and policy; a method of one "
        "domain and the discriminators take twice as many.",
        at_least(1),
    )
    learn_rows: tuple[int, int] | None = setting(
        None,
        "FIRST:END rows of each batch for value, critics and policy; empty: as "
        "--batch.",
    )
    discriminate_rows: tuple[int, int] | None = setting(
        None,
        "FIRST:END rows of each batch for the discriminators; empty: as --batch.",
    )
    normalise: bool = setting(
        False,
        "Normalise observations by the log's mean and std; a task of your own with a "
        "--dataset does so unless told otherwise.",
    )
    return_range: float | None = setting(
        None,
        "Scale rewards, on top of --reward_scale, so that the returns of the log's "
        "best and worst episodes differ by this; the IQL family's code uses 1000 for "
        "locomotion.",
        POSITIVE,
    )
    relative_noise: bool = setting(
        False,
        "Discriminator noise in units of the log's std per dimension, not absolute.",
    )
    matmul_precision: Literal["bfloat16", "tensorfloat32", "float32"] | None = setting(
        None,
        "Of matrix products on accelerators; default: JAX's, tensorfloat32 on "
        "NVIDIA's.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """Schedule and evaluation."""

    epochs: int = setting(
        1000, "Alternations of stepping and learning.", at_least(1), [FREE]
    )
    steps: int = setting(1000, "Simulator steps per epoch and run.", at_least(1))
    updates: int = setting(1000, "Updates per epoch and run.", at_least(1))
    random_steps: int = setting(
        0,
        "Simulator steps of each run that take uniform actions before the policy acts, "
        "in whole epochs.",
        at_least(0),
    )
    overlap: bool = setting(
        False,
        "Step the simulators while the device learns, by the policy of two "
        "epochs before.",
    )
    randomise: bool = setting(
        False,
        "Draw the fields of each simulated episode from the intervals of --gap=@FILE.",
    )
    replay_rows: int | None = setting(
        None,
        "Simulated rows that a run keeps, at least --steps; default: ten times the "
        "log's.",
        at_least(1),
    )
    evaluate_every: int = setting(
        10, "Epochs between evaluations.", at_least(1), [FREE]
    )
    episodes: int = setting(
        10, "Real episodes per evaluation and run.", at_least(1), [FREE]
    )
    evaluation_seed: int = setting(
        10_000, "Seed of the first evaluation episode.", at_least(0)
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Runs: every gap with every hyperparameter of a list and every seed."""

    seed: Ranges = setting(
        (0,), "Base seeds: a list such as 0,1,2 or a range 0..4.", at_least(0)
    )
    gap: str = setting(
        "gravity:2",
        "How the simulator is wrong: NAME or NAME:FACTOR; a+b is both in one "
        "simulator, a,b is one run each; 'none' leaves it right, the default for a "
        "task of your own. Names: " + ", ".join(gaps.names()) + ".",
    )
    defaults: Literal["recommended", "balancing", "published"] = setting(
        "recommended",
        "Values of flags that are not given: recommended, those of "
        "flagfiles/recommended/, with which methods learn faster; balancing, these and "
        "those of flagfiles/recommended/balancing/, for robots that can fall; or the "
        "published ones.",
        tags=[PLACE],
    )
    lambda_: tuple[float, ...] | None = setting(
        None,
        "Sets lambda_real and lambda_sim together: share of V(s') in the Bellman "
        "target.",
        UNIT,
    )
    only: str = setting(
        "",
        "Only these runs of the grid, counted from 0 in its order, such as 0,3..5; "
        "empty: all.",
        tags=[PLACE],
    )
    shard: str = setting(
        "",
        "I/N: only the I-th (0 to N-1) of N nearly equal shards of the grid of runs, "
        "in its order; empty: all of it.",
        tags=[PLACE],
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(Source, Method, Schedule, MendingSettings):
    """Everything that training needs to know."""

    runs: tuple[Run, ...]

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
    """Every setting of an experiment or of `Hyper`, but for what it is about."""
    own = {field.name: field.default for field, _ in settings.of(Experiment)}
    for name in ("task", "algorithm", "dataset"):
        del own[name]
    return own | dataclasses.asdict(Hyper())
