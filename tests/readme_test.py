"""README's Python example runs as it stands."""

import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"


def test_example_runs():
    blocks = re.findall(r"```python\n(import.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 1
    scope: dict = {}
    exec(blocks[0], scope)
    assert scope["action"].shape == (1,)
    assert int(scope["state"].step) == 3
