"""Learning a residual: what the simulator misses, from the log and its replay.

Each logged row is put into the simulator, which does one control step with the logged
action. An ensemble learns, from what was seen, done and simulated, what the real system
did otherwise. Whole episodes are held out: what does not come out better there is not
corrected.
"""

import dataclasses
import hashlib
import json
import pathlib
import time
from typing import Any, NamedTuple

import jax
import numpy as np

import h2o_jax
from experiments import run_folder
from experiments.experiment import Correcting
from h2o_jax import ensemble
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim import replay_log, residual
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.models import Inertia, compile_model
from h2o_jax.sim.residual import Residual
from h2o_jax.sim.tasks.task import Task
from h2o_jax.types import Transition

Array = np.ndarray
MIN_ROWS = 500
"""Fewest rows whose states can be set exactly."""
HELD_OUT = 0.1
"""Share of the rows, in whole episodes, that nothing is learned from."""
QUANTILE = 0.99
"""Of the disagreement on training rows: up to there a correction counts in full."""
RIGHT = 1e-3
"""Error, in units of the one-step change, below which a number needs no correction."""
_PASSES, _FEWEST = 60, 250
"""Passes over the rows, and updates, after which a small log is learned by heart: of
1,000 rows of HalfCheetah, four times as many updates were worse than nothing."""
_PIECE = 0.1
"""Longest part of a log, as a share of it, that is held out in one piece."""
_CHUNK = 8192
"""Rows that the finished ensemble answers for at once."""


class Errors(NamedTuple):
    """Rms errors of one control step in held-out rows, `[O + 1]`, the reward last.

    In units of the log's rms one-step change of that number, and of the rewards' std.
    """

    before: Array
    """Of the simulator."""
    after: Array
    """Of the simulator with its residual."""

    @property
    def overall(self) -> tuple[float, float]:
        """Rms over all observations, before and after."""
        before, after = (float(np.sqrt(np.mean(x[:-1] ** 2))) for x in self)
        return before, after


class Learned(NamedTuple):
    """A residual and how it was tested."""

    residual: Residual
    errors: Errors
    rows: tuple[int, int]
    """Rows learned from, and held out."""
    inexact: int
    """Rows left out because their state is not known exactly."""
    seconds: tuple[float, float]
    """Of the replay, and of learning."""


class Rows(NamedTuple):
    """Logged steps beside simulated ones."""

    s_tm1: Array
    """`[N, O]`."""
    a_tm1: Array
    """`[N, A]`."""
    s_sim: Array
    """`[N, O]` what the simulator made of it."""
    target: Array
    """`[N, O + 1]` what the real system did otherwise, the reward last."""


def about(
    task: Task, gaps: Gaps, inertia: Inertia, dataset: Dataset, settings: Correcting
) -> dict[str, Any]:
    """All that a residual depends on, to be kept with it."""
    return {
        "task": task.name,
        "gap": gaps_lib.to_text(gaps),
        "inertia": inertia,
        "log": dataset.sha256,
        # How a log is read changes its rows, too.
        "rows": _digest(dataset.transition),
        "version": h2o_jax.__version__,
        **{k: v for k, v in vars(settings).items() if k.startswith("residual_")},
    }


def learn(
    task: Task,
    gaps: Gaps,
    dataset: Dataset,
    settings: Correcting = Correcting(),
    inertia: Inertia = "modern",
    threads: int = 0,
) -> Learned:
    """Learns what the simulator with these gaps misses of the log.

    Args:
        task: of the log.
        gaps: of the simulator.
        dataset: log of the real system.
        settings: its `residual_*`; an `Experiment` has them.
        inertia: see `models.compile_model`.
        threads: threads of the physics; 0 for one per core.

    Raises:
        ConfigError: the task does not tell states from observations.
        DatasetError: the log has too few rows whose state can be set exactly.
    """
    begin = time.monotonic()
    chosen, inexact = _choose(task, dataset, settings)
    known, held_out = _split(dataset.transition, chosen, settings.residual_seed)
    world = task, gaps, dataset.transition, inertia, threads
    train, test = _replayed(*world, known), _replayed(*world, held_out)
    replayed = time.monotonic()
    x, y = _inputs(train), train.target
    scales = *_moments(x), *_moments(y)
    layers = ensemble.fit(
        jax.random.key(settings.residual_seed),
        _standardised(x, *scales[:2], residual.INPUT_LIMIT),
        _standardised(y, *scales[2:], residual.OUTPUT_LIMIT),
        hidden=settings.residual_hidden,
        members=settings.residual_members,
        updates=min(settings.residual_updates, _enough(len(x))),
    )
    change = _change(dataset.transition)
    seen = np.concatenate([dataset.transition.s_tm1, dataset.transition.s_t])
    ungated = Residual(
        about(task, gaps, inertia, dataset, settings),
        tuple(w for w, _ in layers),
        tuple(b for _, b in layers),
        *scales,
        change=change,
        used=(_rms(y) > RIGHT * change).astype(float),
        limit=np.inf,
        low=seen.min(axis=0).astype(float),
        high=seen.max(axis=0).astype(float),
    )
    gated, errors = _gate(ungated, train, test)
    seconds = replayed - begin, time.monotonic() - replayed
    return Learned(gated, errors, (len(known), len(held_out)), inexact, seconds)


def obtain(
    folder: pathlib.Path,
    task: Task,
    gaps: Gaps,
    dataset: Dataset,
    settings: Correcting = Correcting(),
    inertia: Inertia = "modern",
    threads: int = 0,
) -> tuple[Residual, str]:
    """A residual from a cache folder; learned, and kept there, if it is absent.

    Returns:
        The residual, and what is known of it in one line.

    Raises:
        CheckpointError: what lies there is damaged, or another one.
        DatasetError: see `learn`.
    """
    wanted = about(task, gaps, inertia, dataset, settings)
    path = place(folder, task, gaps, dataset, settings, inertia)
    if path.is_file():
        found = residual.load(path, wanted)
        return found, _found(found, path)
    learned = learn(task, gaps, dataset, settings, inertia, threads)
    with run_folder.writing("cache_dir", folder):
        residual.save(path, learned.residual)
    return learned.residual, line(learned)


def place(
    folder: pathlib.Path,
    task: Task,
    gaps: Gaps,
    dataset: Dataset,
    settings: Correcting,
    inertia: Inertia,
) -> pathlib.Path:
    """Where a residual is kept, under a name that all it depends on decides."""
    wanted = about(task, gaps, inertia, dataset, settings)
    return folder / f"{task.name}-residual-{_digest(wanted)[:12]}.npz"


def line(learned: Learned) -> str:
    """What came out, in one line."""
    before, after = learned.errors.overall
    used = learned.residual.used
    seconds = sum(learned.seconds)
    if not learned.residual.useful:
        return (
            "not used: on held-out rows it does not beat the simulator, whose rms "
            f"error is {before:.4f} of a step's change ({seconds:.0f} s)"
        )
    return (
        f"held-out rms error {before:.4f} -> {after:.4f} of a step's change; corrects "
        f"{int(used[:-1].sum())} of {len(used) - 1} observations and "
        f"{'the reward' if used[-1] else 'not the reward'} ({seconds:.0f} s)"
    )


def _found(stored: Residual, path: pathlib.Path) -> str:
    used = "" if stored.useful else "not used, as it does not beat the simulator; "
    return f"{used}from {path}"


def table(learned: Learned) -> str:
    """What came out, number by number."""
    lines = [f"{'':14s} {'before':>8s} {'after':>8s} {'R2':>6s}"]
    used, (before, after) = learned.residual.used, learned.errors
    for i, (x, y) in enumerate(zip(before, after, strict=True)):
        name = "reward" if i == len(used) - 1 else f"observation {i}"
        gain = f"{1 - (y / x) ** 2:6.2f}" if used[i] else "  left as it is"
        lines.append(f"{name:14s} {x:8.4f} {y:8.4f} {gain}")
    return "\n".join(lines)


def _choose(task: Task, dataset: Dataset, settings: Correcting) -> tuple[Array, int]:
    """Rows `[n]` to use, in order, and how many the log has that cannot be set.

    Raises:
        ConfigError: the task does not tell states from observations.
        DatasetError: too few can.
    """
    if task.pose is None:
        raise ConfigError(
            f"--simulator=residual: the simulator of {task.name} cannot be put into a "
            "logged state; choose as_is"
        )
    log = dataset.transition
    pose = task.pose(compile_model(task), np.asarray(log.s_tm1, float))
    # A terminal row without a successor of its own repeats its observation.
    stands = (log.s_t == log.s_tm1).all(axis=1) & (np.asarray(log.discount_t) == 0)
    rows = np.flatnonzero(pose.exact & ~stands)
    if len(rows) < MIN_ROWS:
        raise DatasetError(
            f"{dataset.source}: {len(rows)} of its {len(log.r_t)} rows have a state "
            f"that the simulator can be put into; a residual needs {MIN_ROWS} at least"
        )
    rng = np.random.default_rng(settings.residual_seed)
    few = min(len(rows), settings.residual_rows)
    chosen = np.sort(rng.permutation(rows)[:few])
    return chosen, int(np.sum(~pose.exact))


def _split(log: Transition, rows: Array, seed: int) -> tuple[Array, Array]:
    """Rows to learn from and rows held out, which share no episode.

    An episode that is longer than a tenth of the log is cut into pieces.
    """
    sequence = replay_log.sequences(log)
    begins = np.flatnonzero(np.diff(sequence, prepend=-1))
    age = np.arange(len(sequence)) - begins[sequence]
    longest = max(1, int(_PIECE * len(sequence)))
    pieces = np.unique(
        np.stack([sequence, age // longest]), axis=1, return_inverse=True
    )
    piece = pieces[1].reshape(-1)[rows]
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(np.unique(piece))
    sizes = np.bincount(piece)[order]
    enough = np.searchsorted(np.cumsum(sizes), HELD_OUT * len(rows)) + 1
    held_out = np.isin(piece, order[:enough])
    return rows[~held_out], rows[held_out]


def _replayed(
    task: Task,
    gaps: Gaps,
    log: Transition,
    inertia: Inertia,
    threads: int,
    first: Array,
) -> Rows:
    """The rows `first [n]` of a log beside what the simulator does in them."""
    step = replay_log.replay(task, gaps, log, first, 1, inertia, threads)
    simulated = np.column_stack([step.s_t[:, 0], step.r_t[:, 0]])
    real = np.column_stack([log.s_t[first], log.r_t[first]]).astype(float)
    finite = np.isfinite(simulated).all(axis=1)
    rows = Rows(log.s_tm1[first], log.a_tm1[first], step.s_t[:, 0], real - simulated)
    return Rows(*(np.asarray(x[finite], float) for x in rows))


def _gate(whole: Residual, train: Rows, test: Rows) -> tuple[Residual, Errors]:
    """Limits a residual to where its members agree, and to what it improves."""
    disagreement = _answers(whole, train)[1]
    limit = max(float(np.quantile(disagreement, QUANTILE)), 1e-12)
    bounded = dataclasses.replace(whole, limit=limit)
    before = _rms(test.target)
    after = _rms(test.target - _corrections(bounded, test))
    used = bounded.used * (after < before)
    gated = dataclasses.replace(bounded, used=used)
    if used.any():  # of fewer numbers, disagreement has another scale
        limit = max(float(np.quantile(_answers(gated, train)[1], QUANTILE)), 1e-12)
        gated = dataclasses.replace(gated, limit=limit)
    after = _rms(test.target - _corrections(gated, test))
    return gated, Errors(before / whole.change, after / whole.change)


def _corrections(learned: Residual, rows: Rows) -> Array:
    """What a residual adds to simulated rows, `[N, O + 1]`."""
    found = [learned.correct(*x) for x in _chunks(rows)]
    return np.concatenate([np.column_stack([x.s_t, x.r_t]) for x in found])


def _answers(learned: Residual, rows: Rows) -> tuple[Array, Array]:
    found = [learned.answers(*x) for x in _chunks(rows)]
    means, disagreements = zip(*found, strict=True)
    return np.concatenate(means), np.concatenate(disagreements)


def _chunks(rows: Rows) -> list[tuple[Array, Array, Array]]:
    return [
        (
            rows.s_tm1[i : i + _CHUNK],
            rows.a_tm1[i : i + _CHUNK],
            rows.s_sim[i : i + _CHUNK],
        )
        for i in range(0, len(rows.target), _CHUNK)
    ]


def _enough(rows: int) -> int:
    """Updates of each network that so many rows are good for."""
    return max(_FEWEST, _PASSES * rows // ensemble.BATCH)


def _inputs(rows: Rows) -> Array:
    return np.column_stack([rows.s_tm1, rows.a_tm1, rows.s_sim - rows.s_tm1])


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and std `[D]`; 1 for a column that hardly varies."""
    std = x.std(axis=0)
    return x.mean(axis=0), np.where(std > 1e-9, std, 1.0)


def _standardised(x: Array, mean: Array, std: Array, limit: float) -> Array:
    return np.clip((x - mean) / std, -limit, limit)


def _change(log: Transition) -> Array:
    """Rms one-step change of the observations, and the rewards' std; `[O + 1]`."""
    change = np.append(_rms(np.asarray(log.s_t - log.s_tm1, float)), np.std(log.r_t))
    return np.maximum(change, 1e-9)


def _rms(x: Array) -> Array:
    return np.sqrt(np.mean(np.square(x), axis=0))


def _digest(what: object) -> str:
    """SHA-256 of rows, or of what a residual is about."""
    digest = hashlib.sha256()
    if isinstance(what, Transition):
        for column in what[:5]:
            digest.update(np.ascontiguousarray(column).data)
    else:
        digest.update(json.dumps(what, sort_keys=True).encode())
    return digest.hexdigest()
