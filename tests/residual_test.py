"""Residuals in NumPy: what they answer, their limits, their files, in worlds."""

import dataclasses

import numpy as np
import pytest

from h2o_jax.errors import CheckpointError, ConfigError
from h2o_jax.sim import gaps, residual, rollout, tasks, worlds
from tests.corrections import constant, random
from tests.worlds import CHEETAH, WALKER, random_actions

HEAVY = gaps.parse("gravity:2")
STAND = tasks.get("wheel_legged_stand")


def rows(task, k, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(k, task.obs_dim)),
        rng.uniform(-1, 1, (k, task.action_dim)),
        rng.normal(size=(k, task.obs_dim)),
    )


def corrected(task, *residuals, gap=HEAVY, seeds=None):
    n = len(residuals)
    seeds = range(n) if seeds is None else seeds
    return worlds.make(task, [gap] * n, seeds, threads=1, residuals=residuals)


# --- answers --------------------------------------------------------------------


def test_a_row_is_answered_alike_in_any_company():
    learned, (s, a, s_t) = random(CHEETAH), rows(CHEETAH, 21)
    together = learned.correct(s, a, s_t)
    for i in (0, 7, 8, 20):
        alone = learned.correct(*(x[i : i + 1] for x in (s, a, s_t)))
        for whole, one in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole[i], one[0])
    shifted = learned.correct(s[3:], a[3:], s_t[3:])
    np.testing.assert_array_equal(together.s_t[3:], shifted.s_t)


def test_answers_are_those_of_the_networks_in_float64():
    learned, (s, a, s_t) = random(CHEETAH), rows(CHEETAH, 5)
    x = np.concatenate([s, a, s_t - s], axis=1)
    answers = []
    for k in range(3):
        y = x
        for i, w in enumerate(learned.weights):
            y = y @ w[k].astype(float)
            y = y / (1 + np.exp(-y)) if i < 2 else y
        answers.append(0.01 * y)
    answers = np.stack(answers)
    got, disagreement = learned.answers(s, a, s_t)
    np.testing.assert_allclose(got, answers.mean(axis=0), atol=1e-7)
    rms = np.sqrt((answers.std(axis=0) ** 2).mean(axis=1))
    np.testing.assert_allclose(disagreement, rms, rtol=1e-4)


def test_numbers_that_did_not_improve_are_left_alone():
    used = np.ones(18)
    used[[2, 17]] = 0
    learned = constant(CHEETAH, np.full(18, 0.5), used=used)
    change = learned.correct(*rows(CHEETAH, 4))
    assert (change.s_t[:, 2] == 0).all() and (change.r_t == 0).all()
    np.testing.assert_allclose(np.delete(change.s_t, 2, 1), 0.5)


def test_a_correction_fades_as_the_members_disagree():
    # Two members at +-d: the standard deviation is d in each of 18 numbers, whose rms
    # is d. The limit is 1: full up to there, half at 1.5, none from 2 on.
    for d, trust in ((0.0, 1.0), (1.0, 1.0), (1.5, 0.5), (2.0, 0.0), (3.0, 0.0)):
        biases = np.stack([np.full(18, 0.1 + d), np.full(18, 0.1 - d)])
        learned = constant(CHEETAH, np.zeros(18), biases=(np.float32(biases),))
        change = learned.correct(*rows(CHEETAH, 2))
        np.testing.assert_allclose(change.trust, trust, atol=1e-6)
        np.testing.assert_allclose(change.s_t, 0.1 * trust, atol=1e-6)
        np.testing.assert_allclose(change.r_t, change.s_t[:, 0], atol=1e-6)
        # Three times the std of rewards, 0.5, for each unit of doubt.
        unsure = dataclasses.replace(learned, pessimism=3.0, change=np.full(18, 0.5))
        # Disagreement is in units of `change`, and so is the limit here.
        unsure = dataclasses.replace(unsure, limit=2.0)
        cost = change.r_t - unsure.correct(*rows(CHEETAH, 2)).r_t
        np.testing.assert_allclose(cost, 1.5 * min(d, 2.0), atol=1e-5)


def test_pessimism_is_no_part_of_what_a_residual_is(tmp_path):
    learned, path = random(CHEETAH), tmp_path / "a.npz"
    unsure = dataclasses.replace(learned, pessimism=1.0)
    assert unsure.digest == learned.digest
    residual.save(path, unsure)
    assert residual.load(path).pessimism == 0


def test_outputs_are_bounded_and_stay_in_the_range_of_the_log():
    learned = constant(CHEETAH, np.full(18, 1e6))
    np.testing.assert_allclose(learned.correct(*rows(CHEETAH, 3)).s_t, 6.0)
    learned = constant(CHEETAH, np.full(18, 0.5), high=np.zeros(17))
    s_t = np.stack([np.full(17, -0.2), np.full(17, 3.0)])
    change = learned.correct(np.zeros((2, 17)), np.zeros((2, 6)), s_t)
    # Up to the highest number of the log; beyond it already, no further out.
    np.testing.assert_allclose(change.s_t[0], 0.2)
    np.testing.assert_array_equal(change.s_t[1], 0.0)


# --- files ----------------------------------------------------------------------


def test_a_file_gives_the_same_residual(tmp_path):
    learned, path = random(CHEETAH), tmp_path / "a.npz"
    residual.save(path, learned)
    again = residual.load(path, {"task": "halfcheetah"})
    assert again.digest == learned.digest != random(CHEETAH, seed=1).digest
    given = rows(CHEETAH, 3)
    for x, y in zip(learned.correct(*given), again.correct(*given), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.fault
def test_what_is_damaged_or_another_is_refused_in_one_line(tmp_path):
    learned, path = random(CHEETAH), tmp_path / "a.npz"
    residual.save(path, learned)
    with pytest.raises(CheckpointError, match="with task halfcheetah, not hopper"):
        residual.load(path, {"task": "hopper"})
    with np.load(path) as file:
        arrays = dict(file)
    arrays["weights_0"][0, 0, 0] += 1
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(CheckpointError, match="altered after it was saved"):
        residual.load(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(path.read_bytes()[:3000])
    (tmp_path / "d.npz").write_text("nothing")
    np.savez(tmp_path / "e.npz", about=np.array("{}"))
    for name in "cde":
        with pytest.raises(CheckpointError, match="no residual, or damaged"):
            residual.load(tmp_path / f"{name}.npz")
    with pytest.raises(CheckpointError, match="no such file"):
        residual.load(tmp_path / "f.npz")


# --- worlds ---------------------------------------------------------------------


@pytest.mark.parametrize("task", tasks.TASKS.values(), ids=lambda task: task.name)
def test_poses_are_affine(task):
    world = worlds.make(task, [()], [0], threads=1)
    a, b = np.random.default_rng(0).normal(size=(2, 1, task.obs_dim))
    model = world._physics.models[0]
    middle, first, last = (task.pose(model, x) for x in ((a + b) / 2, a, b))
    for name in ("qpos", "qvel", "memory"):
        half = (getattr(first, name) + getattr(last, name)) / 2
        np.testing.assert_allclose(getattr(middle, name), half, atol=1e-12)


def test_the_simulator_goes_on_from_the_corrected_state():
    answer = np.zeros(18)
    answer[[0, 8, 17]] = 0.03, -0.2, 5.0  # height, forward speed, reward
    world, plain = (
        corrected(CHEETAH, constant(CHEETAH, answer)),
        corrected(CHEETAH, None),
    )
    action = random_actions(1, 1)[0]
    got, wanted = world.step(action), plain.step(action)
    np.testing.assert_allclose(got.s_t, wanted.s_t + answer[:17], atol=1e-7)
    np.testing.assert_allclose(got.reward, wanted.reward + 5.0, atol=1e-6)
    # Where it is, and what it sees, agree; how far it ran is the simulator's.
    np.testing.assert_allclose(CHEETAH.observe(world.qpos, world.qvel), got.s_t)
    assert world.qpos[0, 0] == plain.qpos[0, 0]
    assert world.returns[0] == got.reward[0]
    plain.put(got.s_t)
    action = random_actions(1, 1, seed=1)[0]
    unmoved = np.setdiff1d(np.arange(17), [0, 8])
    second, free = world.step(action).s_t, plain.step(action).s_t
    np.testing.assert_allclose(second[:, unmoved], free[:, unmoved], atol=1e-5)


def test_odometry_goes_on_from_the_corrected_one():
    answer = np.array([0.0, 0.0, 0.4, 0.0, 0.0])
    world = corrected(STAND, constant(STAND, answer), gap=gaps.parse("idealised"))
    first = world.step(np.zeros((1, 1))).s_t
    np.testing.assert_allclose(world.state()["memory"][:, 0], first[:, 2])
    second = world.step(np.zeros((1, 1))).s_t
    assert abs(second[0, 2] - first[0, 2] - 0.4) < 0.01


def test_without_a_pose_the_row_alone_is_corrected():
    task = dataclasses.replace(CHEETAH, pose=None)
    answer = np.full(18, 0.1)
    world, plain = corrected(task, constant(task, answer)), corrected(task, None)
    action = random_actions(1, 1)[0]
    got, wanted = world.step(action), plain.step(action)
    np.testing.assert_allclose(got.s_t, wanted.s_t + 0.1, atol=1e-7)
    np.testing.assert_array_equal(world.qpos, plain.qpos)


def test_a_clipped_speed_is_stored_as_the_corrected_state_shows_it():
    answer = np.zeros(18)
    answer[8] = -1.0  # forward speed
    world = corrected(WALKER, *[constant(WALKER, answer)] * 3)
    plain = corrected(WALKER, None, None, None)
    for each in (world, plain):
        each._qvel[:, 0] = 5.0, 10.5, 14.0
    action = random_actions(1, 3)[0]
    got, wanted = world.step(action).s_t[:, 8], plain.step(action).s_t[:, 8]
    true = plain.qvel[:, 0]
    assert true[0] < 9 < 10 < true[1] < 11 < true[2] and wanted[2] == 10.0
    np.testing.assert_allclose(got, [true[0] - 1, true[1] - 1, 10.0])
    np.testing.assert_array_equal(got, WALKER.observe(world.qpos, world.qvel)[:, 8])


def test_termination_is_that_of_the_corrected_state():
    answer = np.zeros(18)
    answer[0] = -5.0  # height
    world = corrected(WALKER, constant(WALKER, answer), None)
    assert world.step(random_actions(1, 2)[0]).terminated.tolist() == [True, False]


def test_environments_are_corrected_by_their_own_residuals():
    first, second = random(CHEETAH), random(CHEETAH, seed=1)
    kinds = (first, None, second, first)
    together = corrected(CHEETAH, *kinds)
    actions = random_actions(40, 4)
    log = [together.step(action).s_t for action in actions]
    for i, kind in enumerate(kinds):
        alone = corrected(CHEETAH, kind, seeds=[i])
        for s_t, action in zip(log, actions, strict=True):
            np.testing.assert_array_equal(s_t[i], alone.step(action[i : i + 1]).s_t[0])


def test_a_residual_of_nothing_changes_no_bit():
    actions = random_actions(30, 2)
    nothing = constant(CHEETAH, np.zeros(18))
    worlds_ = (corrected(CHEETAH, nothing, None), corrected(CHEETAH, None, nothing))
    plain = worlds.make(CHEETAH, [HEAVY] * 2, range(2), threads=1)
    for action in actions:
        wanted = plain.step(action)
        for world in worlds_:
            for x, y in zip(world.step(action), wanted, strict=True):
                np.testing.assert_array_equal(x, y)


@pytest.mark.fault
def test_a_simulator_that_goes_astray_is_cut_and_counted():
    answer = np.zeros(18)
    answer[8] = 3.0
    # Forward speed passes the log's range by its own width, 8, within some steps.
    low, high = np.full(17, -1e3), np.full(17, 1e3)
    low[8], high[8] = -4.0, 4.0
    learned = constant(CHEETAH, answer, low=low, high=high)
    world = corrected(CHEETAH, learned, None)
    steady, _ = rollout.collect(world, lambda obs, t: np.zeros((2, 6)), 20)
    assert world.astray_episodes.tolist() == [0, 0]
    assert world.trust.tolist() == [20.0, 0.0]
    world._qvel[0, 0] = 200.0
    rows_, episodes = rollout.collect(world, lambda obs, t: np.zeros((2, 6)), 1)
    assert (rows_.discount_t == 1).all()
    assert rows_.s_t[0, 0, 8] > 12
    assert episodes.environment.tolist() == [0]
    assert world.astray_episodes.tolist() == [1, 0]
    assert world.age.tolist() == [0, 21] and not world.astray.any()
    assert steady.s_t[0, :, 8].max() <= 4.0


def test_resume_is_exact_and_knows_its_residual():
    actions = random_actions(60, 2)
    kinds = random(CHEETAH), random(CHEETAH, seed=1)
    world, other = corrected(CHEETAH, *kinds), corrected(CHEETAH, *kinds)
    for action in actions[:25]:
        world.step(action)
    state = world.state()
    expected = [world.step(action) for action in actions[25:]]
    other.restore(state)
    for action, wanted in zip(actions[25:], expected, strict=True):
        for x, y in zip(other.step(action), wanted, strict=True):
            np.testing.assert_array_equal(x, y)
    for name, array in world.state().items():
        np.testing.assert_array_equal(array, other.state()[name])
    with pytest.raises(CheckpointError, match="another residual"):
        corrected(CHEETAH, *kinds[::-1]).restore(state)
    with pytest.raises(CheckpointError, match="another residual"):
        corrected(CHEETAH, kinds[0], None).restore(state)


@pytest.mark.fault
def test_a_residual_of_another_task_is_refused():
    with pytest.raises(ConfigError, match="a residual of walker2d cannot correct"):
        corrected(CHEETAH, random(WALKER))
