"""Minari datasets, read without letting them name any code to run.

`minari.load_dataset` makes the environment that the metadata names when the spaces
are missing, which imports and calls whatever it says. Here the arrays are read
directly, and no environment is ever made from a file.
"""

import json
import os
import pathlib
import re
import shutil
import warnings
from typing import Any

import gymnasium
import jax
import numpy as np

from h2o_jax.data import files, hdf5
from h2o_jax.data.tables import ColumnMap
from h2o_jax.errors import DatasetError
from h2o_jax.types import Transition

ID = re.compile(r"([\w-]+/)*[\w-]+-v\d+", re.ASCII)
LONGEST = 200
"""Characters of an id; file systems take 255 in a name."""
FIELDS = ("observations", "actions", "rewards", "terminations", "truncations")


def locate(dataset_id: str, download: bool = False) -> pathlib.Path:
    """The HDF5 file of a dataset, downloaded if it is absent and `download` is set.

    Raises:
        DatasetError: if the id is malformed, or the dataset absent and not to be had.
    """
    folder = _folder(dataset_id)
    if not folder.exists():
        if not download:
            raise files.fail(
                f"minari:{dataset_id}",
                f"not found at {folder}; copy it there, or download it (--download)",
            )
        _download(dataset_id, folder)
    return folder / "data" / "main_data.hdf5"


def _folder(dataset_id: str) -> pathlib.Path:
    if not ID.fullmatch(dataset_id) or len(dataset_id) > LONGEST:
        raise files.fail(
            f"minari:{dataset_id[:LONGEST]}",
            "malformed id; write minari:NAMESPACE/NAME-vN",
        )
    root = os.environ.get("MINARI_DATASETS_PATH", "~/.minari/datasets")
    return pathlib.Path(root).expanduser() / dataset_id


def _download(dataset_id: str, folder: pathlib.Path) -> None:
    import minari  # takes a while

    try:
        minari.download_dataset(dataset_id)
    except Exception as error:
        raise files.fail(
            f"minari:{dataset_id}",
            f"download failed ({error}); mend that, or copy the dataset to {folder}",
        ) from error


def read(path: pathlib.Path, columns: ColumnMap = None) -> dict[str, np.ndarray]:
    """All episodes' steps by D4RL's names, no step paired across episodes.

    A step that is both terminated and truncated is terminal, as in every format. An
    episode cut off without a flag is a time limit.
    """
    if columns:
        raise files.fail(path, "Minari names its own columns; leave the column map out")
    episodes = _check_metadata(path)
    with hdf5.opened(path) as datasets:
        numbers = sorted({_number(path, name) for name in datasets})
        if len(numbers) != episodes or numbers != list(range(len(numbers))):
            finding = f"{len(numbers)} episodes, the metadata say {episodes}"
            raise files.fail(path, f"{finding}; copy or download it again")
        files.check_memory(path, sum(_nbytes(datasets, number) for number in numbers))
        parts = [_episode(path, datasets, number) for number in numbers]
    if not parts:
        raise files.fail(path, "0 transitions; log more")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _check_metadata(path: pathlib.Path) -> int:
    """Number of episodes, once the format and spaces are such as we read."""
    about = path.with_name("metadata.json")
    metadata = json.loads(files.read_text(about, files.LARGEST_TEXT, DatasetError))
    if metadata["data_format"] != "hdf5":
        finding = f"stored as {metadata['data_format']}"
        raise files.fail(path, f"{finding}; store it with data_format='hdf5'")
    for name in ("observation_space", "action_space"):
        kind = json.loads(metadata.get(name, '{"type": "Box"}'))["type"]
        if kind != "Box":
            raise files.fail(path, f"{name} is a {kind}; flatten it to a Box")
    return int(metadata["total_episodes"])


def _number(path: pathlib.Path, name: str) -> int:
    match = re.match(r"episode_(\d{1,9})/", name)
    if match is None:
        raise files.fail(path, f"{name} is no part of Minari's layout; copy it again")
    return int(match[1])


def _nbytes(datasets: dict[str, Any], number: int) -> int:
    names = (f"episode_{number}/{field}" for field in FIELDS)
    return sum(datasets[name].nbytes for name in names if name in datasets)


def _episode(
    path: pathlib.Path, datasets: dict[str, Any], number: int
) -> dict[str, np.ndarray]:
    """One episode of T steps from its T + 1 observations."""
    names = [f"episode_{number}/{field}" for field in FIELDS]
    missing = [name for name in names if name not in datasets]
    if missing:
        raise files.fail(path, f"no {', '.join(missing)}; copy or download it again")
    obs, actions, rewards, terminated, _ = (hdf5.values(datasets, n) for n in names)
    steps = len(rewards)
    if len(obs) != steps + 1 or not len(actions) == len(terminated) == steps > 0:
        finding = f"{len(obs)} observations, {len(actions)} actions, {steps} rewards"
        raise files.fail(path, f"episode_{number} has {finding}; log T + 1, T and T")
    ended = np.arange(steps) == steps - 1
    return {
        "observations": obs[:-1],
        "actions": actions,
        "rewards": rewards,
        "next_observations": obs[1:],
        "terminals": terminated,
        "timeouts": ended & (terminated == 0),
    }


def write_minari(
    dataset_id: str,
    transition: Transition,
    timeouts: np.ndarray,
    **metadata: Any,
) -> None:
    """Writes steps in the order they were taken as a local Minari dataset.

    Minari keeps one sequence of observations per episode, so an episode is also cut,
    marked truncated, where the next row does not begin with a step's successor (a log
    that left rows out) and at the end, as Minari's own collector does.

    Args:
        dataset_id: `NAMESPACE/NAME-vN`, not yet in use.
        transition: `[N, ...]` steps; a discount of 0 marks a terminal.
        timeouts: `[N]` whether the time limit ended an episode at a step.
        **metadata: `description`, `algorithm_name`, `author`, ... as Minari takes them.

    Raises:
        DatasetError: if the id is malformed or taken, or the disk refuses.
    """
    import minari

    folder = _folder(dataset_id)
    if folder.exists():
        raise files.fail(f"minari:{dataset_id}", f"{folder} exists; raise the version")
    try:
        with warnings.catch_warnings():  # Minari asks for optional metadata
            warnings.simplefilter("ignore")
            minari.create_dataset_from_buffers(
                dataset_id,
                _buffers(transition, np.asarray(timeouts, bool)),
                observation_space=_box(np.inf, transition.s_tm1),
                action_space=_box(1.0, transition.a_tm1),
                data_format="hdf5",
                **metadata,
            )
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)  # a half-written dataset is a trap
        if isinstance(error, OSError):
            finding = f"cannot be written ({error})"
            raise files.fail(
                f"minari:{dataset_id}", f"{finding}; free space"
            ) from error
        raise


def _box(bound: float, rows: np.ndarray) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-bound, bound, np.shape(rows)[1:], np.float32)


def _buffers(transition: Transition, timeouts: np.ndarray) -> list[Any]:
    """One Minari buffer per episode of `transition`."""
    from minari.data_collector import EpisodeBuffer

    step = jax.tree.map(lambda x: np.asarray(x, np.float32), transition)
    terminals = step.discount_t == 0
    joined = np.all(step.s_t[:-1] == step.s_tm1[1:], axis=1)
    ends = np.flatnonzero(np.append((terminals | timeouts)[:-1] | ~joined, True)) + 1
    buffers = []
    for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        rows, last = slice(start, end), np.arange(start, end) == end - 1
        buffers.append(
            EpisodeBuffer(
                id=number,
                observations=np.concatenate(
                    [step.s_tm1[rows], step.s_t[end - 1 : end]]
                ),
                actions=step.a_tm1[rows],
                rewards=step.r_t[rows],
                terminations=terminals[rows],
                truncations=last & ~terminals[rows],
            )
        )
    return buffers
