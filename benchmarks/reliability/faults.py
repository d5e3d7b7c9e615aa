"""Runs tests that are marked as faults, and counts those that pass.

A fault is written down once, as a test: a bad file, flag, folder or moment, with the
error that must follow.
"""

import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

import numpy as np

from benchmarks.reliability.score import Score

_RAN = (0, 1)
"""Exit codes of a pytest that ran its tests: all passed, or some failed."""


def met(count: int, seed: int) -> Score:
    """Runs `count` faults of the tests, or all if they are fewer.

    What a test skips is left out of the score.

    Raises:
        RuntimeError: the tests cannot be run.
    """
    faults = [x for x in _pytest("-m", "fault", "--collect-only") if "::" in x]
    drawn = np.random.default_rng(seed).permutation(faults)[:count].tolist()
    with tempfile.TemporaryDirectory() as place:
        report = pathlib.Path(place) / "report.xml"
        _pytest(f"--junitxml={report}", *drawn)
        cases = list(ElementTree.parse(report).iter("testcase"))
    named = {f"{x.get('classname')}::{x.get('name')}": x for x in cases}
    skipped = {name for name, x in named.items() if x.find("skipped") is not None}
    failures = tuple(
        f"{name}: {found.get('message', '')}"[:200]
        for name, x in named.items()
        for found in (*x.findall("failure"), *x.findall("error"))[:1]
    )
    ran = named.keys() - skipped
    kinds = {name.partition("[")[0] for name in ran}
    facts = {"kinds": len(kinds), "skipped": len(skipped)}
    return Score(len(ran), failures, facts)


def _pytest(*arguments: str) -> list[str]:
    """The lines that pytest prints."""
    words = [sys.executable, "-m", "pytest", *arguments]
    child = subprocess.run(words, capture_output=True, text=True)
    if child.returncode not in _RAN:
        said = f"{child.stdout}{child.stderr}"[-500:]
        raise RuntimeError(f"pytest ended with {child.returncode}: {said}")
    return child.stdout.splitlines()
