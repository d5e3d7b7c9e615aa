"""A run folder opened again: its experiment, its log and its runs' simulators."""

import dataclasses
import pathlib

from experiments import collecting, data, reports, run, run_folder
from experiments.cli import parsing
from experiments.cli.flags import Flags
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.experiment import Experiment
from experiments.mending import routes
from experiments.run_folder import resumed
from experiments.training import Simulator
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import CheckpointError, ConfigError, DatasetError
from h2o_jax.settings import FOLDER, PLACE, setting
from h2o_jax.sim import gaps


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trusted:
    """What is not taken from a run folder, which may come from anybody.

    Flags that run code or name places are given again rather than trusted from there.
    """

    task: str = setting(
        "",
        "As the run had it, where that is FILE.py:NAME or gymnasium:ID, whose Python "
        "you trust.",
        tags=[PLACE],
    )
    real: str = setting(
        "", "As the run had it, where that is FILE.py:NAME.", tags=[PLACE]
    )
    cache_dir: str = setting("", "As the run had it, or another.", tags=[PLACE, FOLDER])

    @property
    def flags(self) -> list[str]:
        """Those that were given, and no place for results: a reader has none."""
        given = {name: text for name, text in vars(self).items() if text}
        return [
            f"--{name}={text}" for name, text in (given | {"results_dir": ""}).items()
        ]


def reopen(
    folder: pathlib.Path, threads: int, trusted: Trusted = Trusted()
) -> tuple[Experiment, Dataset, tuple[Simulator, ...]]:
    """What a run folder was made with: experiment, log, and each run's simulator.

    Raises:
        CheckpointError: no run folder, one of an earlier version, or see `Trusted`.
        ConfigError: a file of its task has changed, or is gone.
        DatasetError: the log cannot be read, or is another one now.
    """
    experiment, flags = described(folder, trusted)
    how, reading = flags.of(Collecting), flags.of(Reading)
    path = experiment.dataset or _collected(experiment, how, reading)
    dataset = data.read(path, experiment, reading)
    facts = run_folder.versions(folder)
    now = reports.data_facts(experiment, dataset)
    problem = resumed.other_log(facts, now, reading.deciding())
    if problem is not None:
        raise DatasetError(f"{path}: {problem}, or train {folder} again")
    cache = collecting.cache_folder(how)
    simulators = routes.prepare(experiment, dataset, cache, threads)
    mended = routes.mended(experiment, simulators).values()
    pairs = zip(facts["runs"], mended, strict=False)  # none where nothing is mended
    if any(former.get("simulator", now) != now for former, now in pairs):
        print(
            f"warning   {folder}: its simulator was mended anew, and is not the one it "
            "learned in: another version, machine or --cache_dir"
        )
    return experiment, dataset, simulators


def _collected(experiment: Experiment, how: Collecting, reading: Reading) -> str:
    """Where the log was kept; making it again takes long, and was not asked for."""
    path = collecting.place(experiment, reading.pairing, how)
    if not path.is_file():
        raise DatasetError(
            f"{path}: no log there; make it with experiments.collect, or say where it "
            "is kept with --cache_dir"
        )
    return str(path)


def described(
    folder: pathlib.Path, trusted: Trusted = Trusted()
) -> tuple[Experiment, Flags]:
    """The experiment of a run folder, and its flags.

    Raises:
        CheckpointError: no run folder, one of an earlier version, or see `Trusted`.
        ConfigError: a file of its task has changed, or is gone.
    """
    saved = run_folder.versions(folder)
    flags = Flags(*run.SETTINGS)
    flags.parse(["judge", *trusted.flags, f"--resume={folder}"])
    experiment = parsing.experiment(flags)
    system = saved.get("system")
    if not isinstance(system, dict):
        raise CheckpointError(
            f"{folder}: its versions.json does not name its task, as it was written by "
            "an earlier version; train again"
        )
    now = {"task": experiment.model.name, "real": gaps.to_text(experiment.real)}
    for flag, name in now.items():
        if system[flag] != name:
            finding = f"its {flag} was {system[flag]}, is {name} now"
            raise ConfigError(f"{folder}: {finding}; restore its file")
    for former, run_ in zip(saved["runs"], experiment.runs, strict=True):
        if former["label"] != run_.label:
            finding = f"a run was {former['label']}, is {run_.label} now"
            raise ConfigError(f"{folder}: {finding}; restore the simulator file")
    return experiment, flags
