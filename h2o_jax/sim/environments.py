"""What environments of any task have in common: batched physics, or Gymnasium's own."""

from collections.abc import Sequence
from typing import Protocol

from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.sim.world import Step


class Environments(Protocol):
    """What collects and evaluates; see `World` for the attributes."""

    n: int
    observations: Array
    age: Array
    returns: Array
    unstable_episodes: Array
    astray: Array
    astray_episodes: Array
    trust: Array

    @property
    def task(self) -> Task:
        """What all of them do."""

    @property
    def begun(self) -> Array:
        """`[n]` episodes begun so far, each environment's own."""

    @property
    def corrected(self) -> bool:
        """Whether environments may be corrected after their steps."""

    @property
    def time(self) -> Array:
        """`[n]` simulated seconds since the reset, as a copy."""

    def reset(
        self, ids: Array | None = None, seeds: Sequence[int] | None = None
    ) -> None:
        """Starts new episodes."""

    def step(self, actions: Array, ids: Array | None = None) -> Step:
        """Advances environments by one control step."""

    def state(self) -> dict[str, Array]:
        """Everything that the future depends on, as copies of arrays."""

    def restore(self, state: dict[str, Array]) -> None:
        """Continues where `state()` was taken."""
