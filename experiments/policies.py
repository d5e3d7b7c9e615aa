"""Loads policies from a run folder."""

import collections
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np

from experiments import health, run_folder, simulate
from experiments.run_folder import BEST, CHOSEN, LAST, POLICY, checkpoints, saving
from h2o_jax import numpy_policy
from h2o_jax.errors import CheckpointError
from h2o_jax.networks import family, make_networks
from h2o_jax.types import Actor, ObsScales

Act = Callable[[np.ndarray], np.ndarray]


def load(
    folder: str | pathlib.Path,
    run: int | None = None,
    which: str = CHOSEN,
    units: Literal["scaled", "robot"] = "scaled",
) -> Act:
    """The deterministic policy of one run.

    Args:
        folder: a run folder of `experiments.run`.
        run: index of the run, in the order of versions.json's `runs`; by default that
            of `recommended`.
        which: `last`, `best` (at its best evaluation, see
            `training.State`), or `chosen` (see `meant`).
        units: of the actions: `scaled` to [-1, 1], or the `robot`'s, such as N m: its
            limits are those of the log or of the model's actuators, see `limits`.

    Returns:
        `observations [..., O] -> actions [..., A]`.

    Raises:
        CheckpointError: no such policy there, or it was altered.
    """
    folder = pathlib.Path(folder)
    run = recommended(folder) if run is None else run
    _check_run(folder, run)
    act = load_many(folder, [run], which)
    if units == "scaled":
        return lambda obs: act(np.asarray(obs)[None])[0]
    low, high = limits(folder)
    middle, half = (low + high) / 2, (high - low) / 2
    return lambda obs: middle + half * act(np.asarray(obs)[None])[0]


def meant(folder: pathlib.Path, run: int, which: str) -> str:
    """`last` or `best`, whichever is meant of one run.

    `chosen` is the best where the run's simulator was right, as it was found there,
    and the last where only the real system, or a wrong simulator, could have found it.

    Raises:
        CheckpointError: no run folder.
        ValueError: it is none of the three.
    """
    return _meant(run_folder.versions(folder)["runs"][run], which)


def _meant(about: Mapping[str, Any], which: str) -> str:
    """The same, of a run's entry in versions.json."""
    if which not in (LAST, BEST, CHOSEN):
        raise ValueError(f"which={which!r}; give {LAST!r}, {BEST!r} or {CHOSEN!r}")
    return str(about.get("chosen", LAST)) if which == CHOSEN else which


def trained(folder: pathlib.Path) -> int:
    """The epoch of a run folder's last policies."""
    return int(saving.read(folder, POLICY).info["epoch"])


def epoch(folder: pathlib.Path, run: int, which: str) -> int:
    """The epoch of which one run's policy is."""
    if meant(folder, run, which) == LAST:
        return trained(folder)
    own = history(folder, run)
    for name in ("simulated_return", "return"):
        scored = [x for x in own if name in x]
        if scored:
            return int(max(scored, key=lambda x: x[name])["epoch"])
    return 0


def why_lost(folder: pathlib.Path, run: int, which: str) -> str:
    """Why one run was lost, if its last policy is meant; empty otherwise."""
    if meant(folder, run, which) != LAST:
        return ""
    return health.why_lost(history(folder, run))


def chosen_returns(folder: pathlib.Path) -> dict[int, float]:
    """Runs whose policy a right simulator chose -> the return that it had there.

    Right simulators are of one system, so that returns compare across runs. A run that
    was lost is left out.

    Raises:
        CheckpointError: no run folder, or a line of its metrics was altered.
    """
    found, lines = {}, _by_run(folder)
    for i, about in enumerate(run_folder.versions(folder)["runs"]):
        own = lines[about["label"], about["seed"]]
        scores = (x.get("simulated_return", np.nan) for x in own)
        returns = [x for x in scores if np.isfinite(x)]
        if about.get("chosen") == BEST and returns and not health.why_lost(own):
            found[i] = max(returns)
    return found


def recommended(folder: pathlib.Path) -> int:
    """The run that did best in its simulator, or the first where none can tell.

    Where runs were lost, the first of the others.

    Raises:
        CheckpointError: see `chosen_returns`.
    """
    if returns := chosen_returns(folder):
        return max(returns, key=lambda run: returns[run])
    runs = range(len(run_folder.versions(folder)["runs"]))
    return next((run for run in runs if not health.why_lost(history(folder, run))), 0)


def history(folder: pathlib.Path, run: int) -> list[run_folder.Line]:
    """The lines of one run's metrics.

    Raises:
        CheckpointError: no run folder, or a line was altered.
    """
    about = run_folder.versions(folder)["runs"][run]
    return _by_run(folder)[about["label"], about["seed"]]


def _by_run(
    folder: pathlib.Path,
) -> Mapping[tuple[str, int], list[run_folder.Line]]:
    """The lines of a folder's metrics by label and seed."""
    lines = collections.defaultdict(list)
    for line in run_folder.metrics(folder):
        lines[line["label"], line["seed"]].append(line)
    return lines


def robot(folder: str | pathlib.Path) -> dict[str, Any]:
    """What the folder keeps of its robot: see `exporting.robot_record`.

    Raises:
        CheckpointError: it is no run folder, or one of an earlier version.
    """
    facts = run_folder.versions(pathlib.Path(folder))
    if "robot" not in facts:
        raise CheckpointError(
            f"{folder}: its versions.json says nothing of the robot's units, as it was "
            "written by an earlier version; train again"
        )
    return dict(facts["robot"])


def limits(folder: str | pathlib.Path) -> np.ndarray:
    """`[2, A]` what the actions -1 and 1 are in the robot's units, float32.

    Raises:
        CheckpointError: see `robot`.
    """
    actions = robot(folder)["actions"]
    return np.array([[x[k] for x in actions] for k in ("low", "high")], np.float32)


def network(
    folder: pathlib.Path, run: int, which: str
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Mean `[O]`, std `[O]` and layers of one run's deterministic policy.

    Raises:
        CheckpointError: see `load`; or it is the last policy of a run that was lost.
    """
    _check_run(folder, run)
    if why := why_lost(folder, run, which):
        raise CheckpointError(
            f"{folder}: run {run} was lost ({why}); take another run, or --which=best"
        )
    actor = jax.tree.map(lambda x: np.asarray(x)[run], _actors(folder, which))
    scales = actor.scales
    return scales.obs_mean, scales.obs_std, numpy_policy.mode_layers(actor)


def _check_run(folder: pathlib.Path, run: int) -> None:
    runs = len(run_folder.versions(folder)["runs"])
    if not 0 <= run < runs:
        raise CheckpointError(f"{folder}: run {run} of {runs}; give 0 to {runs - 1}")


def load_many(
    folder: str | pathlib.Path, runs: Sequence[int], which: str = CHOSEN
) -> Act:
    """The deterministic policies of `R` runs of a folder, as one function.

    Args:
        folder: a run folder of `experiments.run`.
        runs: their indices.
        which: see `load`.

    Returns:
        `observations [R, ..., O] -> actions [R, ..., A]` in [-1, 1].

    Raises:
        CheckpointError: see `load`.
    """
    actors = _actors(pathlib.Path(folder), which)
    picked = jax.tree.map(lambda x: x[np.asarray(runs)], actors)
    act, obs_dim = numpy_policy.make(picked), picked.scales.obs_mean.shape[-1]

    def every(obs: np.ndarray) -> np.ndarray:
        obs = np.asarray(obs, np.float32)
        if obs.shape[-1] != obs_dim:
            raise ValueError(f"observations {obs.shape}; the last must be {obs_dim}")
        return act(obs)

    return every


def _actors(folder: pathlib.Path, which: str) -> Actor:
    """The actors of all runs, `[R, ...]`, of each the one that is meant."""
    runs = run_folder.versions(folder)["runs"]
    best = np.array([_meant(about, which) == BEST for about in runs])
    if best.all():
        return _saved(folder, BEST)
    last = _saved(folder, POLICY)
    if not best.any():
        return last
    return simulate.either(best, _saved(folder, BEST), last)


def _saved(folder: pathlib.Path, which: str) -> Actor:
    """The actors of all runs, `[R, ...]`, once they are of the networks of the run."""
    facts = run_folder.versions(folder)
    runs = len(facts["runs"])
    arrays = saving.read(folder, which).arrays
    for name, array in arrays.items():
        if len(array) != runs or not np.isfinite(array).all():
            raise CheckpointError(
                f"{folder}: {which}: {name} is not finite or of other runs; do not use"
            )
    networks = make_networks(**facts["policy"], policy=family(arrays))
    policy = jax.eval_shape(networks.init["policy"], jax.random.key(0))
    scale = jax.ShapeDtypeStruct((networks.obs_dim,), np.float32)
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((runs, *x.shape), x.dtype),
        Actor(policy, ObsScales(scale, scale)),
    )
    try:
        actors: Actor = checkpoints.fit(arrays, like)
    except CheckpointError as error:
        raise CheckpointError(
            f"{folder}: {which} is no policy of this run ({error}); do not use"
        ) from error
    return actors
