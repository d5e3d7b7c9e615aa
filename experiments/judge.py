"""Judges policies without a real system: what the log and the simulator say of them.

Reads run folders, given as RUN,RUN,..., and prints a line per policy: its value by
fitted Q evaluation on the log, its return in the simulator that it learned in, and how
far its actions leave the log. These are estimates, never real returns; where --real of
the run is an environment, the return there stands beside them. RUN/judged.json keeps
the numbers.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from experiments import (
    devices,
    environments,
    groups,
    judging,
    policies,
    reopening,
    run_folder,
)
from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.devices import Machine
from experiments.experiment import Experiment
from experiments.judging import Judging, Log
from experiments.reopening import Trusted
from experiments.run_folder import Line, sealed
from experiments.training import Simulator
from h2o_jax.data import writing
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FOLDER, OPEN_UNIT, PLACE, setting
from h2o_jax.sim.environments import Environments

_SEED = 40_000
"""Of the first episode: none that an evaluation may have chosen the policy by."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """What is judged."""

    run: tuple[str, ...] = setting((), "Run folders.", tags=[PLACE, FOLDER])
    which: Literal["chosen", "last", "best", "both"] = setting(
        "chosen", f"{run_folder.WHICH} Both: the last and the best."
    )
    discount: float | None = setting(
        None,
        "Discount factor of every estimate; by default that of the run.",
        OPEN_UNIT,
    )


SETTINGS = (Judged, Judging, Trusted, Machine)
HIDDEN = groups.JOBS
"""Flags of a run, whose flagfile serves here, too."""


def main(flags: Flags) -> None:
    """The command."""
    choice, how, machine = flags.of(Judged), flags.of(Judging), flags.of(Machine)
    trusted = flags.of(Trusted)
    if not choice.run:
        raise ConfigError("--run: empty; name a run folder")
    devices.prepare(machine, runs=1, matmul_precision=None)
    devices.check(machine)
    for place in choice.run:
        folder = pathlib.Path(place)
        experiment, _ = reopening.described(folder, trusted)
        horizon = judging.evaluated_steps(experiment.model)
        how = dataclasses.replace(how, discount=discount(experiment, choice.discount))
        epoch = policies.trained(folder)
        found = list(judge(folder, kinds(choice.which), how, machine.threads, trusted))
        print(table(found, how.discount, horizon))
        content = {"policies": found, "epoch": epoch, "discount": how.discount}
        writing.write_json(folder / run_folder.JUDGED, sealed.seal(content))
        print(f"wrote    {folder / run_folder.JUDGED}\n")


def kinds(which: str) -> tuple[str, ...]:
    """The names of the policies that are asked for."""
    both = run_folder.LAST, run_folder.BEST
    return both if which == "both" else (which,)


def discount(experiment: Experiment, given: float | None) -> float:
    """Of every estimate: the one that is given, or that of the runs.

    Raises:
        ConfigError: none is given, and the runs have several, or 1.
    """
    if given is not None:
        return given
    own = {
        f"{x:g}" for x in np.asarray(experiment.hyper(len(experiment.runs)).discount)
    }
    if len(own) > 1:
        raise ConfigError(
            f"--discount: the runs have {', '.join(sorted(own))}, and estimates of one "
            "table share one; give it"
        )
    (found,) = map(float, own)
    if found == 1:
        raise ConfigError(
            "--discount: the run has 1, by which endless values are not finite; give "
            "one below 1"
        )
    return found


def judge(
    folder: pathlib.Path,
    which: Sequence[str],
    how: Judging,
    threads: int,
    trusted: Trusted = Trusted(),
) -> Iterator[Line]:
    """One line for the log, and one for each policy of a run folder."""
    experiment, dataset, simulators = reopening.reopen(folder, threads, trusted)
    log = judging.part(dataset.transition, how.held_out, how.judge_seed)
    yield {
        "policy": "the log itself",
        "fqe": judging.logged_value(log, how.discount),
        "leaves": 1.0,
    }
    for i, one in enumerate(experiment.runs):
        for name in which:
            act = policies.load(folder, i, name)
            meant = policies.meant(folder, i, name)
            if policies.why_lost(folder, i, name):
                meant += ", lost"
            yield {
                "policy": f"{one.label}, seed {one.seed}, {meant}",
                "run": i,
                "which": policies.meant(folder, i, name),
                **_numbers(experiment, simulators[i], log, act, how, threads),
            }


def _numbers(
    experiment: Experiment,
    simulator: Simulator,
    log: Log,
    act: judging.Act,
    how: Judging,
    threads: int,
) -> Line:
    """The estimates of one policy."""
    fitted = judging.fitted_q_evaluation(log, act, how)
    line = {
        "fqe": fitted.value,
        "fqe_error": fitted.error,
        "simulated": simulated(experiment, simulator, act, how, threads),
        "leaves": judging.leaving(log, act, how.judge_seed),
    }
    if experiment.knows_real:
        world = environments.real(experiment, how.simulated_episodes, threads)
        line["real"] = _earned(world, experiment, act, how)
    return line


def simulated(
    experiment: Experiment,
    simulator: Simulator,
    act: judging.Act,
    how: Judging,
    threads: int,
) -> float:
    """Mean discounted return of a policy in a simulator of the experiment."""
    same = [simulator] * how.simulated_episodes
    world = environments.simulated(experiment, same, threads)
    return _earned(world, experiment, act, how)


def _earned(
    world: Environments, experiment: Experiment, act: judging.Act, how: Judging
) -> float:
    """Mean discounted return in a world."""
    given = how.simulated_episodes, _SEED, how.discount
    return float(judging.discounted(world, act, *given).mean())


def table(lines: Sequence[Line], discount: float, horizon: int) -> str:
    """One line per policy, and what the columns mean.

    Args:
        lines: what `judge` gives.
        discount: of all estimates.
        horizon: control steps of the task's episodes at most.
    """
    wide = max(len(line["policy"]) for line in lines)
    names = ["fqe", "simulated", "leaves"] + ["real"] * ("real" in lines[-1])
    head = "".join(f"{name:>{20 if name == 'fqe' else 12}}" for name in names)
    rows = [f"{'policy':{wide}}{head}"]
    for line in lines:
        value = f"{line['fqe']:.2f}"
        if "fqe_error" in line:
            value += f" +- {line['fqe_error']:.2f}"
        row = f"{line['policy']:{wide}}{value:>20}"
        for name in names[1:]:
            digits = "x" if name == "leaves" else ""
            text = f"{line[name]:.2f}{digits}" if name in line else "-"
            row += f"{text:>12}"
        rows.append(row)
    rows += [
        "",
        f"returns are discounted by {discount:g}; of the log itself, what held-out "
        "episodes earned",
        "fqe: from the log alone, at the starts of held-out episodes; +- is the "
        "standard error over critics and starts, no interval of the real return",
        "simulated: in the simulator that it learned in, which ranks best if it was "
        "mended with the log",
        "leaves: distance of its actions to the log, against the log's own; far above "
        "1 neither estimate knows much",
        *judging.cut(horizon, discount),
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN, argument="run")
