"""Returns over training and at its end, over seeds."""

from collections.abc import Sequence

from experiments import statistics
from experiments.reporting import evaluated, figures
from experiments.reporting.evaluated import Setting, interval, settings
from experiments.reporting.page import Figure, Section, Table
from experiments.reporting.subject import Subject
from experiments.run_folder import Line

_ESTIMATES = "fqe", "simulated", "leaves", "real"
"""Columns of a table of estimates, as judged.json has them."""


def curves(subjects: Sequence[Subject]) -> Section:
    """Returns over training, with intervals over seeds."""
    found, facts = settings(subjects), subjects[0].facts["data"]
    kinds = {x.return_of for x in found}
    drawn = {
        name: [
            {**line, "return": line[x.return_of]}
            for own in x.seeds
            for line in own
            if x.return_of in line
        ]
        for name, x in zip(_names(found), found, strict=True)
    }
    references = {f"the log, {x}": facts[x] for x in ("mean", "best") if x in facts}
    what = " or ".join(sorted(map(_words, kinds)))
    caption = (
        f"Mean over seeds; with two at least, its {statistics.LEVEL:.0%} interval."
    )
    figure = Figure(figures.curves(drawn, references, what), caption)
    return Section(figures=[figure])


def expected(subjects: Sequence[Subject]) -> Section:
    """Returns at the end of training over seeds, and estimates where there are any."""
    found, facts = settings(subjects), subjects[0].facts["data"]
    rows = [
        (name, _words(x.return_of), interval(statistics.mean(x.finals)), _count(x))
        for name, x in zip(_names(found), found, strict=True)
    ]
    if "mean" in facts:
        best = f"{facts['mean']:.1f} (best episode {facts['best']:.1f})"
        rows.append(("the log itself", "return in the real system", best, "-"))
    head = "policy", "what", "mean over seeds [95 %]", "seeds"
    judged = [
        Table(("estimates", *_ESTIMATES), [_estimates(line) for line in lines])
        for lines in map(evaluated.estimates, subjects)
        if lines
    ]
    text = [
        "Of each seed what its chosen policy earned where a right simulator chose, "
        "or the mean of its last evaluations, ten at most."
    ]
    if judged:
        text.append(
            "Estimates are those of experiments.judge, discounted: fqe from the log "
            "alone, simulated from the simulator, leaves the distance of the policy's "
            "actions to the log over the log's own. Where the truth was known, a "
            "simulator mended with the log ranked policies nearly as they are; fqe "
            "told good from useless ones and no more, was too high where a policy "
            "fails in ways that the log never shows, and its ± is no interval."
        )
        cuts = dict.fromkeys(x for subject in subjects for x in evaluated.cut(subject))
        text += [f"{x[0].upper()}{x[1:]}." for x in cuts]
    elif not subjects[0].experiment.knows_real:
        text.append(evaluated.ask(subjects[0]))
    return Section(text, evaluated.lost(subjects), [Table(head, rows), *judged])


def _names(found: Sequence[Setting]) -> list[str]:
    """Names that tell the settings of several folders apart."""
    several = len({x.folder for x in found}) > 1
    return [f"{x.folder}: {x.name}" if several else x.name for x in found]


def _estimates(line: Line) -> tuple[str, ...]:
    texts = [f"{line[x]:.2f}" if x in line else "-" for x in _ESTIMATES]
    if "fqe_error" in line:
        texts[0] += f" ± {line['fqe_error']:.2f}"
    return line["policy"], *texts


def _words(measured: str) -> str:
    where = "the real system" if measured == "return" else "the simulator"
    return f"return in {where}"


def _count(setting: Setting) -> str:
    return str(len(setting.seeds))
