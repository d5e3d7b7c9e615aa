"""Plans: what a ledger should hold, in the order in which it is wanted.

A plan is a text file. A line is a group: flags as `experiments.run` takes them, such as

    --flagfile=table1/halfcheetah_gravity.flags --flagfile=small.flags --epochs=200

where flagfiles are looked for in experiments/flagfiles, beside the plan and in the
current folder. What follows a # is a comment.
"""

import pathlib
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import experiments
from experiments import build, collecting, data, ledger, run
from experiments.cli import parsing
from experiments.cli.flags import Flags
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.experiment import Experiment
from h2o_jax.data import datasets, files
from h2o_jax.errors import ConfigError, DatasetError, H2OError, nearest

PACKAGE = pathlib.Path(experiments.__file__).parent
FLAGFILES, PLANS = PACKAGE / "flagfiles", PACKAGE / "plans"
_OWN = ("run_dir", "resume", "results_dir", "shard", "only", "distributed")
"""Flags that are decided for each program."""


class Wanted(NamedTuple):
    """A cell that a plan asks for."""

    place: int
    """In the grid of its group."""
    identity: str
    """See `ledger.identity`."""
    steps: int


class Group(NamedTuple):
    """A line of a plan."""

    name: str
    """FILE:LINE."""
    flags: Flags
    experiment: Experiment
    log: str | None
    """Its log: None where none is read, "" where it is not on this machine."""

    @property
    def missing(self) -> bool:
        """Whether the line names a log that is not on this machine."""
        return self.log == "" and bool(self.experiment.dataset)

    @property
    def title(self) -> str:
        """What a person recognises it by."""
        one = self.experiment
        gaps = list(dict.fromkeys(run.label.partition(" ")[0] for run in one.runs))
        seen = ",".join(gaps[:3]) + (",..." if len(gaps) > 3 else "")
        mended = [] if one.simulator == "as_is" else [one.simulator]
        return " ".join([one.model.name, seen, *mended, one.algorithm])

    def wanted(self) -> list[Wanted]:
        """Every cell, in the order of the grid; a log that is absent has no hash."""
        one, reading = self.experiment, self.flags.of(Reading).deciding()
        facts = {}
        if self.log is not None:
            absent = f"absent {one.dataset}"
            facts["sha256"] = _sha256(self.log) if self.log else absent
        steps = one.epochs * one.steps
        return [
            Wanted(
                index,
                ledger.identity(ledger.setting(one, x, facts, reading), x.seed),
                steps,
            )
            for index, x in enumerate(one.runs)
        ]


_hashes: dict[tuple[str, int, int], str] = {}


def _sha256(source: str) -> str:
    """Hash of a log, read once as long as the file stays as it is."""
    path = datasets.locate(source)
    about = path.stat()
    key = (str(path), about.st_size, about.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = datasets.sha256(source)
    return _hashes[key]


def find(name: str) -> pathlib.Path:
    """A plan by its path, or by its name among those of the package.

    Raises:
        ConfigError: there is none; it lists those that come with the package.
    """
    for path in (pathlib.Path(name), PLANS / name, PLANS / f"{name}.plan"):
        if path.is_file():
            return path
    paths = (p.relative_to(PLANS).with_suffix("") for p in PLANS.rglob("*.plan"))
    known = sorted(map(str, paths))
    problem = f"--plan={name}: no such file or plan; {nearest(name, known)}"
    raise ConfigError(f"{problem}give a file or one of {', '.join(known)}")


def read(path: pathlib.Path, logs: str = "", add: str = "") -> list[Group]:
    """The groups of a plan.

    Args:
        path: of the plan.
        logs: folder of the logs that lines name without one; "": the current folder.
        add: flags that are added to each line.

    Raises:
        ConfigError: a line is wrong; it names file, line and flag. Or there is no such
            folder.
    """
    if logs and not pathlib.Path(logs).is_dir():
        raise ConfigError(f"--logs={logs}: no such folder; give that of the logs")
    more = shlex.split(add)
    try:
        Flags(*run.SETTINGS).parse(["plan", *more])
    except ConfigError as error:
        raise ConfigError(f"--add={add}: {error}") from None
    groups = [_group(path, n, [*words, *more], logs) for n, words in _lines(path)]
    if not groups:
        raise ConfigError(f"{path}: no groups; write a line of flags for each")
    return groups


def need_logs(groups: Sequence[Group]) -> None:
    """Refuses groups whose cells cannot be told from those of other logs.

    Raises:
        ConfigError: a log is not on this machine.
    """
    for group in groups:
        if group.log == "":
            log = group.experiment.dataset or "that it collects"
            problem = f"{group.name}: no log {log}; give the folder of its logs"
            raise ConfigError(f"{problem} with --logs")


def _lines(path: pathlib.Path) -> Iterator[tuple[int, list[str]]]:
    """Number and words of the lines that say something."""
    text = files.read_text(path, files.LARGEST_TEXT, ConfigError)
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            problem = f"{path}:{number}: {error}; close the quotation"
            raise ConfigError(problem) from None
        if words:
            yield number, words


def _group(path: pathlib.Path, number: int, words: list[str], logs: str) -> Group:
    """One line, checked as the run command would check it.

    Raises:
        ConfigError: with file and line before what is wrong.
    """
    try:
        return _parse(f"{path.name}:{number}", path.parent, words, logs)
    except H2OError as error:
        raise ConfigError(f"{path}:{number}: {error}") from None


def _parse(name: str, beside: pathlib.Path, words: list[str], logs: str) -> Group:
    flags = Flags(*run.SETTINGS)
    flags.parse(["plan", *(_located(word, beside) for word in words)])
    own = [x for x in _OWN if not flags.is_default(x)]
    if own:
        raise ConfigError(f"--{own[0]}: every program has its own; drop the flag")
    flags.set("dataset", _log(flags.value("dataset"), logs))
    experiment = parsing.experiment(flags)
    return Group(name, flags, experiment, _present(experiment, flags))


def _present(experiment: Experiment, flags: Flags) -> str | None:
    """The log of an experiment, if it is here; see `Group.log`."""
    if not data.needed(experiment, build.algorithm(experiment)):
        return None
    source = experiment.dataset or str(_place(experiment, flags))
    try:
        return source if datasets.locate(source).is_file() else ""
    except DatasetError:
        return ""


def _place(experiment: Experiment, flags: Flags) -> pathlib.Path:
    pairing, how = flags.of(Reading).pairing, flags.of(Collecting)
    return collecting.place(experiment, pairing, how)


def collected(group: Group) -> pathlib.Path:
    """Where the log of a group is kept that names none."""
    return _place(group.experiment, group.flags)


def _located(word: str, beside: pathlib.Path) -> str:
    """A flagfile's path where it is a relative one; other words as they are."""
    flag, _, name = word.partition("=")
    if flag != "--flagfile":
        return word
    places = [folder / name for folder in (FLAGFILES, beside, pathlib.Path())]
    found = next((x for x in places if x.is_file()), None)
    if found is None:
        raise ConfigError(f"{word}: no such file; give one below {FLAGFILES.name}/")
    return f"{flag}={found}"


def _log(source: str, logs: str) -> str:
    """Where the log of a line is."""
    if not (source and logs) or ":" in source or pathlib.Path(source).is_absolute():
        return source
    return str(pathlib.Path(logs, source))


def arguments(group: Group, records: Sequence[type]) -> list[str]:
    """Flags of a whole group, flagfiles written out.

    Args:
        group: of a plan.
        records: of the command that takes them.
    """
    known = {name for record in records for name in group.flags.names(record)}
    others = {x for record in run.SETTINGS for x in group.flags.names(record)} - known
    return group.flags.given(apart={*_OWN, "epochs", *others})


def own_flags(groups: Sequence[Group], apart: Sequence[str] = ()) -> list[list[str]]:
    """For each line the flags that at most half of the lines have.

    Args:
        groups: of a plan; a folder that all logs lie in is left out.
        apart: names of flags that are left out.
    """
    logs = {x.experiment.dataset for x in groups if x.experiment.dataset}
    folders = {str(pathlib.Path(log).parent) for log in logs}
    place = f"--dataset={folders.pop()}/" if len(folders) == 1 else "--dataset="
    given = [
        [flag.replace(place, "--dataset=") for flag in group.flags.given(apart)]
        for group in groups
    ]
    count = Counter(flag for flags in given for flag in flags)
    return [[x for x in flags if count[x] <= len(groups) / 2] for flags in given]


def lacking(group: Group, stored: dict[str, int]) -> list[Wanted]:
    """The cells of a group that are not there, or not long enough.

    Args:
        group: of a plan.
        stored: identity -> steps of what a ledger holds.
    """
    return [x for x in group.wanted() if stored.get(x.identity, 0) < x.steps]


def stored(folder: pathlib.Path) -> dict[str, int]:
    """Identity -> steps of every cell of a ledger."""
    return {x: cell["steps"] for x, cell in ledger.by_identity(folder).items()}
