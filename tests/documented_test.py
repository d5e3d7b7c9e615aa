"""The command lines of the pages, parsed as their commands would."""

import importlib
import pathlib
import re
import shlex

import pytest

from experiments import collect, correct, launch, run
from experiments.cli import parsing
from experiments.cli.flags import Flags
from tests.commands import COMMANDS, write_run

ROOT = pathlib.Path(__file__).resolve().parents[1]
ARGUMENTS = {
    "experiments.grid": "plan",
    "experiments.export": "folder",
    "experiments.inspect": "log",
    "experiments.judge": "run",
    "experiments.report": "run",
}
"""Command -> the flag whose name may be left out."""


def documented(page):
    """Command lines of a page as `(module, arguments)`, as a shell would read them."""
    text = page.read_text().replace("\\\n", " ")
    # An inline command goes on up to its backquote.
    text = re.sub(
        r"(?<!`)`([^`]+)`(?!`)", lambda m: "\n" + m[1].replace("\n", " ") + "\n", text
    )
    variables = dict(re.findall(r"^(\w+)=(\S+)$", text, re.MULTILINE))
    for module, rest in re.findall(r"python -m (experiments[\w.]*)(.*)", text):
        words = shlex.split(rest, comments=True)
        for name, value in variables.items():
            words = [word.replace(f"${name}", value) for word in words]
        # "..." stands for more of the kind, or for a value of the reader's own.
        words = [w.removesuffix(",...") for w in words if not w.endswith(("=...", " "))]
        yield module, [word for word in words if word != "..."]


COLUMNS = """
[[observations]]
column = "x"
[[actions]]
column = "u"
low = -1
high = 1
"""
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
LINES = [
    pytest.param(*line, id=f"{page.stem}: {line[0]} {' '.join(line[1])}"[:80])
    for page in PAGES
    if "_build" not in page.parts
    for line in documented(page)
]


def test_the_pages_show_every_command():
    shown = {line.values[0] for line in LINES}
    assert len(LINES) > 20 and shown == set(COMMANDS)


@pytest.mark.parametrize(("name", "arguments"), LINES)
def test_documented_commands_parse(tmp_path, monkeypatch, name, arguments):
    monkeypatch.chdir(ROOT)
    write_run(tmp_path, "--seed=3\n")
    arguments = [
        f"--resume={tmp_path}" if x.startswith("--resume=") else x for x in arguments
    ]
    (tmp_path / "columns.toml").write_text(COLUMNS)
    arguments = [
        f"--columns=@{tmp_path}/columns.toml" if x.startswith("--columns=@") else x
        for x in arguments
    ]
    # A flagfile that the reader writes.
    own = [x for x in arguments if x.startswith("--flagfile=") and "/" not in x]
    arguments = [x for x in arguments if x not in own]
    if "--help" in arguments:
        return
    module = importlib.import_module(COMMANDS[name])
    flags = Flags(
        *module.SETTINGS,
        hidden=getattr(module, "HIDDEN", ()),
        argument=ARGUMENTS.get(name, ""),
    )
    flags.parse(["prog", *arguments])
    for group in module.SETTINGS:
        flags.values(group)
    # A simulator file is the reader's own.
    if module in (run, launch, collect, correct) and "@" not in flags.value("gap"):
        assert parsing.experiment(flags).runs
