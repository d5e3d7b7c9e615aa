"""An epoch's updates: block by block, and none that is not finite.

A block takes about a second, so that whoever waits can do something in between. How
many updates it has changes no bit: the random numbers of each are a function of the
state's key and step, and one compiled loop does them all.

An update whose losses or new numbers are not finite is skipped: parameters, averages
and optimisers stay as they were, bit for bit. Only `step` goes on, the run's place in
its stream of random numbers, so that the next update draws other rows. After `PATIENCE`
skipped updates in a row the run has stopped: nothing of it changes any more. Other runs
notice nothing.

A non-finite number stays: once in a parameter, an optimiser state or a metric's sum, it
is still there at the epoch's end. One check there covers all updates. Where it finds
one, fewer updates are tried at once, down to that single update, and then more again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from h2o_jax.replay import Replay
from h2o_jax.types import LearnerState, Metrics

PATIENCE = 100
"""Skipped updates in a row after which a run stops."""
SKIPPED = "learner/skipped"
"""Metric: updates of an epoch that were skipped, or that a stopped run did not do."""
_SECONDS = 1.0
"""Target wall time of one block."""


class Progress(NamedTuple):
    """Runs in the middle of an epoch; arrays have a run axis `[R', ...]`."""

    states: LearnerState
    totals: Metrics
    """Sums of the metrics of an epoch's updates but for skipped ones; `SKIPPED`."""


_Block = Callable[[Progress, int], Progress]
"""`(progress, n) -> progress`, n updates later."""


class Functions(NamedTuple):
    """What an epoch is made of, over all runs and devices."""

    begin: Callable[[LearnerState], Progress]
    """No updates yet."""
    block: Callable[..., Progress]
    """`(progress, replay, data, n) -> progress`, n updates later."""
    sift: Callable[..., tuple[Progress, jax.Array]]
    """`sift` over runs; donates its second argument, `after`."""


class Learn:
    """See `Program.learn`."""

    def __init__(self, functions: Functions, updates: int):
        """Prepares epochs of so many updates."""
        self._do, self._updates = functions, updates
        self._size = 1

    def __call__(
        self,
        states: LearnerState,
        replay: Replay | None,
        data: jax.Array | None,
        between: Callable[[], object] = lambda: None,
    ) -> tuple[LearnerState, dict[str, np.ndarray]]:
        """An epoch's updates; the rows of a domain that is not used are None.

        Args:
            states: of all runs; they stay usable.
            replay: of all runs.
            data: `[N, D]` the log that all runs read.
            between: called after each block; it may raise, to give the epoch up.

        Returns:
            States, and metrics `[R']`: means over the updates that were not skipped,
            nan where all were, and `SKIPPED`.
        """

        def block(progress: Progress, n: int) -> Progress:
            after = self._do.block(progress, replay, data, np.int32(n))
            jax.block_until_ready(after)
            between()
            return after

        states, totals = self._advance(block, self._do.begin(states), self._updates)
        sums = {name: np.asarray(x) for name, x in totals.items()}
        skipped = sums.pop(SKIPPED)
        with np.errstate(invalid="ignore"):
            means = {k: x / (self._updates - skipped) for k, x in sums.items()}
        return states, means | {SKIPPED: skipped}

    def compiled(self, *given: Any) -> Any:
        """The program of a block, for the arguments of a call, as JAX compiled it."""
        states, replay, data = given
        block: Any = self._do.block
        begun = self._do.begin(states)
        return block.lower(begun, replay, data, np.int32(1)).compile()

    def _advance(self, block: _Block, runs: Progress, n: int) -> Progress:
        """The runs `n` updates later, without those that are not finite."""
        tried = n
        while n:
            tried = min(tried, n)
            after = self._blocks(block, runs, tried)
            sifted, failed = self._do.sift(runs, after, np.float32(tried))
            if tried == 1 or not np.asarray(failed).any():
                runs, n, tried = sifted, n - tried, 2 * tried
            else:
                tried = tried // 2
        return runs

    def _blocks(self, block: _Block, runs: Progress, n: int) -> Progress:
        """The runs `n` updates later, whatever became of them."""
        while n:
            size, begin = min(self._size, n), time.monotonic()
            runs, n = block(runs, size), n - size
            passed = time.monotonic() - begin
            # The last block of an epoch may be short, which says little of a long one.
            if size == self._size or passed > _SECONDS:
                self._size = max(1, int(size * min(2.0, _SECONDS / passed)))
        return runs


def stopped(failures: Mapping[str, Any]) -> Any:
    """`[...]` whether runs have stopped, by `LearnerState.failures`."""
    return sum(failures.values()) >= PATIENCE


def sift(
    groups: Sequence[str], before: Progress, after: Progress, n: jax.Array
) -> tuple[Progress, jax.Array]:
    """What a run keeps of `n` updates: all of them, or nothing but its new step.

    Args:
        groups: of parameters, in the order in which they are trained.
        before: the run before the updates.
        after: the run after them.
        n: how many they were; one, if they are not finite.

    Returns:
        What is kept, and whether the updates are not finite. Those of a run that had
        stopped before do not matter.
    """
    (old, new), halted = (before.states, after.states), stopped(before.states.failures)
    failed, failures = jnp.zeros((), bool), {}
    for group in groups:
        bad = ~_finite(group, after)
        failures[group] = old.failures[group] + (bad & ~failed)
        failed |= bad

    def kept(new: Any, old: Any) -> Any:
        return jax.tree.map(lambda x, y: jnp.where(failed | halted, y, x), new, old)

    states = new.replace(
        params=kept(new.params, old.params),
        target_params=kept(new.target_params, old.target_params),
        average_policy=kept(new.average_policy, old.average_policy),
        opt_state=kept(new.opt_state, old.opt_state),
        step=jnp.where(halted, old.step, new.step),
        failures={
            group: jnp.where(halted, old.failures[group], jnp.where(failed, count, 0))
            for group, count in failures.items()
        },
    )
    totals = kept(after.totals, before.totals)
    totals[SKIPPED] += jnp.where(failed | halted, n, 0.0)
    return Progress(states, totals), failed & ~halted


def _finite(group: str, run: Progress) -> jax.Array:
    """Whether all that a group has reported and become is finite.

    Of each array its sum is looked at, which is finite only where all of it is.
    """
    reported = [x for name, x in run.totals.items() if name.startswith(f"{group}/")]
    states = run.states
    became = jax.tree.leaves((states.params[group], states.opt_state[group]))
    # One reduction: XLA would compile a chain of sums into each array that is kept.
    return jnp.isfinite(jnp.stack([*reported, *map(jnp.sum, became)])).all()
