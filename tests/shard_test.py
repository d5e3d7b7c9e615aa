"""Shards of a grid: together exactly the grid, with its labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.runs import grid
from experiments.runs import shard as runs_of
from h2o_jax.errors import ConfigError
from tests.commands import experiment_of


@given(st.integers(1, 40), st.data())
def test_shards_are_the_grid_each_run_once(runs, data):
    count = data.draw(st.integers(1, runs))
    whole = grid(range(runs), [()], {})
    shards = [runs_of(whole, i, count) for i in range(count)]
    assert sum(shards, ()) == whole
    sizes = {len(shard) for shard in shards}
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1


def test_a_shard_keeps_the_labels_of_the_whole_grid():
    arguments = ("--gap=gravity:2,friction:0.3", "--seed=0..2", "--lambda=0,1")
    whole = experiment_of(*arguments).runs
    shards = []
    for i in range(5):
        shards += experiment_of(*arguments, f"--shard={i}/5").runs
    assert tuple(shards) == whole
    assert shards[0].label == "gravity:2 lambda_real=0 lambda_sim=0"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "--shard=1: not I/N"),
        ("a/2", "--shard=a/2: not I/N"),
        ("-1/2", "--shard=-1/2: not I/N"),
        ("0/0", "--shard=0/0: not I/N"),
        ("2/2", "--shard=2/2: shards are counted from 0; give 0/2 to 1/2"),
        ("0/4", r"--shard=0/4: the grid has 3 run\(s\)"),
    ],
)
def test_bad_shards_are_named(text, message):
    with pytest.raises(ConfigError, match=message):
        experiment_of("--seed=0..2", f"--shard={text}")
