"""The Python examples of README and docs run as they stand."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("page", ["README.md", "docs/write_a_method.md"])
def test_example_runs(page):
    text = (ROOT / page).read_text()
    blocks = re.findall(r"```python\n(import.*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    scope: dict = {}
    exec(blocks[0], scope)
    assert scope["action"].shape == (1,)
    assert int(scope["state"].step) == 3
