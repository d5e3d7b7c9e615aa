"""Environments from gaps and seeds: each as if made by hand, models shared."""

import numpy as np

from h2o_jax.sim import gaps, models, worlds
from h2o_jax.sim.world import World
from tests.worlds import WALKER, assert_same, drive, random_actions

GAPS = gaps.parse_list("gravity:2,none,joint_noise:0.5,gravity:2")


def test_equal_to_a_world_made_by_hand():
    made = worlds.make(WALKER, GAPS, range(4), "d4rl", threads=1)
    by_hand = World(
        WALKER,
        [models.compile_model(WALKER, x, "d4rl") for x in GAPS],
        [gaps.interface(x, WALKER.interface) for x in GAPS],
        range(4),
        1,
    )
    actions = random_actions(60, 4)
    assert_same(drive(made, actions), drive(by_hand, actions))


def test_each_distinct_model_is_compiled_once(monkeypatch):
    compiled = []

    def compile_model(*given):
        compiled.append(given[1])
        return models.compile_model(*given)

    monkeypatch.setattr(worlds, "compile_model", compile_model)
    worlds.make(WALKER, GAPS, range(4), threads=1)
    assert len(compiled) == 3
    assert {*compiled} == {*GAPS}


def test_each_distinct_variation_is_made_once(monkeypatch):
    made = []
    monkeypatch.setattr(worlds, "_variation", lambda task, x, inertia: made.append(x))
    worlds.make(WALKER, GAPS, range(4), threads=1, randomise=True)
    assert len(made) == 3 and {*made} == {*GAPS}


def test_the_state_is_laid_out_as_the_whole_grids():
    """A process with the short delay saves a queue as long as the other's."""
    short, long = gaps.parse_list("latency:1,latency:4")
    together = worlds.make(WALKER, [short, long], [0, 1], threads=1)
    apart = worlds.make(WALKER, [short], [0], threads=1, grid=[short, long])
    wanted = {name: array[:1].shape for name, array in together.state().items()}
    assert {name: array.shape for name, array in apart.state().items()} == wanted
    assert "queue" not in worlds.make(WALKER, [()], [0], threads=1).state()
    np.testing.assert_array_equal(apart.observations, together.observations[:1])
