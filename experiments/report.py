"""Writes one page on a training: what was learned, from what, and how far to trust it.

`python -m experiments.report RUN RUN ...` takes run folders. The page (HTML, one file,
nothing fetched) is about the first one, and there about the run that
experiments.export takes. The others are drawn beside its learning curves: give one
that learned from the log alone and one from the simulator alone. A section that cannot
be made says why.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

from experiments import build, data, devices, groups, places, reopening, run_folder
from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.devices import Machine
from experiments.reopening import Trusted
from experiments.reporting import (
    discriminators,
    gap,
    logs,
    origin,
    page,
    returns,
    robustness,
    verdict,
)
from experiments.reporting import values as critics
from experiments.reporting.page import Missing, Section
from experiments.reporting.subject import Subject
from experiments.training import Simulator
from h2o_jax.data import writing
from h2o_jax.errors import ConfigError, DatasetError, H2OError
from h2o_jax.settings import FILE, PLACE, setting

Make = Callable[[Sequence[Subject]], Section]


def _first(make: Callable[[Subject], Section]) -> Make:
    """A section on the first folder."""
    return lambda subjects: make(subjects[0])


SECTIONS: dict[str, Make] = {
    "Verdict": verdict.verdict,
    "The log's health": _first(logs.health),
    "The gap before and after correction": _first(gap.gap),
    "Discriminators and weights": _first(discriminators.discriminators),
    "Learning curves": returns.curves,
    "Q of real and simulated states": _first(critics.values),
    "Robustness over the identified intervals": _first(robustness.robustness),
    "Expected return": returns.expected,
    "Export contract": _first(origin.promised),
    "What to log next": _first(logs.log_next),
    "Provenance": _first(origin.provenance),
}
"""Title -> the section, in the order of the page."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reporting:
    """What is reported, and where to."""

    run: tuple[str, ...] = setting(
        (), "Run folders; also given without the flag.", tags=[PLACE]
    )
    out: str = setting("report.html", "File to write.", tags=[PLACE, FILE])
    title: str = setting("", "Of the page; empty: method and task of the first folder.")


SETTINGS = (Reporting, Trusted, Machine)
HIDDEN = groups.JOBS
"""Flags of a run, whose flagfile serves here, too."""


def main(flags: Flags) -> None:
    """The command."""
    choice, machine = flags.of(Reporting), flags.of(Machine)
    if not choice.run:
        raise ConfigError("--run: empty; name a run folder")
    path = pathlib.Path(choice.out)
    devices.prepare(machine, runs=1, matmul_precision=None)
    devices.check(machine)
    trusted = flags.of(Trusted)
    subjects = [opened(pathlib.Path(x), machine.threads, trusted) for x in choice.run]
    first = subjects[0]
    named = f"{first.experiment.algorithm} on {first.experiment.model.name}"
    about = f"h2o_jax {first.facts['h2o_jax']}, {', '.join(choice.run)}"
    content = page.render(choice.title or named, about, sections(subjects))
    with places.writing("out", path):
        writing.write_text(path, content)
    print(f"wrote    {path}")


def opened(folder: pathlib.Path, threads: int, trusted: Trusted = Trusted()) -> Subject:
    """A run folder, with its log if that is still there.

    Raises:
        CheckpointError: no run folder, or see `Trusted`.
        ConfigError: a file of its task has changed, or is gone.
    """
    experiment, flags = reopening.described(folder, trusted)
    log, why = None, "its method reads no log"
    simulators = tuple(Simulator(run.gap) for run in experiment.runs)
    if data.needed(experiment, build.algorithm(experiment)):
        if experiment.simulator != "as_is":
            simulators = ()
        try:
            _, log, simulators = reopening.reopen(folder, threads, trusted)
        except (DatasetError, ConfigError) as error:
            why = f"its log cannot be read: {error}"
    facts = run_folder.versions(folder)
    about = facts, experiment, log, simulators, why, threads
    return Subject(folder, *about, tuple(flags.outside()))


def sections(subjects: Sequence[Subject]) -> dict[str, Section]:
    """All sections by title; one that cannot be made says why."""
    return {title: _made(make, subjects) for title, make in SECTIONS.items()}


def _made(make: Make, subjects: Sequence[Subject]) -> Section:
    try:
        return make(subjects)
    except (Missing, H2OError) as error:
        return Section([f"Not made: {error}."])


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN, argument="run")
