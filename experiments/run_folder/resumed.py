"""Whether a resumed run is still what its folder says: systems, runs, log, software."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from experiments import software
from experiments.run_folder import versions
from h2o_jax.errors import CheckpointError


def changes(path: pathlib.Path) -> list[str]:
    """What differs now from the software and cores that a folder last ran on.

    Bits may differ with it, cores included, so that it is said before the run goes on.
    """
    then = versions(path)
    then = [then, *then.get("resumed", [])][-1]
    return [
        f"warning   {path}: {name} was {then.get(name)} there, is {now} now: the run "
        "goes on, though not bit for bit"
        for name, now in software.describe().items()
        if then.get(name) != now and name != "system"  # a folder's names its task
    ]


def check(path: pathlib.Path, facts: Mapping[str, Any]) -> None:
    """Makes sure that a resumed folder is of these systems, runs and simulators.

    Names carry digests of task files and of simulator files.

    Args:
        path: the folder.
        facts: `system` and `runs`, as in versions.json.

    Raises:
        CheckpointError: it is of others.
    """
    former = versions(path)
    for flag, now in facts["system"].items():
        then = former.get("system", {}).get(flag, now)
        if then != now:
            raise CheckpointError(
                f"--resume={path}: --{flag} was {then} there, is {now} now; restore "
                "its file, or start a fresh run"
            )
    _check_runs(path, former["runs"], facts["runs"])


def check_log(path: pathlib.Path, facts: Mapping[str, Any]) -> None:
    """Makes sure that a resumed folder learned from this log, read in this way.

    Args:
        path: the folder.
        facts: `data` and `reading`, as in versions.json.

    Raises:
        CheckpointError: it did not.
    """
    problem = other_log(versions(path), facts["data"], facts["reading"])
    if problem is not None:
        log = facts["data"].get("name", "the log")
        raise CheckpointError(f"--resume={path}: {log} {problem}, or start a fresh run")


def other_log(
    former: Mapping[str, Any], data: Mapping[str, Any], reading: Mapping[str, Any]
) -> str | None:
    """How a log differs from that of a folder, and the fix; None where it is the same.

    Args:
        former: versions.json of the folder; older ones tell less.
        data: `reports.data_facts` of the log.
        reading: `Reading.deciding` of how it is read.
    """
    sha256 = former.get("data", {}).get("sha256")
    if sha256 not in (None, data.get("sha256")):
        return "is another log now; restore it"
    if former.get("reading", reading) != reading:
        return "is read otherwise now; restore the columns file"
    return None


def _check_runs(
    path: pathlib.Path,
    then: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
) -> None:
    for former, now in zip(then, runs, strict=True):
        if former["label"] != now["label"]:
            raise CheckpointError(
                f"--resume={path}: a run was {former['label']} there, is "
                f"{now['label']} now; restore the simulator file, or start a fresh run"
            )
        mended = now.get("simulator", {})
        for kind, was in former.get("simulator", mended).items():
            if was != mended[kind]:
                raise CheckpointError(
                    f"--resume={path}: {now['label']} has another simulator now "
                    f"({kind}: was {was}, is {mended[kind]}); restore the file in "
                    "--cache_dir, or start a fresh run"
                )


def check_robot(path: pathlib.Path, robot: Mapping[str, Any]) -> None:
    """Makes sure that a log is read as when a resumed folder was begun.

    Raises:
        CheckpointError: its observations or actions are others, or in other units.
    """
    former = versions(path).get("robot", robot)
    for kind in ("observations", "actions"):
        if former[kind] != robot[kind]:
            raise CheckpointError(
                f"--resume={path}: the log's {kind} are read otherwise than there; "
                "restore the columns file, or start a fresh run"
            )
