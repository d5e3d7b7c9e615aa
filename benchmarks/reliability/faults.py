"""Runs the tests that are marked as faults, and counts them.

A fault is written down once, as a test: a bad file, flag, folder or moment, with the
error that must follow.
"""

import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

from benchmarks.reliability.score import Score


def met(count: int, seed: int) -> Score:
    """Every fault of the tests; neither `count` nor `seed` changes anything."""
    del count, seed
    with tempfile.TemporaryDirectory() as place:
        report = pathlib.Path(place) / "report.xml"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-m",
                "fault",
                f"--junitxml={report}",
            ],
            capture_output=True,
        )
        cases = list(ElementTree.parse(report).iter("testcase"))
    named = {f"{x.get('classname')}::{x.get('name')}": x for x in cases}
    failures = [
        f"{name}: {found.get('message', '')}"[:200]
        for name, case in named.items()
        for found in (*case.findall("failure"), *case.findall("error"))
    ]
    kinds = {name.partition("[")[0] for name in named}
    return Score(len(named), tuple(failures), {"kinds": len(kinds)})
