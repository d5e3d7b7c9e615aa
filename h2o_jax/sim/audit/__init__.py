"""Which simulator is the log's system, how wrong the others are, and what helps.

Every candidate is put into the log's states and given the log's actions, for one step
and for several. `rules` turns what is measured (`measures`) into a kind of gap and a
route; `checks` asks whether the log itself is to blame.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim import replay_log
from h2o_jax.sim.audit import belonging, checks, measures, noise, rules, structure
from h2o_jax.sim.audit.belonging import Other
from h2o_jax.sim.audit.measures import Errors
from h2o_jax.sim.audit.replayer import Replayer
from h2o_jax.sim.audit.rules import Verdict
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.models import Inertia
from h2o_jax.sim.tasks.gymnasium_task import GymnasiumTask
from h2o_jax.sim.tasks.task import Array, Task
from h2o_jax.types import Transition

PROBE = 4000
"""Rows of the estimates that need not all of them."""
FEW_WINDOWS = 500
"""Windows for shifted and scaled actions."""


class Sample(NamedTuple):
    """How much of a log is replayed."""

    horizons: Sequence[int] = (5, 10, 25)
    """Steps of the longer windows."""
    rows: int = 150_000
    """Most rows that are replayed for one step; of more, some."""
    windows: int = 1500
    """Most windows of each horizon; of more, some."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One simulator, measured and judged."""

    name: str
    """Its gaps as text."""
    errors: Errors
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class Audit:
    """What a log says of some simulators."""

    task: str
    inertia: str
    rows: int
    """Of the log."""
    used: int
    """Rows that were replayed from an exactly known state."""
    inexact: float
    """Share of rows whose state the observation does not tell exactly."""
    sequences: int
    """Unbroken runs of rows."""
    windows: dict[int, int]
    """Steps -> windows in the log; those without any are not in the horizons."""
    candidates: tuple[Candidate, ...]
    """The best first."""
    lags: dict[int, float]
    """Shift of actions in rows -> typical error of the best candidate."""
    scales: dict[float, float]
    """Factor of actions -> typical error of the best candidate."""
    warnings: tuple[str, ...]
    better_task: str | None
    """Another task that fits the log much better than this one."""

    @property
    def best(self) -> Candidate:
        """The candidate with the least error."""
        return self.candidates[0]


def audit(
    task: Task,
    candidates: Sequence[Gaps],
    log: Transition,
    *,
    sample: Sample = Sample(),
    time_limits: int = 0,
    inertia: Inertia = "modern",
    threads: int = 0,
) -> Audit:
    """Replays a log through every candidate, and ranks and judges them.

    Args:
        task: of the log.
        candidates: gaps of each simulator.
        log: rows `[N, ...]` in the order in which they were recorded.
        sample: what of the log is replayed.
        time_limits: episodes that a time limit ended.
        inertia: see `models.compile_model`.
        threads: threads of the physics; 0 for one per core.

    Raises:
        ConfigError: a candidate is given twice, or the task does not tell states from
            observations.
        DatasetError: no row's state is known exactly, or no rows follow each other.
    """
    replayer = Replayer(task, log, inertia, threads)
    ranked, chosen, found = _rank(replayer, candidates, sample)
    gaps = {gaps_lib.to_text(gaps): gaps for gaps in candidates}[ranked[0].name]
    lags = checks.lags(replayer, gaps, FEW_WINDOWS)
    scales = checks.scales(replayer, gaps, FEW_WINDOWS)
    other = _better_task(replayer, ranked[0], chosen)
    return Audit(
        task=task.name,
        inertia=inertia,
        rows=len(log.r_t),
        used=len(chosen),
        inexact=float(1 - _known(replayer, np.arange(len(log.r_t))).mean()),
        sequences=1 + int(np.sum(~replay_log.joined(log))),
        windows={k: len(x) for k, x in found.items()},
        candidates=ranked,
        lags=lags,
        scales=scales,
        warnings=(
            *checks.order(log, time_limits),
            *checks.columns(ranked[0].errors.horizons[0].rms),
            *checks.lag_warning(lags),
            *checks.scale_warning(scales),
            *_other_rewards(ranked[0]),
            *([str(other)] if other else []),
        ),
        better_task=other.task if other else None,
    )


def rank(
    task: Task,
    candidates: Sequence[Gaps],
    log: Transition,
    *,
    sample: Sample = Sample(),
    inertia: Inertia = "modern",
    threads: int = 0,
) -> tuple[Candidate, ...]:
    """The candidates of `audit`, the best first, in a third of its time.

    See `audit` for arguments and errors.
    """
    replayer = Replayer(task, log, inertia, threads)
    return _rank(replayer, candidates, sample)[0]


def _rank(
    replayer: Replayer, candidates: Sequence[Gaps], sample: Sample
) -> tuple[tuple[Candidate, ...], Array, dict[int, Array]]:
    """The candidates, the best first; rows of one step; longer windows there are."""
    names, task, log = _names(candidates), replayer.task, replayer.log
    before = max(map(replayer.latency, candidates))
    follow = replay_log.starts(log, 1, before)
    if not len(follow):
        raise DatasetError(
            f"no row of the log has {before} rows of its episode before it, whose "
            "commands wait in this simulator; give a log in the order in which it was "
            "recorded"
        )
    chosen = _exact(replayer, structure.spread(follow, sample.rows))
    if not len(chosen):
        raise DatasetError(
            f"--task={task.name}: no row of the log tells its state exactly; log "
            "unclipped velocities"
        )
    found = {k: replay_log.starts(log, k, before) for k in sample.horizons}
    longer = {
        k: _exact(replayer, structure.spread(x, sample.windows))
        for k, x in found.items()
    }
    longer = {k: x for k, x in longer.items() if len(x)}
    pairs = zip(names, candidates, strict=True)
    judged = [_candidate(replayer, *pair, chosen, longer) for pair in pairs]
    order = np.argsort([x.errors.score for x in judged], kind="stable")
    return tuple(judged[i] for i in order), chosen, found


def _names(candidates: Sequence[Gaps]) -> list[str]:
    """The candidates as text, each of which is another."""
    names = [gaps_lib.to_text(gaps) for gaps in candidates]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"gap {name} is given twice; drop one")
    return names


def _candidate(
    replayer: Replayer,
    name: str,
    gaps: Gaps,
    rows: Array,
    windows: dict[int, Array],
) -> Candidate:
    errors, used = measures.measure(replayer, gaps, rows, windows, PROBE)
    evidence = rules.Evidence(
        rows=used,
        exact=errors.below_largest[measures.BARS.index(rules.EXACT)],
        typical=min(horizon.typical for horizon in errors.horizons),
        worst=max(horizon.typical for horizon in errors.horizons),
        own_noise=errors.own_noise,
        explained=errors.explained,
        beyond_noise=0.0,
        fitted=gaps_lib.fitted(gaps),
    )
    verdict = rules.judge(evidence)
    if verdict.kind == "unexplained" and windows:  # noise is simulated where it decides
        beyond = _beyond_noise(replayer, gaps, windows)
        errors = dataclasses.replace(errors, beyond_noise=beyond)
        verdict = rules.judge(evidence._replace(beyond_noise=beyond or 0.0))
    return Candidate(name, errors, verdict)


def _beyond_noise(
    replayer: Replayer, gaps: Gaps, windows: dict[int, Array]
) -> float | None:
    """Typical error beyond what noise explains; None where the log cannot tell it."""
    found = noise.measure(replayer, gaps)
    if found is None:
        return None
    return noise.beyond(replayer, gaps, found, windows[max(windows)], [*windows])


def _exact(replayer: Replayer, first: Array) -> Array:
    """The windows that begin in an exactly known state."""
    return first[_known(replayer, first)]


def _known(replayer: Replayer, rows: Array) -> Array:
    task = replayer.task
    if task.pose is None:
        fix = "give the task a pose"
        if isinstance(task, GymnasiumTask):
            fix = "leave it as it is, or give its MuJoCo model as a task"
        raise ConfigError(
            f"--task={task.name}: its simulator cannot be put into a logged state, so "
            f"there is nothing to audit or to mend; {fix}"
        )
    s_tm1 = np.asarray(replayer.log.s_tm1, np.float64)[rows]
    return task.pose(replayer.model(), s_tm1).exact


def _better_task(replayer: Replayer, best: Candidate, rows: Array) -> Other | None:
    """Another task that fits the log better, where no simulator of its own is right."""
    if best.verdict.kind in ("same", "close"):
        return None
    own = best.errors.horizons[0].typical
    return belonging.better(replayer, own, structure.spread(rows, FEW_WINDOWS))


def _other_rewards(best: Candidate) -> list[str]:
    """Whether rewards or terminals are wrong in a simulator that is right otherwise."""
    if best.verdict.kind not in ("same", "close"):
        return []
    errors, off = best.errors, []
    if errors.reward > checks.REWARD:
        off.append(f"rewards (wrong by {errors.reward:.2f} of their std)")
    if errors.terminals > checks.REWARD:
        off.append(f"terminals ({errors.terminals:.1%} of the rows)")
    if not off:
        return []
    return [
        f"the dynamics are the log's, but not the {' and the '.join(off)}: the log is "
        "of another task of this robot, or its rewards were scaled"
    ]
