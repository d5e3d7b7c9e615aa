"""Which simulator is the log's system, how wrong are the others, and what helps?

Puts every simulator of --gap into the states of --dataset, gives it the logged actions
for one step and for several, and compares what comes out with what was logged. Prints
a table and the route that it recommends: train as it is, identify, residual or log
only. --out names a figure (.png) and the numbers (.json).
"""

import dataclasses
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import h2o_jax
from experiments import audit_figure, data, groups, places
from experiments.cli import console, parsing
from experiments.cli.flags import Flags
from experiments.data import Reading
from experiments.experiment import Source
from h2o_jax.data import writing
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FILE, MACHINE, PLACE, at_least, setting
from h2o_jax.sim import audit, gaps
from h2o_jax.sim.audit import Audit, Candidate, Sample, measures
from h2o_jax.sim.tasks import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Auditing:
    """What is asked of the log."""

    gap: str = setting(
        "none",
        "Simulators, separated by commas: NAME or NAME:FACTOR, a+b for both in one, "
        "none for the unmodified one.",
    )
    horizons: tuple[int, ...] = setting(
        (5, 10, 25), "Control steps of the longer windows.", at_least(2)
    )
    rows: int = setting(
        150_000, "Most rows replayed for one step; of more, a sample.", at_least(1)
    )
    windows: int = setting(
        1500, "Most windows of each horizon; of more, a sample.", at_least(1)
    )
    threads: int = setting(0, "CPU cores to use; 0: all.", at_least(0), [MACHINE])
    out: str = setting(
        "audit",
        "Where figure and numbers go: OUT.png and OUT.json, either name will do; "
        "empty: nowhere.",
        tags=[PLACE, FILE],
    )


SETTINGS = (Source, Auditing, Reading)
HIDDEN = groups.JOBS
"""Flags of a run, whose flagfile serves here, too."""


def main(flags: Flags) -> None:
    """The command."""
    source, choice = flags.of(Source), flags.of(Auditing)
    if not source.dataset:
        raise ConfigError("--dataset: empty; give the log to audit")
    why = "an audit asks which system the log is of; give it as one of --gap"
    parsing.check_log_alone(flags, why)
    robot = source.model.robot
    with parsing.of_flag("gap", choice.gap):
        candidates = gaps.parse_list(choice.gap, robot)
    out = _place(choice.out) if choice.out else None
    reading = flags.of(Reading)
    log = data.read(source.dataset, source, reading)
    found = audit.audit(
        source.model,
        candidates,
        log.transition,
        sample=Sample(sorted(set(choice.horizons)), choice.rows, choice.windows),
        time_limits=log.time_limits,
        inertia=source.inertia,
        threads=choice.threads,
    )
    names = signal_names(source.model, reading)
    own = data.doubts(source, reading)
    own += data.findings(log.transition, *names)
    found = dataclasses.replace(found, warnings=(*own, *found.warnings))
    print(report(found, source.dataset, *names))
    if out is not None:
        written = write(out, found, source.dataset, log.sha256)
        print(f"wrote    {', '.join(map(str, written))}")


def _place(out: str) -> pathlib.Path:
    """Where to write, before any time is spent."""
    path = pathlib.Path(out)
    if path.suffix in (".json", ".png"):
        path = path.with_suffix("")
    for suffix in (".json", ".png"):
        places.try_file("out", pathlib.Path(f"{path}{suffix}"))
    return path


def signal_names(task: Task, reading: Reading) -> tuple[list[str], list[str]]:
    """Of observations and actions, by the log's owner or else by the task."""
    named = task.observation_signals, task.action_signals
    if isinstance(reading.columns, ColumnsFile):
        named = reading.columns.observations, reading.columns.actions
    observations, actions = ([x.name for x in signals] for signals in named)
    return observations, actions


def report(
    found: Audit,
    source: str,
    observations: Sequence[str] = (),
    actions: Sequence[str] = (),
) -> str:
    """The table, what to know about it, and the route.

    Args:
        found: what is reported.
        source: of the log.
        observations: their names, instead of `s[0]` and so on.
        actions: their names, instead of `a[0]` and so on.
    """
    both = zip("sa", (observations, actions), strict=True)
    names = {f"{x}[{i}]": y for x, all_ in both for i, y in enumerate(all_)}
    notes = [f"warning  {_named(text, names)}" for text in found.warnings]
    return "\n".join(
        [
            *_head(found, source),
            "",
            *_table(found),
            "",
            *(f"{x.name}: {_named(_sentence(x), names)}" for x in found.candidates),
            "",
            *notes,
            _route(found),
        ]
    )


def _route(found: Audit) -> str:
    """What to do next, and why."""
    _, finding, route, why = found.best.verdict
    other = found.better_task
    if other:
        return (
            f"route    --task={other} first: the log is not of {found.task}, and "
            "nothing above is about its system; audit again with that task"
        )
    if route in ("none", "log only"):
        return f"route    {route}: {finding}; {why}"
    return f"route    {route}, with --gap={found.best.name}: {why}"


def _head(found: Audit, source: str) -> list[str]:
    replayed = {x.steps: x.windows for x in found.best.errors.horizons}
    windows = ", ".join(
        f"{replayed.get(k, 0):,} of {n:,} windows of {k}"
        for k, n in found.windows.items()
    )
    lines = [
        f"{source}, {found.task}: {found.rows:,} rows in {found.sequences:,} unbroken "
        "sequences",
        f"replayed {found.used:,} rows for one step; {windows} steps",
    ]
    if found.inexact:
        share = f"{found.inexact:.1%} of the rows"
        lines.append(f"left out {share}, whose state the observation does not tell")
    return lines


def _table(found: Audit) -> list[str]:
    """One line per candidate; errors in units of the log's change."""
    steps = [horizon.steps for horizon in found.best.errors.horizons]
    bars = [f"<{bar:g}" for bar in measures.BARS]
    width = max(len("simulator"), *(len(x.name) for x in found.candidates))
    kinds = max(8, *(len(x.verdict.kind) for x in found.candidates))
    head = "".join(
        [
            "simulator".ljust(width),
            *(f"{f'rms {k}':>8}" for k in steps),
            f"{'typical':>9}",
            *(f"{bar:>7}" for bar in bars),
            f"{'reward':>8}{'ends':>7}  {'kind':<{kinds}} route",
        ]
    )
    lines = [head]
    for x in found.candidates:
        errors = x.errors
        numbers = [
            *(f"{horizon.rms:8.3f}" for horizon in errors.horizons),
            f"{errors.score:9.3f}",
            *(f"{share:7.0%}" for share in errors.below_largest),
            f"{errors.reward:8.3f}{errors.terminals:7.1%}",
        ]
        verdict = f"  {x.verdict.kind:<{kinds}} {x.verdict.route}"
        lines.append(x.name.ljust(width) + "".join(numbers) + verdict)
    return lines


def _named(sentence: str, names: Mapping[str, str]) -> str:
    """The sentence with the names of observations and actions, as far as known."""
    return re.sub(r"[sa]\[\d+\]", lambda x: names.get(x[0], x[0]), sentence)


def _sentence(candidate: Candidate) -> str:
    """What a candidate is, and where it is wrong."""
    errors, verdict = candidate.errors, candidate.verdict
    parts = [verdict.finding]
    if verdict.kind not in ("same", "close"):
        first = errors.horizons[0].by_dimension
        worst = max(range(len(first)), key=lambda i: first[i])
        parts.append(f"worst dimension s[{worst}] ({first[worst]:.3f})")
        parts.append(str(errors.place or "alike in all places"))
        parts.append(f"{errors.explained:.0%} explained by state and action")
    if errors.beyond_noise is not None:
        parts.append(f"{errors.beyond_noise:.2f} after several steps beyond noise")
    if errors.own_noise:
        parts.append(f"its own noise is {errors.own_noise:.0%} of the error")
    if errors.unstable:
        parts.append(f"diverged at {errors.unstable:.1%} of the rows")
    return "; ".join(parts)


def write(
    out: pathlib.Path, found: Audit, source: str, sha256: str
) -> list[pathlib.Path]:
    """Writes `out.json` and `out.png`; gives their paths."""
    numbers = pathlib.Path(f"{out}.json")
    best = found.best
    content = {
        "made_by": f"{places.MARK} {h2o_jax.__version__}",
        "dataset": source,
        "sha256": sha256,
        "gap": best.name,
        "route": best.verdict.route,
        "why": best.verdict.why,
        **dataclasses.asdict(found),
    }
    writing.write_json(numbers, _plain(content), allow_nan=False)
    figure = pathlib.Path(f"{out}.png")
    audit_figure.draw(figure, found)
    return [numbers, figure]


def _plain(value: Any) -> Any:
    """JSON's own types: named tuples as objects, what is not finite as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN)
