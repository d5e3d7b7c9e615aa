"""The ledger of results: one small JSON file per run, a cell of a table.

A cell lies at TASK/GAP/METHOD/seedS-STEPS-DIGEST.json, where the digest names its
setting, and holds the run's scores, its curve and all that decides them. Of runs that
differ in their length alone, or in settings that their method never reads, the longest
is kept: its curve has the shorter one's.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from experiments import places, reports, run_folder, software
from experiments.data import Reading
from experiments.experiment import Experiment, defaults
from experiments.runs import Run
from experiments.unused import unused
from h2o_jax.data import files, writing
from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps
from h2o_jax.types import Hyper

Cell = dict[str, Any]


class Labels(NamedTuple):
    """Parts of the command line that a cell keeps."""

    preset: str
    """Name of the settings; "" for none."""
    reading: Mapping[str, Any]
    """How the log was read: `Reading.deciding`."""
    flags: list[str]
    """Those that are not at their default and may change a result."""


def store(
    folder: pathlib.Path,
    run: pathlib.Path,
    experiment: Experiment,
    facts: reports.Facts,
    labels: Labels,
    mended: reports.Mended = MappingProxyType({}),
    runs: Sequence[Run] | None = None,
) -> None:
    """Writes a cell for each run of a finished run folder.

    Args:
        folder: root of the ledger.
        run: the run folder, whose software is stored with the cells.
        experiment: what was done there.
        facts: what identifies the log; see `reports.data_facts`.
        labels: of all cells.
        mended: what became of each run's simulator; empty where it stayed as it is.
        runs: those that were not lost; None for all.
    """
    then = run_folder.versions(run)
    versions = {key: then[key] for key in software.describe()}
    for one, lines in reports.by_run(experiment, run).items():
        if runs is not None and one not in runs:
            continue
        cell = content(experiment, one, lines, facts, labels)
        if one in mended:  # no part of its identity: `--simulator` asked for it
            cell["mended"] = dict(mended[one])
        with places.writing("results_dir", folder):
            _store(folder / place(cell), cell, versions)


def _store(path: pathlib.Path, cell: Cell, versions: Mapping[str, Any]) -> None:
    """Writes a cell in the place of shorter ones, unless a longer one is there."""
    twins = [x for x in namesakes(path.parent, cell) if x != path]
    longer = [x for x in twins if _steps(x) > cell["steps"]]
    if longer:
        print(f"kept     {longer[0]}, a longer run of the same")
        return
    writing.write_json(path, {**cell, **versions})
    for shorter in twins:
        shorter.unlink(missing_ok=True)


def namesakes(folder: pathlib.Path, cell: Cell) -> list[pathlib.Path]:
    """Stored cells of a folder with a cell's seed and setting, of any length."""
    wanted = identity(cell["setting"], cell["seed"])
    return [
        path
        for path in sorted(folder.glob(f"seed{cell['seed']}-*.json"))
        if (stored := read(path)) is not None
        and identity(stored["setting"], stored["seed"]) == wanted
    ]


def _steps(path: pathlib.Path) -> int:
    return int(path.name.split("-")[1])


def read(path: pathlib.Path) -> Cell | None:
    """A stored cell; None if another process has just removed it.

    Raises:
        ConfigError: it has another layout.
    """
    try:
        cell: Cell = json.loads(files.read_text(path, files.LARGEST_TEXT, ConfigError))
    except ConfigError:
        if not path.exists():
            return None
        raise
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: no cell of a ledger; remove it") from None
    if not {"setting", "preset"} <= cell.keys():
        raise ConfigError(f"{path}: stored by another version; remove it")
    return cell


def cells(folder: pathlib.Path) -> list[Cell]:
    """Every cell of a ledger; what lies in hidden folders is none.

    Raises:
        ConfigError: see `read`.
    """
    paths = sorted(folder.glob("[!.]*/[!.]*/[!.]*/seed*.json"))
    return [cell for path in paths if (cell := read(path)) is not None]


def by_identity(folder: pathlib.Path) -> dict[str, Cell]:
    """The cells of a ledger by their `identity`, of several the longest.

    Raises:
        ConfigError: see `read`.
    """
    found: dict[str, Cell] = {}
    for cell in sorted(cells(folder), key=lambda cell: cell["steps"]):
        found[identity(cell["setting"], cell["seed"])] = cell
    return found


def identity(chosen: dict[str, Any], seed: int) -> str:
    """Equal for cells that differ in length, or in what their method never reads."""
    apart = _apart(chosen)
    ignored = unused(chosen) | {"epochs"}
    apart = {k: v for k, v in apart.items() if k not in ignored}
    return json.dumps([seed, apart], sort_keys=True)


def _apart(chosen: dict[str, Any]) -> dict[str, Any]:
    """The settings that are not at their default."""
    known = _plain({**defaults(), **Reading().deciding()})
    plain = _plain(chosen)
    return {k: v for k, v in plain.items() if k not in known or v != known[k]}


def _plain(chosen: dict[str, Any]) -> dict[str, Any]:
    """As a cell has it once it is stored: lists for tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(chosen))
    return plain


def place(cell: Cell) -> pathlib.PurePath:
    """Where a cell lies below the ledger's root."""
    method = "-".join(filter(None, [cell["algorithm"], cell["preset"]]))
    name = f"seed{cell['seed']}-{cell['steps']}-{digest(cell['setting'])}.json"
    return pathlib.PurePath(cell["task"], cell["gap"], method, name)


def content(
    experiment: Experiment,
    run: Run,
    lines: list[run_folder.Line],
    facts: reports.Facts,
    labels: Labels,
) -> Cell:
    """A cell, but for the software."""
    return {
        "task": experiment.model.name,
        "gap": gaps.to_text(run.gap),
        "algorithm": experiment.algorithm,
        "preset": labels.preset,
        "seed": run.seed,
        "steps": experiment.epochs * experiment.steps,
        **reports.summarise(lines),
        "curve": [[x["steps"], x["return"]] for x in lines if "return" in x],
        "simulated": reports.simulated(lines),
        "lengths": [x["length"] for x in lines if "return" in x],
        "program": {
            "runs": len(experiment.runs),
            "seconds": round(sum(sum(x["seconds"].values()) for x in lines)),
        },
        "setting": setting(experiment, run, facts, labels.reading),
        "data": facts or None,
        "flags": labels.flags,
    }


def setting(
    experiment: Experiment, run: Run, facts: reports.Facts, reading: Mapping[str, Any]
) -> dict[str, Any]:
    """All that decides what a cell says, but for the seed and where things are."""
    chosen = {k: v for k, v in vars(experiment).items() if k not in ("runs", "dataset")}
    if not facts:  # no log is read
        reading = {"pairing": reading.get("pairing")}
    return {
        **chosen,
        "task": experiment.model.name,
        "real": gaps.to_text(experiment.real),
        "gap": gaps.to_text(run.gap),
        "data": facts.get("sha256"),
        **reading,
        **dataclasses.asdict(Hyper().replace(**dict(run.hyper))),
    }


def digest(chosen: dict[str, Any]) -> str:
    """Names a setting by what is not at its default; new settings change nothing."""
    return hashlib.sha256(
        json.dumps(_apart(chosen), sort_keys=True).encode()
    ).hexdigest()[:8]
