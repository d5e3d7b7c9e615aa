"""What was learned for simulators, kept in a cache folder.

A file's name has a digest of all that it depends on.
"""

import hashlib
import math
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import h2o_jax
from experiments import places
from experiments.mending import Mending, provenance, residuals
from h2o_jax.errors import CheckpointError
from h2o_jax.sim import fields, identify, residual, simulator_file
from h2o_jax.sim import gaps as gaps_lib
from h2o_jax.sim.fields import Value
from h2o_jax.sim.gaps import Gaps
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.residual import Residual

_LISTED = 6
"""Values of a fit that are printed; its file has all."""


def _silent() -> None:
    """Says nothing."""


def corrected(
    mending: Mending, gap: Gaps, begins: Callable[[], None] = _silent
) -> tuple[Residual, str]:
    """A simulator's residual; learned, and kept, if it is absent.

    Args:
        mending: what it is learned from.
        gap: of the simulator.
        begins: called before it is learned, which takes minutes.

    Returns:
        The residual, and what is known of it in one line.

    Raises:
        CheckpointError: what lies there is damaged, or another one.
        ConfigError: see `residuals.learn`.
        DatasetError: see `residuals.learn`.
    """
    path = residual_place(mending, gap)
    if path.is_file():
        found = residual.load(path, residuals.about(mending, gap))
        used = "" if found.useful else "not used, as it does not beat the simulator; "
        return found, f"{used}from {path}"
    places.try_folder("cache_dir", mending.cache)
    begins()
    learned = residuals.learn(mending, gap)
    keep(mending, gap, learned.residual)
    return learned.residual, residuals.line(learned)


def keep(mending: Mending, gap: Gaps, learned: Residual) -> pathlib.Path:
    """Writes a residual into the cache; gives its path."""
    path = residual_place(mending, gap)
    with places.writing("cache_dir", mending.cache):
        residual.save(path, learned)
    return path


def residual_place(mending: Mending, gap: Gaps) -> pathlib.Path:
    """Where a residual is kept."""
    digest = residuals.digest(residuals.about(mending, gap))[:12]
    return mending.cache / f"{mending.task.name}-residual-{digest}.npz"


def fitted(
    mending: Mending, gap: Gaps, how: Fitting, begins: Callable[[], None] = _silent
) -> tuple[Gaps, str]:
    """A simulator with fields fitted to the log; itself, where that does not help.

    A fit that does not help is kept, too: to find that out took as long.

    Args:
        mending: what it is fitted to.
        gap: of the simulator.
        how: it is fitted.
        begins: called before it is fitted, which takes minutes.

    Returns:
        Its gaps, and what is known of them in one line.

    Raises:
        CheckpointError: what lies there is no fitted simulator.
        ConfigError: see `identify.identify`.
        DatasetError: see `identify.identify`.
    """
    path = fitted_place(mending, gap, how)
    if not path.is_file():
        begins()
        _fit(mending, gap, how, path)
    file = simulator_file.read(str(path))
    told = file.provenance
    if not {"better", "converged", "at_bound"} <= told.keys():
        raise CheckpointError(f"{path}: no fit of this version; remove it")
    doubts = _doubts(told)
    if not told["better"]:
        return gap, f"not better on held-out episodes, not used{doubts}; see {path}"
    (mended,) = gaps_lib.parse_list(f"@{path}", mending.task.robot)
    found = _listed(file.fields)
    return mended, f"{gaps_lib.to_text(mended)}: {found}{doubts}; see {path}"


def _fit(mending: Mending, gap: Gaps, how: Fitting, path: pathlib.Path) -> None:
    """Fits a simulator and keeps it, whether or not it helps."""
    places.try_folder("cache_dir", mending.cache)
    task, dataset = mending.task, mending.dataset
    began = time.perf_counter()
    found = identify.identify(
        task, gap, dataset.transition, how, mending.inertia, mending.threads
    )
    seconds = time.perf_counter() - began
    with places.writing("cache_dir", mending.cache):
        file = provenance.content(found, gap, dataset, seconds)
        simulator_file.write(str(path), file)


def _listed(found: Sequence[Value]) -> str:
    """The values that differ most from those of the simulator that was given."""

    def apart(x: Value) -> float:
        field = fields.find(x.name)
        if field.neutral:
            return abs(math.log(max(x.value, 1e-9) / field.neutral))
        return abs(x.value) / field.typical

    most = sorted(found, key=apart, reverse=True)
    rest = len(most) - _LISTED
    more = [f"{rest} more"] if rest > 0 else []
    return ", ".join([*(f"{x.name} {x.value:.3g}" for x in most[:_LISTED]), *more])


def _doubts(told: Mapping[str, Any]) -> str:
    """What a fit's own file says against it."""
    doubts = [] if told["converged"] else ["the fit did not converge"]
    if told["at_bound"]:
        doubts.append(f"{', '.join(told['at_bound'])} at a bound, which taints all")
    return "".join(f"; {doubt}" for doubt in doubts)


def fitted_place(mending: Mending, gap: Gaps, how: Fitting) -> pathlib.Path:
    """Where a fitted simulator is kept."""
    task, dataset, text = mending.task, mending.dataset, gaps_lib.to_text(gap)
    # How a log is read changes its rows, too.
    log = dataset.sha256, residuals.rows_digest(dataset.transition)
    version = h2o_jax.__version__, identify.VERSION
    key = (task.name, text, mending.inertia, *log, how, *version)
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:12]
    return mending.cache / f"{task.name}-identified-{digest}.toml"
