"""An epoch's updates: blocks of any size, and none that is not finite."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax import Hyper, learning, packing, sac
from h2o_jax.learning import SKIPPED, Learn
from h2o_jax.program import make_program
from h2o_jax.types import unit_scales

pytestmark = pytest.mark.usefixtures("fast_compile")
OBS, ACTIONS, ROWS, PATIENCE = 3, 2, 12, 3


@pytest.fixture(scope="module")
def program():
    """Two runs on one device, which stop after three skipped updates in a row."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "PATIENCE", PATIENCE)
        method = sac(OBS, ACTIONS, learn_rows=slice(0, 4), hidden=(8,))
        yield make_program(method, OBS, ACTIONS, 2, 8, jax.devices()[:1])


def started(program, poisoned=0, **hyper):
    """States, and a replay with so many rewards of run 1 that are no numbers."""
    width = packing.width(OBS, ACTIONS)
    rows = np.random.default_rng(0).normal(size=(2, ROWS, width)).astype(np.float32)
    batch = packing.unpack(rows, OBS, ACTIONS)
    batch.discount_t[...] = 1.0
    batch.r_t[1, :poisoned] = np.nan
    given = jax.tree.map(lambda x: jnp.full(2, x), Hyper(**hyper))
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    states = program.init(keys, given, unit_scales(OBS, ACTIONS))
    return states, program.store(program.init_replay(ROWS), program.place(rows))


def epoch(program, updates):
    """The same compiled program, for epochs of another length."""
    return Learn(program.learn._do, updates)


def one(tree, run):
    return jax.tree.map(lambda x: x[run], tree)


def learned(states):
    averages = states.target_params, states.average_policy
    return states.params, averages, states.opt_state


@pytest.mark.fault
def test_a_skipped_update_leaves_all_but_the_step_as_it_was(program):
    states, replay = started(program, poisoned=ROWS)
    after, metrics = epoch(program, 1)(states, replay, None)
    chex.assert_trees_all_equal(one(learned(after), 1), one(learned(states), 1))
    assert after.step.tolist() == [1, 1]
    assert metrics[SKIPPED].tolist() == [0, 1]
    assert np.isfinite(metrics["critic/sim_loss"]).tolist() == [True, False]
    # The reward spoils the critics first; their losses end nothing else.
    assert {k: x.tolist() for k, x in after.failures.items()} == {
        "critic": [0, 1],
        "policy": [0, 0],
        "log_alpha": [0, 0],
    }


def test_sums_are_not_compiled_into_each_array_that_is_kept(program):
    """They were: 36 additions an array, and 4 s of every start."""
    states, _ = started(program)
    runs = program.learn._do.begin(states)
    compiled = program.learn._do.sift.lower(runs, runs, np.float32(1)).compile()
    assert compiled.as_text().count(" add(") < 2 * len(jax.tree.leaves(runs))


def test_the_updates_around_a_skipped_one_count(program):
    """Eight updates, of which some are skipped, are eight times one."""
    states, replay = started(program, poisoned=1)
    whole, metrics = program.learn(states, replay, None)
    singly, skips = states, 0
    for _ in range(8):
        singly, each = epoch(program, 1)(singly, replay, None)
        skips += each[SKIPPED]
    chex.assert_trees_all_equal(one(learned(whole), 1), one(learned(singly), 1))
    chex.assert_trees_all_equal(whole.failures, singly.failures)
    assert whole.step.tolist() == [8, 8]
    assert metrics[SKIPPED].tolist() == skips.tolist()
    assert 0 < skips[1] < 8 and skips[0] == 0
    chex.assert_tree_all_finite((learned(whole), metrics))


@pytest.mark.fault
def test_the_other_runs_notice_nothing(program):
    (healthy, reported), (ill, told) = (
        program.learn(*started(program, poisoned=poisoned), None)
        for poisoned in (0, ROWS)
    )
    chex.assert_trees_all_equal(one(learned(healthy), 0), one(learned(ill), 0))
    chex.assert_trees_all_equal(one(reported, 0), one(told, 0))


@pytest.mark.fault
def test_a_run_stops_after_enough_skipped_updates_in_a_row(program):
    states, replay = started(program, poisoned=ROWS)
    after, metrics = program.learn(states, replay, None)
    assert learning.stopped(after.failures).tolist() == [False, True]
    # Its step tells when; nothing of it ever changes again.
    assert after.step.tolist() == [8, PATIENCE]
    assert metrics[SKIPPED].tolist() == [0, 8]
    _, healthy = started(program)
    later, metrics = program.learn(after, healthy, None)
    assert metrics[SKIPPED].tolist() == [0, 8]
    chex.assert_trees_all_equal(one(learned(later), 1), one(learned(after), 1))
    assert later.step[1] == PATIENCE and later.failures["critic"][1] == PATIENCE


@pytest.mark.fault
@pytest.mark.parametrize("name", ["critic_lr", "policy_lr"])
def test_parameters_that_leave_the_range_are_told_by_their_group(program, name):
    states, replay = started(program, **{name: 1e38})
    after, _ = program.learn(states, replay, None)
    assert learning.stopped(after.failures).all()
    chex.assert_tree_all_finite(learned(after))
    counts = {group: int(x[0]) for group, x in after.failures.items()}
    assert sum(counts.values()) == PATIENCE


def test_the_size_of_blocks_changes_no_bit(program):
    states, replay = started(program)
    sizes, results = (1, 3, 8), []
    for size in sizes:
        learn, called = epoch(program, 8), []
        learn._size = size
        results.append(learn(states, replay, None, lambda x=called: x.append(1)))
        assert len(called) == {1: 4, 3: 2, 8: 1}[size]  # sizes double
    for result in results[1:]:
        chex.assert_trees_all_equal(learned(result[0]), learned(results[0][0]))
        chex.assert_trees_all_equal(result[1], results[0][1])


def test_blocks_get_shorter_where_a_machine_gets_slower(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(learning.time, "monotonic", lambda: now[0])
    learn, sizes = Learn(None, 60), []

    def block(runs, n):
        now[0] += 0.05 * n
        sizes.append(n)
        return runs

    learn._size = 256  # from when it was fast
    learn._blocks(block, None, 60)
    learn._blocks(block, None, 60)
    assert sizes == [60, 20, 20, 20]


def test_skipping_needs_no_more_memory_than_learning(program):
    """Two states beside the one that goes in, however many updates are skipped."""
    peaks = []
    for poisoned in (0, 3):
        states, replay = started(program, poisoned=poisoned)
        held = []

        def look(held=held):
            held.append(sum(x.nbytes for x in jax.live_arrays()))

        learn = epoch(program, 64)
        learn._size = 1
        before = sum(x.nbytes for x in jax.live_arrays())
        _, metrics = learn(states, replay, None, look)
        peaks.append(max(held) - before)
    size = sum(x.nbytes for x in jax.tree.leaves(states))
    assert metrics[SKIPPED][1] > 3
    assert peaks[1] <= peaks[0] + 1.5 * size <= 4 * size


@pytest.mark.fault
def test_an_epoch_that_is_given_up_spoils_nothing(program):
    states, replay = started(program)

    def stop():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        program.learn(states, replay, None, stop)
    fresh = started(program)
    again, expected = (program.learn(*x, None) for x in ((states, replay), fresh))
    chex.assert_trees_all_equal(learned(again[0]), learned(expected[0]))
