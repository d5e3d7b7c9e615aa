"""Fits a wrong simulator to a log, and writes it as a simulator file.

Scales named fields of the simulator --gap (gravity, masses, damping, friction, ...)
until it does what the log says, and reports what the log can tell of them, with
intervals and with errors on episodes that no fit has seen. The file --out is what
--gap=@FILE takes wherever a gap is given; see docs/identify.md.
"""

import dataclasses
import pathlib
import time
from collections.abc import Sequence

from experiments import data, groups, places
from experiments.cli import console, parsing
from experiments.cli.flags import Flags
from experiments.data import Reading
from experiments.experiment import Source
from experiments.mending import provenance
from h2o_jax.data.datasets import Dataset
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FILE, MACHINE, PLACE, at_least, setting
from h2o_jax.sim import fields, gaps, identify, simulator_file
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.identify.identified import Identified, Judged


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identification:
    """Identifying the simulator."""

    gap: str = setting(
        "none",
        "The simulator that is wrong, as in experiments.run; @FILE goes on from a "
        "simulator file.",
    )
    out: str = setting("", "The .toml file to write; empty: none.", tags=[PLACE, FILE])
    threads: int = setting(0, "CPU cores to use; 0: all.", at_least(0), [MACHINE])


SETTINGS = (Source, Identification, Fitting, Reading)
HIDDEN = groups.JOBS
"""Flags of a run, whose flagfile serves here, too."""


def main(flags: Flags) -> None:
    """The command."""
    source, choice, how = flags.of(Source), flags.of(Identification), flags.of(Fitting)
    _check_out(choice.out)
    task = source.model
    with parsing.of_flag("gap", choice.gap):
        start = gaps.parse(choice.gap, task.robot)
    if not source.dataset:
        raise ConfigError("--dataset: no log to identify from; name a file")
    parsing.check_log_alone(flags, "the real system is only known by its log")
    reading = flags.of(Reading)
    log = data.read(source.dataset, source, reading)
    data.check_task(dataclasses.replace(source, real=()), log, choice.threads)
    print(f"fitting  {task.name}, gap {choice.gap}, to the log: minutes", flush=True)
    began = time.perf_counter()
    found = identify.identify(
        task, start, log.transition, how, source.inertia, choice.threads
    )
    seconds = time.perf_counter() - began
    print(report(found, choice, how, log, seconds, data.doubts(source, reading)))
    if choice.out:
        with places.writing("out", choice.out):
            file = provenance.content(found, start, log, seconds)
            simulator_file.write(choice.out, file, provenance.COMMENT)
        use = f"use it as --gap=@{choice.out}"
        if found.at_bound or found.disagreeing:
            use += ", for its predictions: its values are in doubt, see the notes"
        if not found.better:
            use = f"--gap={choice.gap} is as good"
        print(f"\nwrote    {choice.out}; {use}")


def _check_out(out: str) -> None:
    """Refuses, before any work, a file that `--gap` could not name."""
    path = pathlib.Path(out)
    if out and (path.suffix != ".toml" or set(",+ ") & set(out)):
        raise ConfigError(
            f"--out={out}: give a path that ends in .toml, without commas, + and blanks"
        )
    if out and (path.is_dir() or (path.parent.exists() and not path.parent.is_dir())):
        raise ConfigError(f"--out={out}: no place for a file")


def report(
    found: Identified,
    choice: Identification,
    how: Fitting,
    log: Dataset,
    seconds: float,
    about_log: Sequence[str],
) -> str:
    """What was found, and how far it can be trusted; notes on the log come first."""
    fitted, held_out = found.episodes
    name = pathlib.PurePath(log.source).name
    count = f"{len(log.transition.r_t):,} rows"
    lines = [
        f"log      {name}, {count}; {fitted} episodes fitted, {held_out} held out",
        f"start    {choice.gap} ({how.starts} start{'s' * (how.starts > 1)}, bounds "
        f"{how.bounds[0]:g}.."
        f"{how.bounds[1]:g}), {seconds:.0f} s",
        "",
        *_table(found),
        "",
        *_errors(found.judged),
        "",
        *(f"note     {x}" for x in (*about_log, *notes(found))),
    ]
    return "\n".join(lines).rstrip()


def _table(found: Identified) -> list[str]:
    """One line per field."""
    names = [*(x.name for x in found.values), *found.left_alone]
    width = max(22, *(1 + len(name) for name in names))
    lines = [f"{'field':<{width}}{'value':>9}  {'95 % interval':<19}{'tells':>8}"]
    for name, value, low, high in found.values:
        interval = f"{low:.4f} .. {high:.4f}" if low < high else "-"
        tells = found.sensitivity.get(name)
        told = "-" if tells is None else f"{tells:.3f}"
        lines.append(f"{name:<{width}}{value:>9.4f}  {interval:<19}{told:>8}")
    for name, reason in found.left_alone.items():
        lines.append(f"{name:<{width}}{'left':>9}  {reason}")
    asked = {name.partition(":")[0] for name in names}
    added = [x for x in fields.ALL if x.unit and x.name in asked]
    units = "".join(f", {x.name} per {x.typical:g}" for x in added)
    lines.append(
        f"tells: change of one step's prediction per e-fold{units}, in std of the "
        f"log's; condition {found.condition:.1f}"
    )
    return lines


def _errors(judged: Judged) -> list[str]:
    lines = [f"{'held-out error':<22}{'before':>9}{'after':>9}"]
    for steps in judged.before:
        name = f"{steps} step{'s' * (steps > 1)}"
        before, after = judged.before[steps], judged.after[steps]
        lines.append(f"{name:<22}{before:>9.4f}{after:>9.4f}")
    lines.append("rms of the predicted change's error, in std of the log's change")
    return lines


def notes(found: Identified) -> list[str]:
    """What a reader must know before trusting the values; one line each."""
    lines = []
    if not found.fit.converged:
        lines.append("the fit did not converge: these are its best values so far")
    if found.at_bound:
        names = ", ".join(found.at_bound)
        lines.append(f"{names} at a bound: that taints all values; widen --bounds")
    if found.disagreeing:
        names = ", ".join(found.disagreeing)
        lines.append(
            f"starts that fit as well end at other values of {names}: the log does not "
            "tell which are right"
        )
    if found.stuck:
        lines.append(
            f"{found.stuck} of {len(found.starts)} starts ended at a worse fit"
        )
    if found.latency is not None:
        profile = ", ".join(f"{k}: {x:.4f}" for k, x in found.latency.errors.items())
        lines.append(f"error by latency {profile}")
    lines += _stand_in(found)
    lines += _noise(found)
    lines += _gain(found)
    return lines


def _stand_in(found: Identified) -> list[str]:
    """Gravity is known wherever the robot stands, unless the simulator's was wrong."""
    gravity = {x.name: x for x in found.values}.get("gravity")
    if gravity is None or gravity.low <= 1 <= gravity.high:
        return []
    line = (
        f"gravity {gravity.value:.3g}: unless the simulator's was wrong, it stands in "
        "for what was not fitted, and masses do, too"
    )
    if not any(x.name.startswith("centre_of_mass") for x in found.values):
        line += "; try --fields with centre_of_mass, or viscous_friction, instead"
    return [line]


def _noise(found: Identified) -> list[str]:
    if not found.sensor_noise:
        return []
    lines = [
        f"sensor noise is about {found.sensor_noise:.1%} of each observation's std: "
        "intervals are too narrow, as noise also biases values, friction most"
    ]
    return lines


def _gain(found: Identified) -> list[str]:
    before, after = found.judged.before, found.judged.after
    if not before:
        return ["no window in the held-out episodes: the result is not judged"]
    if found.better and not found.judged.better:
        return ["predictions are as before: what is mended is the noise on actions"]
    worse = [f"{k}" for k in before if after[k] >= before[k] and after[k] > 1e-3]
    if worse:
        return [f"no better than before at {', '.join(worse)} steps: do not use it"]
    rest = after.get(1, 0.0) / before.get(1, 1.0)
    if rest > 0.1 and after[1] > 0.02:
        return [
            f"{rest:.0%} of the one-step error is left: noise, or another field, such "
            "as body_mass:each or viscous_friction:each; experiments.run "
            "--simulator=identified tries many"
        ]
    return []


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN)
