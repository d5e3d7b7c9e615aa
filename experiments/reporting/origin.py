"""What an exported policy would promise, and where a run comes from."""

import hashlib
import json
import shlex

from experiments import run_folder
from experiments.exporting import contract
from experiments.reporting.page import Section, Table
from experiments.reporting.subject import Subject
from experiments.run_folder import CHOSEN


def promised(subject: Subject) -> Section:
    """The contract that `experiments.export` would write beside the policy."""
    folder = subject.folder
    function = contract.function_of(folder, subject.run, CHOSEN)
    about = contract.of_run(folder, subject.run, CHOSEN, function)
    rate, latency = about["rate_hz"], about["latency_seconds"]
    timing = "How often it is to be called is not known"
    if rate is not None:
        timing = f"Called at {rate:g} Hz"
    if latency is not None:
        timing += f"; an action takes effect {latency:g} s later"
    own = about["run"]
    text = [
        f"Of run {subject.run}, seed {own['seed']}, the {own['policy']} policy; "
        "--run of experiments.export takes another.",
        f"{timing}. python -m experiments.export {shlex.quote(str(folder))} writes it, "
        "and measures how exact the file is.",
    ]
    signals = [*about["observations"], *about["actions"]]
    warnings = []
    if not any(x["unit"] for x in signals):
        warnings.append(
            "no unit is known: a columns file (experiments.inspect LOG) says units and "
            "names, and the contract then has them"
        )
    if any(x["low"] is None or x["high"] is None for x in about["observations"]):
        warnings.append("some observations have no known range and are not clamped")
    tables = [
        Table(
            (kind, "unit", "low", "high"),
            [
                (x["name"], x["unit"] or "-", _limit(x["low"]), _limit(x["high"]))
                for x in about[f"{kind}s"]
            ],
        )
        for kind in ("observation", "action")
    ]
    return Section(text, warnings, tables)


def provenance(subject: Subject) -> Section:
    """Software, machine, digests, and the flags that repeat the run."""
    facts = subject.facts
    rows = [
        (name, _text(value))
        for name, value in facts.items()
        if name not in ("robot", "runs", "data", "system", "policy", "resumed")
    ]
    rows += [(f"system, {k}", _text(v)) for k, v in facts.get("system", {}).items()]
    rows += [(f"log, {k}", _text(v)) for k, v in facts["data"].items()]
    digests = facts.get("robot", {}).get("simulators", {})
    rows += [(f"simulator {k}, sha256", v) for k, v in digests.items()]
    rows.append(("runs", ", ".join(f"{x['label']} {x['seed']}" for x in facts["runs"])))
    content = (subject.folder / run_folder.FLAGS).read_bytes()
    rows.append(("flags, sha256", hashlib.sha256(content).hexdigest()))
    flags = [(f"--{k}", v) for k, v in run_folder.flags(subject.folder).items()]
    tables = [
        Table(("versions.json", ""), rows, of_numbers=False),
        Table(("flag", "value"), flags, of_numbers=False),
    ]
    return Section(tables=tables)


def _limit(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
