"""How well estimates rank policies, where their real returns are known.

    python -m benchmarks.judging RUN [RUN ...]

Reads run folders whose --real is an environment, judges the last and the best policy of
every run (see experiments.judge), and correlates each estimate with the return in the
real system. Thirty policies of different quality make a number worth quoting: give
folders of several methods and lengths.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from experiments import judge, run_folder
from experiments.judging import Judging
from h2o_jax.errors import H2OError

ESTIMATES = ("fqe", "simulated", "leaves")
_FEWEST = 3
"""Policies that a correlation makes sense of."""


def main() -> None:
    """Prints every policy, then a line per estimate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=pathlib.Path, metavar="RUN")
    parser.add_argument("--fqe_updates", type=int, default=Judging().fqe_updates)
    parser.add_argument("--threads", type=int, default=0)
    choice = parser.parse_args()
    how = Judging(fqe_updates=choice.fqe_updates)
    both = run_folder.POLICY, run_folder.BEST
    lines: list[dict[str, Any]] = []
    try:
        for folder in choice.runs:
            _, *found = judge.judge(folder, both, how, choice.threads)
            print(f"{folder}\n{judge.table(found, how.discount)}\n", flush=True)
            lines += found
    except H2OError as error:
        parser.error(str(error))
    if any("real" not in line for line in lines):
        parser.error("a run has --real=unknown; give runs whose real system is known")
    print(report(lines))


def report(lines: Sequence[dict[str, Any]]) -> str:
    """Correlation of every estimate with the real return, over policies."""
    if len(lines) < _FEWEST:
        return f"{len(lines)} policies: too few to correlate"
    real = np.array([line["real"] for line in lines])
    rows = [f"{len(lines)} policies, real returns {real.min():.2f} to {real.max():.2f}"]
    rows.append(f"{'estimate':<12}{'Spearman':>10}{'Pearson':>10}{'mean error':>12}")
    for name in ESTIMATES:
        value = np.array([line[name] for line in lines])
        rank, line = (f(value, real)[0] for f in (stats.spearmanr, stats.pearsonr))
        error = "-" if name == "leaves" else f"{np.abs(value - real).mean():.2f}"
        rows.append(f"{name:<12}{rank:>10.2f}{line:>10.2f}{error:>12}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
