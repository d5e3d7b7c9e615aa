"""Sections of tables as Markdown, with their figures."""

import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import plots, statistics
from experiments.ledger import curves, published
from experiments.ledger.columns import Column, domains
from experiments.ledger.published import Spread
from experiments.statistics import Interval
from h2o_jax.sim import tasks

TABLE1, TABLE2, TABLE3, ROBOT = "Table I", "Table II", "Table III", "The robot"
ROUTES = "Routes"
TABLES = {
    TABLE1: "Every log and gap of the paper, and every method that has cells there.",
    TABLE2: "Lambda and the dynamics ratio in H2O+: HalfCheetah, gravity x2.",
    TABLE3: "How far off the simulator's gravity is: HalfCheetah.",
    ROUTES: "What mending the simulator with the log is worth: `--simulator` as it is, "
    "identified, with a residual, or both; and H2O+ with other settings, or at other "
    "gaps. Not in the paper.",
    ROBOT: "The wheel-legged robot. Published, in words: "
    "{standing_still}. {moving_forward}.".format(**published.content()["robot"]),
}
_LAMBDAS = re.compile(r"h2o_plus( lambda_real=(?P<mix>\S+))?( ratio_low=(?P<low>1))?")
_DEFAULT_LAMBDA = 0.1
_ROUTE = re.compile(r" simulator=(\S+)")
_NO_SIMULATOR = "log alone"
_ROUTE_NAMES = {
    _NO_SIMULATOR: _NO_SIMULATOR,
    "as_is": "as it is",
    "identified": "identified",
    "residual": "residual",
    "both": "both",
    "auto": "by the audit",
}
"""Columns of the table of routes, in their order."""


class Section(NamedTuple):
    """A table of one size and length."""

    table: str
    size: str
    steps: int
    columns: tuple[Column, ...]


def chosen(found: Sequence[Column]) -> dict[str, list[Column]]:
    """Table -> the columns of one size and length that belong to it."""
    known = published.TABLE1_GAPS
    cheetah = [x for x in found if x.task == "halfcheetah"]
    gravity = [x for x in cheetah if published.gravity_scale(x.gap) is not None]
    mixed = [x for x in gravity if x.gap == "gravity:2" and _mix(x)]
    scaled = [x for x in gravity if not _ablates(x)]
    # What the paper has no table of: H2O+ with other settings, a mended simulator.
    ours = any(_ablates(x) and _mix(x) is None for x in found)
    tables = {
        TABLE1: [
            x
            for x in found
            if x.gap in known
            and x.task in ("halfcheetah", "walker2d")
            and not _ablates(x)
        ],
        TABLE2: mixed if len({x.method for x in mixed}) > 1 else [],
        TABLE3: scaled if len({x.gap for x in scaled}) > 1 else [],
        ROUTES: [x for x in found if x.log and not _judged(x)] if ours else [],
        ROBOT: [x for x in found if x.task.startswith("wheel_legged")],
    }
    unmodified = {k: [x for x in v if _real(x) == "none"] for k, v in tables.items()}
    return {k: v for k, v in unmodified.items() if v}


def _real(column: Column) -> str:
    real: str = column.cells[0]["setting"]["real"]
    return real


def _algorithm(column: Column) -> str:
    return column.method.partition(" ")[0]


def _mix(column: Column) -> tuple[float, bool] | None:
    """Lambda and whether the ratio is used; None for what is not of Table II."""
    found = _LAMBDAS.fullmatch(column.method)
    if found is None:
        return None
    return float(found["mix"] or _DEFAULT_LAMBDA), found["low"] is None


def _ablates(column: Column) -> bool:
    """Whether it is H2O+, or a simulator, otherwise than the paper's tables have it."""
    ours = _algorithm(column) == "h2o_plus" and column.method != "h2o_plus"
    return ours or _ROUTE.search(column.method) is not None


def _judged(column: Column) -> bool:
    """Whether it learned from the log alone, a simulator only selecting checkpoints."""
    alone = "sim" not in domains(_algorithm(column))
    return alone and _ROUTE.search(column.method) is not None


def _route(method: str) -> tuple[str, str]:
    """The method without its route, and the route."""
    if "sim" not in domains(method.partition(" ")[0]):
        return method, _NO_SIMULATOR
    found = _ROUTE.search(method)
    return _ROUTE.sub("", method), found[1] if found else "as_is"


def published_value(table: str, column: Column) -> Spread | None:
    """What the paper has for a column, whatever its size."""
    if table == TABLE2:
        mix = _mix(column)
        log = column.log == "halfcheetah-medium-replay"
        return published.table2(mix[1], mix[0]) if mix and log else None
    known = {TABLE1: published.table1, TABLE3: published.table3}
    if table not in known:
        return None
    return known[table](column.log, column.gap, _algorithm(column))


def scores(column: Column) -> np.ndarray | None:
    """`[S]` normalised returns; None where the task has no references."""
    task, real = tasks.TASKS.get(column.task), _real(column)
    if task is None or real not in task.references:
        return None
    return np.asarray(task.normalised(column.finals, real))


def markdown(section: Section, out: pathlib.Path) -> str:
    """A section with its table, its summary and its figure."""
    names, shared = _names(section)
    extra = f"; all with {shared}" if shared else ""
    lines = [f"### {section.steps:,} steps: {section.size}{extra}", ""]
    matrix = {TABLE2: _matrix2, ROUTES: _matrix_of_routes}.get(section.table, _matrix)
    lines += matrix(section, names)
    if section.table == TABLE1:
        lines += ["", *_summary(section, names)]
    if section.table != TABLE2:
        figure = curves.file_name(section.table, section.size, section.steps)
        plots.panels(out / figure, _panels(section, names))
        lines += ["", f"![Learning curves]({figure})"]
    return "\n".join(lines) + "\n"


def _names(section: Section) -> tuple[dict[str, str], str]:
    """Method -> its name without the settings that all methods have; and those."""
    methods = sorted({x.method for x in section.columns}, key=_order)
    words = [set(x.split()[1:]) for x in methods]
    shared = set.intersection(*words) if len(methods) > 1 else set()
    names = {x: " ".join(w for w in x.split() if w not in shared) for x in methods}
    return names, " ".join(sorted(shared))


def _order(method: str) -> tuple[int, str]:
    """The paper's methods first, in its order."""
    name, known = method.partition(" ")[0], published.METHODS
    return (known.index(name) if name in known else len(known), method)


def _matrix(section: Section, names: dict[str, str]) -> list[str]:
    """Log and gap by method."""
    head = ["log", "gap", *names.values()]
    lines = [_row(head), _row(["---"] * len(head))]
    entries = {(x.log, x.gap, x.method): x for x in section.columns}
    for log, gap in _rows(section):
        found = [entries.get((log, gap, method)) for method in names]
        shown = [_entry(section.table, x) for x in found]
        lines.append(_row([log or "-", gap, *shown]))
    return lines


def _rows(section: Section) -> list[tuple[str, str]]:
    """Logs and gaps in the paper's order."""
    order = list(published.TABLE1_GAPS)

    def place(row: tuple[str, str]) -> tuple[str, int, str]:
        log, gap = row
        return (log, order.index(gap) if gap in order else len(order), gap)

    return sorted({(x.log, x.gap) for x in section.columns}, key=place)


def _matrix_of_routes(section: Section, names: dict[str, str]) -> list[str]:
    """Log, gap and method by route; the routes that have cells."""
    entries = {(x.log, x.gap, *_route(x.method)): x for x in section.columns}
    routes = [x for x in _ROUTE_NAMES if any(x == route for *_, route in entries)]
    plain = {_route(method)[0]: _route(name)[0] for method, name in names.items()}
    head = ["log", "gap", "method", *(_ROUTE_NAMES[x] for x in routes)]
    lines = [_row(head), _row(["---"] * len(head))]
    for log, gap in _rows(section):
        for method, name in plain.items():
            found = [entries.get((log, gap, method, route)) for route in routes]
            if any(found):
                shown = [_entry(ROUTES, x) for x in found]
                lines.append(_row([log, gap, name, *shown]))
    return lines


def _matrix2(section: Section, names: dict[str, str]) -> list[str]:
    """Lambda by whether the ratio is used; the method is always H2O+."""
    del names
    head = ["log", "lambda", "with the dynamics ratio", "without"]
    lines = [_row(head), _row(["---"] * len(head))]
    entries = {(x.log, _mix(x)): x for x in section.columns}
    keys = {(log, mix[0]) for log, mix in entries if mix}
    for log, mix in sorted(keys):
        both = [_entry(TABLE2, entries.get((log, (mix, x)))) for x in (True, False)]
        lines.append(_row([log, f"{mix:g}", *both]))
    return lines


def _row(words: Iterable[str]) -> str:
    return "| " + " | ".join(words) + " |"


def _entry(table: str, column: Column | None) -> str:
    """Mean ± std, interval, seeds; the published value below."""
    if column is None:
        return ""
    interval, finals = statistics.mean(column.finals), column.finals
    digits = 0 if np.abs(finals).max() >= 10 else 2
    seeds = f"{len(finals)} seed" + "s" * (len(finals) > 1)
    text = statistics.spread(finals.tolist(), digits, "±")
    text += "†" * column.longer + "<br>"
    if np.isfinite(interval.low):
        text += f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}], "
    value = published_value(table, column)
    return text + seeds + (f"<br>*{value}*" if value else "")


def _summary(section: Section, names: dict[str, str]) -> list[str]:
    """Per method: interquartile mean, and how often H2O+ is better."""
    head = ["method", "rows", "mean score", "IQM", "P(H2O+ is better)"]
    lines = [_row(head), _row(["---"] * len(head))]
    of = {
        method: {(x.log, x.gap): x for x in section.columns if x.method == method}
        for method in names
    }
    for method, name in names.items():
        # A log-only method has the same cells at every gap: they count once.
        once = {tuple(map(id, x.cells)): x for x in of[method].values()}
        strata = [s for x in once.values() if (s := scores(x)) is not None]
        middle = statistics.interquartile_mean(strata)
        mean = np.mean([s.mean() for s in strata])
        better = _better(of.get("h2o_plus", {}), of[method], method)
        rows = str(len(of[method]))
        lines.append(_row([name, rows, f"{mean:.1f}", _interval(middle, 1), better]))
    return lines


def _better(
    ours: dict[tuple[str, str], Column],
    others: dict[tuple[str, str], Column],
    method: str,
) -> str:
    """Probability that H2O+ beats a method, over the rows that both have."""
    both = sorted(ours.keys() & others.keys())
    if method == "h2o_plus" or not both:
        return "-"
    # A log-only method has the same cells at every gap: one array stands for all.
    finals = {id(c.cells[0]): c.finals for x in (ours, others) for c in x.values()}
    pairs = ([finals[id(x[row].cells[0])] for row in both] for x in (ours, others))
    return f"{_interval(statistics.improvement(*pairs), 2)}, {len(both)} row(s)"


def _interval(found: Interval, digits: int) -> str:
    text = f"{found.value:.{digits}f}"
    if np.isfinite(found.low):
        text += f" [{found.low:.{digits}f}, {found.high:.{digits}f}]"
    return text


def _panels(section: Section, names: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Title -> curves of every row."""
    return {
        f"{log}\n{gap}": [
            line
            for x in sorted(section.columns, key=lambda x: _order(x.method))
            if (x.log, x.gap) == (log, gap)
            for line in curves.lines(x.cells, names[x.method], section.steps)
        ]
        for log, gap in _rows(section)
    }
