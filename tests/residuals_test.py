"""Learning what a simulator misses: held-out gain, gates, and logs that do not do."""

import dataclasses

import numpy as np
import pytest

from experiments.mending import Mending, cached, residuals
from experiments.mending_settings import MendingSettings
from h2o_jax.errors import CheckpointError, ConfigError, DatasetError
from h2o_jax.sim import gaps, replay_log, tasks, worlds
from h2o_jax.sim.residual import lessons
from h2o_jax.types import Transition
from tests.corrections import log_of

TINY = MendingSettings(residual_updates=300, residual_hidden=(32,), residual_members=2)
HOPPER = tasks.get("hopper")
CHEETAH = tasks.get("halfcheetah")
HEAVY = gaps.parse("gravity:2")


def mending(log, task=CHEETAH):
    """A log of a task, and tiny networks."""
    return Mending(task, log, TINY, threads=1)


@pytest.fixture(scope="module")
def log():
    return log_of("halfcheetah", rows=150, episodes=14)


@pytest.fixture(scope="module")
def learned(log):
    return residuals.learn(mending(log), HEAVY)


def test_held_out_errors_fall(learned):
    before, after = learned.errors.overall
    assert after < 0.8 * before
    assert np.all(learned.errors.after <= learned.errors.before)
    used = learned.residual.used == 1
    assert used[:-1].any()
    unused = ~used
    np.testing.assert_array_equal(
        learned.errors.after[unused], learned.errors.before[unused]
    )
    assert sum(learned.rows) == 14 * 150 and learned.inexact == 0
    assert "observations and" in residuals.line(learned)
    assert residuals.table(learned).count("\n") == 18


def test_a_corrected_world_is_closer_to_the_real_system_on_new_rows(learned):
    other = log_of("halfcheetah", rows=60, episodes=4, seed=5).transition
    first = replay_log.starts(other, 1)
    wrong = replay_log.replay(CHEETAH, HEAVY, other, first, threads=1).s_t[:, 0]
    mended = worlds.make(
        CHEETAH, [HEAVY] * 32, range(32), threads=1, residuals=[learned.residual] * 32
    )
    right = replay_log.replay_in(mended, other, first).s_t[:, 0]
    before, after = (
        np.sqrt(np.mean(((x - other.s_t) / learned.residual.change[:-1]) ** 2))
        for x in (wrong, right)
    )
    assert after < 0.8 * before


def test_rows_unlike_the_log_are_not_corrected(learned, log):
    rows = log.transition
    change = learned.residual.correct(
        rows.s_tm1[:800], rows.a_tm1[:800], rows.s_t[:800]
    )
    assert change.trust.mean() > 0.9
    far = rows.s_tm1[:800] + 5 * rows.s_tm1.std(axis=0)
    change = learned.residual.correct(far, rows.a_tm1[:800], far)
    assert change.trust.mean() < 0.1


def test_learning_again_gives_the_same_residual(learned, log):
    again = residuals.learn(mending(log), HEAVY)
    assert again.residual.digest == learned.residual.digest


def test_a_right_simulator_is_left_as_it_is(log):
    found = residuals.learn(mending(log), ())
    assert not found.residual.useful
    assert "not used" in residuals.line(found)


def test_what_cannot_be_learned_is_not_used(log):
    # Targets that no input tells: what seems to be gained is noise.
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(len(log.transition.r_t))
    rows = log.transition
    noise = rows.s_t + rng.normal(size=rows.s_t.shape).astype(np.float32) * 5
    rows = rows._replace(s_t=noise, r_t=rows.r_t[shuffled])
    found = residuals.learn(mending(dataclasses.replace(log, transition=rows)), ())
    before, after = found.errors.overall
    assert 0.97 * before < after <= before


def test_episodes_are_held_out_whole(log):
    rows = log.transition
    known, held_out = lessons.split(rows, np.arange(len(rows.r_t)), 0)
    sequence = replay_log.sequences(rows)
    assert not set(sequence[known]) & set(sequence[held_out])
    assert 0.08 < len(held_out) / len(rows.r_t) < 0.2


def test_one_long_episode_is_held_out_in_a_piece():
    s = np.arange(1001, dtype=np.float32)[:, None]
    rows = Transition(s[:-1], s[:-1], s[:-1, 0], np.ones(1000, np.float32), s[1:])
    known, held_out = lessons.split(rows, np.arange(1000), 0)
    assert len(held_out) == 100 and len(known) == 900
    assert held_out[-1] - held_out[0] == 99


def test_rows_that_cannot_be_set_are_left_out():
    log = log_of("hopper", rows=300, episodes=4)
    rows = log.transition
    s_tm1 = rows.s_tm1.copy()
    s_tm1[:500, -1] = 10.0
    s_t = rows.s_t.copy()
    s_t[900:910, -1] = -10.0
    both = rows._replace(s_tm1=s_tm1, s_t=s_t)
    clipped = dataclasses.replace(log, transition=both)
    chosen, inexact = lessons.choose(HOPPER, (), clipped, 140_000, 0)
    assert chosen.min() >= 500 and inexact >= 510
    assert not set(chosen) & set(range(900, 910))
    s_tm1[:, -1] = 10.0
    with pytest.raises(DatasetError, match=r"made.npz: 0 of its 1200 rows have states"):
        residuals.learn(mending(clipped, HOPPER), HEAVY)


def test_rows_whose_simulated_speed_is_clipped_teach_nothing():
    walker, log = tasks.get("walker2d"), log_of("walker2d", rows=100, episodes=8)
    chosen = np.arange(800)
    seen = replay_log.replay(walker, HEAVY, log.transition, chosen, threads=1).s_t
    fast = (np.abs(seen[:, 0, 8:]) >= 10.0).any(axis=1)
    left = lessons.replayed(walker, HEAVY, log.transition, "modern", 1, chosen)
    assert 0 < fast.sum() < len(chosen)
    np.testing.assert_array_equal(left.s_sim, seen[~fast, 0])


@pytest.mark.fault
def test_a_small_log_and_a_task_without_poses_are_refused(log):
    few = Transition(*(x[:200] for x in log.transition[:5]))
    small = dataclasses.replace(log, transition=few)
    with pytest.raises(DatasetError, match="needs 500 at least"):
        residuals.learn(mending(small), HEAVY)
    with pytest.raises(ConfigError, match="cannot be put into a logged state"):
        residuals.learn(mending(log, dataclasses.replace(CHEETAH, pose=None)), HEAVY)


def test_a_cache_keeps_residuals_apart(log, learned, tmp_path, monkeypatch):
    here = mending(log)._replace(cache=tmp_path)
    waits = []
    first, line = cached.corrected(here, HEAVY, lambda: waits.append(1))
    assert first.digest == learned.residual.digest and "->" in line
    with monkeypatch.context() as patch:
        patch.setattr(residuals, "learn", pytest.fail)
        again, line = cached.corrected(here, HEAVY, lambda: waits.append(2))
    assert again.digest == first.digest and str(tmp_path) in line and waits == [1]
    more = here._replace(dataset=dataclasses.replace(log, sha256="1" * 64))
    other = here._replace(settings=dataclasses.replace(TINY, residual_seed=1))
    older = here._replace(inertia="d4rl")
    places = {cached.residual_place(x, HEAVY) for x in (here, more, other, older)}
    assert len(places | {cached.residual_place(here, ())}) == 5
    # A file under the name of another: what it says of itself counts.
    [file] = tmp_path.iterdir()
    file.rename(cached.residual_place(more, HEAVY))
    with pytest.raises(CheckpointError, match=r"a residual with log 0000.*, not 1111"):
        cached.corrected(more, HEAVY)
