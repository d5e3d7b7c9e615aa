"""Parts of a grid: together exactly the grid, with its labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import experiment as experiments
from experiments import from_flags
from experiments.experiment import grid
from h2o_jax.errors import ConfigError
from tests.commands import parsed


@given(st.integers(1, 40), st.data())
def test_parts_are_the_grid_each_run_once(runs, data):
    count = data.draw(st.integers(1, runs))
    whole = grid(range(runs), [()], {})
    parts = [experiments.part(whole, i, count) for i in range(count)]
    assert sum(parts, ()) == whole
    sizes = {len(part) for part in parts}
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1


def test_a_part_keeps_the_labels_of_the_whole_grid():
    arguments = ("--gap=gravity:2,friction:0.3", "--seed=0..2", "--lambda=0,1")
    with parsed(*arguments):
        whole = from_flags.experiment().runs
    parts = []
    for i in range(5):
        with parsed(*arguments, f"--part={i}/5"):
            parts += from_flags.experiment().runs
    assert tuple(parts) == whole
    assert parts[0].label == "gravity:2 lambda_real=0 lambda_sim=0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "--part=1: not I/N"),
        ("a/2", "--part=a/2: not I/N"),
        ("-1/2", "--part=-1/2: not I/N"),
        ("0/0", "--part=0/0: not I/N"),
        ("2/2", "--part=2/2: parts are counted from 0; give 0/2 to 1/2"),
        ("0/4", r"--part=0/4: the grid has 3 run\(s\)"),
    ],
)
def test_bad_parts_are_named(text, message):
    with (
        pytest.raises(ConfigError, match=message),
        parsed("--seed=0..2", f"--part={text}"),
    ):
        from_flags.experiment()
