"""How well estimates rank policies, where their real returns are known.

    python -m benchmarks.judged_policies runs/judged [flag of experiments.run ...]
    python -m benchmarks.judging runs/judged/* --out=judged.json

Judges the last policy of every run (see experiments.judge), also in the simulator that
is mended with the log, and sets each estimate beside the return in the real system. The
folders are those of one task and one log, with --real an environment.
"""

import argparse
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats

from experiments import collecting, judge, policies, reopening, run_folder
from experiments.collecting import Collecting
from experiments.judging import Judging
from experiments.mending import routes
from h2o_jax.data import writing
from h2o_jax.errors import H2OError

Line = dict[str, Any]
Route = Literal["identified", "residual"]
MENDED: tuple[Route, ...] = ("identified", "residual")
"""Ways of mending the simulator; see --simulator of experiments.run."""
ESTIMATES = ("fqe", "simulated", *MENDED, "leaves")
_FEWEST = 3
"""Policies that a correlation makes sense of."""


def main() -> None:
    """Prints every policy, then a line per estimate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=pathlib.Path, metavar="RUN")
    parser.add_argument("--discount", type=float, default=Judging().discount)
    parser.add_argument("--fqe_updates", type=int, default=Judging().fqe_updates)
    parser.add_argument("--mended", nargs="*", default=MENDED, choices=MENDED)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file of all numbers")
    choice = parser.parse_args()
    how = Judging(discount=choice.discount, fqe_updates=choice.fqe_updates)
    lines: list[Line] = []
    try:
        for folder in choice.runs:
            found = judged(folder, how, choice.mended, choice.threads)
            horizon = reopening.described(folder)[0].model.horizon
            table = judge.table(found, how.discount, horizon)
            print(f"{folder}\n{table}\n", flush=True)
            lines += [line | {"run": folder.name} for line in found]
    except H2OError as error:
        parser.error(str(error))
    if any("real" not in line for line in lines):
        parser.error("a run has --real=unknown; give runs whose real system is known")
    print(report(lines))
    if choice.out:
        writing.write_json(choice.out, lines)


def judged(
    folder: pathlib.Path, how: Judging, mended: Sequence[Route], threads: int
) -> list[Line]:
    """The estimates of each of a folder's policies."""
    _, *lines = judge.judge(folder, [run_folder.LAST], how, threads)
    experiment, dataset, _ = reopening.reopen(folder, threads)
    cache = collecting.cache_folder(reopening.described(folder)[1].of(Collecting))
    for route in mended:
        other = dataclasses.replace(experiment, simulator=route)
        simulators = routes.prepare(other, dataset, cache, threads)
        for i, (line, simulator) in enumerate(zip(lines, simulators, strict=True)):
            act = policies.load(folder, i, run_folder.LAST)
            line[route] = judge.simulated(other, simulator, act, how, threads)
    return lines


def report(lines: Sequence[Line]) -> str:
    """Every estimate against the real return, over policies.

    `chosen` is the real return of the policy that the estimate ranks first, as a share
    of the way from the worst to the best.
    """
    if len(lines) < _FEWEST:
        return f"{len(lines)} policies: too few to correlate"
    real = np.array([line["real"] for line in lines])
    rows = [f"{len(lines)} policies, real returns {real.min():.2f} to {real.max():.2f}"]
    head = "Spearman", "better half", "Pearson", "bias", "mean error", "chosen"
    rows.append(f"{'estimate':<12}" + "".join(f"{name:>12}" for name in head))
    for name in ESTIMATES:
        if name in lines[0]:
            found = against([line[name] for line in lines], real, name == "leaves")
            cells = "".join(
                f"{x:>12.2f}" if np.isfinite(x) else f"{'-':>12}" for x in found
            )
            rows.append(f"{name:<12}{cells}")
    if "fqe_error" in lines[0]:
        off, error = np.array([[x["fqe"] - x["real"], x["fqe_error"]] for x in lines]).T
        share = np.mean(np.abs(off) < 2 * error)
        rows.append(f"fqe is within two standard errors of {share:.0%} of the policies")
    return "\n".join(rows)


def against(
    estimate: Sequence[float], real: np.ndarray, distance: bool
) -> tuple[float, ...]:
    """Spearman over all and over the better half, Pearson, bias, error, what is chosen.

    A `distance` has no bias, and the policy that it ranks first is the nearest.
    """
    value = np.asarray(estimate, float)
    rank, line = (f(value, real)[0] for f in (stats.spearmanr, stats.pearsonr))
    good = real >= np.median(real)
    among = stats.spearmanr(value[good], real[good])[0]
    first = np.argmin(value) if distance else np.argmax(value)
    chosen = (real[first] - real.min()) / np.ptp(real)
    if distance:
        return rank, among, line, np.nan, np.nan, chosen
    off = value - real
    return rank, among, line, off.mean(), np.abs(off).mean(), chosen


if __name__ == "__main__":
    main()
