"""Logs of the real system: any supported file becomes a `Transition [N, ...]`.

`load` takes D4RL's HDF5, npz, CSV, Parquet, LeRobot, MCAP, ROS 2 bags and local Minari
datasets. Every reader returns the same named columns, which are checked, paired into
transitions and described here.
Nothing in a file is ever executed: no pickle, no environment made from metadata.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from h2o_jax.data import (
    episodes,
    files,
    frames,
    hdf5,
    minari_files,
    recorded,
    tables,
    validation,
)
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.data.hdf5 import write_d4rl
from h2o_jax.data.minari_files import write_minari
from h2o_jax.errors import ConfigError
from h2o_jax.types import Transition

__all__ = [
    "Dataset",
    "described",
    "load",
    "locate",
    "sha256",
    "summary",
    "write_d4rl",
    "write_minari",
]

Reader = Callable[[pathlib.Path, tables.ColumnMap], dict[str, np.ndarray]]
READERS: dict[str, Reader] = {
    ".hdf5": hdf5.read,
    ".h5": hdf5.read,
    ".npz": tables.read_npz,
    ".csv": frames.read_named,
}
PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".joblib")
PACKAGED = "package:"
"""Begins the name of a log that comes with the package."""
_LOGS = pathlib.Path(__file__).parent / "logs"
SCALARS = ("rewards", "terminals", "timeouts")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Transitions and what is known of their origin."""

    transition: Transition
    """float32 `[N, ...]`, in the order of the log."""
    episode_returns: np.ndarray
    """`[E]` sums of rewards of the episodes that ended in the log."""
    episode_lengths: np.ndarray
    """`[E]` their steps."""
    time_limits: int
    """Rows of the log at which a time limit ended an episode."""
    source: str
    sha256: str
    """Of the file that holds the arrays."""
    notes: tuple[str, ...] = ()
    """Changes and assumptions that reading made."""


def load(
    source: str,
    *,
    obs_dim: int,
    action_dim: int,
    columns: tables.ColumnMap | ColumnsFile = None,
    judge: recorded.Judge | None = None,
    action_bounds: tuple[Any, Any] | None = None,
    max_episode_steps: int | None = None,
    min_rows: int = 1,
    sha256: str | None = None,
    download: bool = False,
) -> Dataset:
    """Reads, checks and pairs one log.

    Args:
        source: path to a file or folder of a format above,
            `minari:NAMESPACE/NAME-vN`, or `package:NAME` for a log that comes with
            the package.
        obs_dim: numbers in an observation of the task.
        action_dim: numbers in an action of the task.
        columns: D4RL's name -> name in the file, or several put side by side such as
            `"x, y, joint_0..joint_5"`; or what a columns file says.
        judge: the task's rewards and terminals, for a columns file that leaves them
            to the task.
        action_bounds: the log's `(low, high)`, numbers or `[A]`, mapped to [-1, 1];
            none beside a columns file, which has them.
        max_episode_steps: time limit, for a log with neither timeouts nor successors;
            any number above the log's length if it has none.
        min_rows: rows that a run draws at once.
        sha256: refuse a file with another hash.
        download: let Minari fetch a dataset that is not here.

    Raises:
        ConfigError: limits of actions are given twice.
        DatasetError: in one line, the file, the finding and the fix.
    """
    if isinstance(columns, ColumnsFile) and action_bounds is not None:
        raise ConfigError(
            f"--action_bounds: {columns.path} has low and high of its actions; change "
            "them there"
        )
    path, read = _reader(source, download)
    want = validation.Want(obs_dim, action_dim, min_rows)
    with files.readable(path):
        digest = files.check_hash(path, sha256)
        if isinstance(columns, ColumnsFile):
            read_columns, first = recorded.read(path, columns, judge)
            action_bounds = columns.bounds
        else:
            read_columns, first = read(path, columns), ()
        table, notes = _squeeze(read_columns, want)
    validation.run_checks(validation.COLUMN_CHECKS, table, path, want)
    table["actions"] = _unit_actions(table["actions"], action_bounds)
    validation.run_checks((validation.check_action_range,), table, path, want)
    timeouts, note = episodes.time_limits(table, path, max_episode_steps)
    transition, pairing = _pair(table, timeouts)
    lengths, returns, order = episodes.complete(table, timeouts)
    return Dataset(
        transition=validation.validate(transition, path, **want._asdict()),
        episode_returns=returns,
        episode_lengths=lengths,
        time_limits=int(timeouts.sum()),
        source=source,
        sha256=digest,
        notes=(*first, *notes, *_clip_note(table["actions"]), *note, *pairing, *order),
    )


def locate(source: str) -> pathlib.Path:
    """The file that holds the arrays of a source, which may be absent.

    Raises:
        DatasetError: a Minari dataset that is not on this machine, or no packaged log.
    """
    if source.startswith("minari:"):
        return minari_files.locate(source.removeprefix("minari:"), download=False)
    if source.startswith(PACKAGED):
        return _packaged(source)
    return pathlib.Path(source)


def _packaged(source: str) -> pathlib.Path:
    """The file of a log that comes with the package."""
    path = _LOGS / f"{source.removeprefix(PACKAGED)}.hdf5"
    if path.parent != _LOGS or not path.is_file():
        known = ", ".join(PACKAGED + x.stem for x in sorted(_LOGS.glob("*.hdf5")))
        raise files.fail(source, f"no such log; there is {known}")
    return path


def sha256(source: str) -> str:
    """The hash that `load` gives the dataset of a source.

    Raises:
        DatasetError: there is no such file.
    """
    path = locate(source)
    with files.readable(path):
        return files.check_hash(path, None)


def _reader(source: str, download: bool) -> tuple[pathlib.Path, Reader]:
    """The file that a source names, and its reader."""
    if source.startswith("minari:"):
        dataset_id = source.removeprefix("minari:")
        return minari_files.locate(dataset_id, download), minari_files.read
    path = locate(source)
    kind = path.suffix.lower()
    if kind in PICKLED:
        raise files.fail(
            path,
            "a pickle, and loading one can run code; where you trust it, save its "
            "arrays with numpy.savez and load that",
        )
    if kind in READERS:
        return path, READERS[kind]
    if frames.reader(path) is None:
        known = ", ".join((*READERS, ".parquet", ".mcap"))
        finding = f"unknown kind of file; use {known}, a LeRobot or rosbag2 folder"
        raise files.fail(path, f"{finding} or minari:NAME-vN")
    return path, frames.read_named


def _squeeze(
    table: dict[str, np.ndarray], want: validation.Want
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Makes scalars `[N]` of `[N, 1]`, and vectors `[N, 1]` of `[N]`."""
    notes = []
    for name, column in table.items():
        if name in SCALARS and column.shape[1:] == (1,):
            table[name] = column[:, 0]
            notes.append(f"(N,1) {name} squeezed")
        if want.width(name) == 1 and column.ndim == 1:
            table[name] = column[:, None]
    return table, notes


def _unit_actions(actions: np.ndarray, bounds: tuple[Any, Any] | None) -> np.ndarray:
    """`[N, A]` actions mapped from `bounds` to [-1, 1]; as they are without bounds."""
    if bounds is None:
        return actions
    low, high = (np.asarray(bound, np.float64) for bound in bounds)
    fits = all(bound.shape in ((), actions.shape[1:]) for bound in (low, high))
    if not (fits and np.all(low < high)):
        wanted = f"low < high, each a number or {actions.shape[1]} of them"
        raise ConfigError(f"action_bounds: {low}, {high}; give {wanted}")
    return 2 * (actions - low) / (high - low) - 1


def _clip_note(actions: np.ndarray) -> list[str]:
    clipped = int(np.sum(np.abs(actions) > 1 + validation.ACTION_SLACK))
    share = clipped / actions.size
    return [f"{clipped} action values clipped ({share:.2%})"] if clipped else []


def _pair(
    table: validation.Columns, timeouts: np.ndarray
) -> tuple[Transition, list[str]]:
    """Steps with their successors; those whose successor is unknown are dropped.

    Where a log has no successors, that of a row is the next row's observation. It is
    unknown at a time limit and at the end of the log. At a terminal row no value
    depends on it, and the row's own observation takes its place.
    """
    obs = table["observations"]
    stops = table["terminals"] != 0
    keep = np.ones(len(obs), bool)
    notes = []
    successors = table.get("next_observations")
    if successors is None:
        successors = np.where(stops[:, None], obs, np.roll(obs, -1, axis=0))
        keep = ~timeouts
        keep[-1] &= stops[-1]
        notes.append(
            f"successors from the next row: {np.sum(~keep)} rows at time limits or the "
            f"log's end dropped, {stops.sum()} terminal rows are their own successors"
        )
    rows = (obs, table["actions"], table["rewards"], ~stops, successors)
    return Transition(*(x[keep] for x in rows)), notes


def summary(dataset: Dataset) -> str:
    """A few readable lines on a log."""
    lines = (f"  {name:<14}{text}" for name, text in described(dataset))
    return "\n".join([dataset.source, *lines])


def described(dataset: Dataset) -> list[tuple[str, str]]:
    """What `summary` says, as names and texts."""
    step = dataset.transition
    returns, lengths = dataset.episode_returns, dataset.episode_lengths
    rows, obs_dim = step.s_tm1.shape
    widths = f"{obs_dim} observations, {step.a_tm1.shape[-1]} actions"
    lines = [
        ("transitions", f"{rows:,}, {widths}"),
        ("episodes", f"{len(lengths)} complete"),
        ("terminals", f"{np.sum(step.discount_t == 0)}"),
        ("time limits", f"{dataset.time_limits}"),
        ("observations", _range(step.s_tm1)),
        ("actions", _range(step.a_tm1)),
        ("rewards", _range(step.r_t)),
        ("sha256", dataset.sha256),
        *(("note", note) for note in dataset.notes),
    ]
    if len(returns):
        std, best, worst = returns.std(), returns.max(), returns.min()
        spread = f"std {std:.1f}, best {best:.1f}, worst {worst:.1f}"
        steps = f"mean {lengths.mean():.0f}, {lengths.min()} to {lengths.max()} steps"
        lines.insert(2, ("lengths", steps))
        lines.insert(3, ("returns", f"mean {returns.mean():.1f}, {spread}"))
    return lines


def _range(values: np.ndarray) -> str:
    return f"{values.min():.4g} to {values.max():.4g}, mean {values.mean():.4g}"
