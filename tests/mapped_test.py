"""Runs one after the other in one program, optimised as it is in earnest."""

import jax

from tests.algorithms_test import RUNS, assert_same, make_block, stacked
from tests.cases import Case


def test_one_mapped_run_equals_one_of_two_bit_for_bit():
    case = Case("h2o_plus")
    _, states = stacked(case)
    block = make_block(case.algorithm)
    both = block(states)
    for i in range(len(RUNS)):
        alone = block(jax.tree.map(lambda x, i=i: x[i : i + 1], states))
        assert_same(jax.tree.map(lambda x, i=i: x[i : i + 1], both), alone)
