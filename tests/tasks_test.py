"""Tasks equal Gymnasium's environments number for number."""

import pathlib
import warnings

import gymnasium
import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, models, tasks
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.tasks import task as task_lib
from h2o_jax.sim.tasks.locomotion import LOCOMOTION
from h2o_jax.sim.world import World

VERSIONS = {
    "halfcheetah": "HalfCheetah-v5",
    "walker2d": "Walker2d-v4",
    "walker2d-v5": "Walker2d-v5",
    "hopper": "Hopper-v4",
    "hopper-v5": "Hopper-v5",
}
ODRL = pathlib.Path(__file__).parents[2] / "shared" / "data" / "odrl_style"


def make_gymnasium(name: str) -> gymnasium.Env:
    """The environment, without the messages that its construction leaves behind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gymnasium.make(VERSIONS[name]).unwrapped


def saved(model: mujoco.MjModel) -> np.ndarray:
    """Every byte of a model."""
    data = np.zeros(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, data)
    return data


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_every_locomotion_task_has_a_gymnasium_counterpart():
    assert [task.name for task in LOCOMOTION] == list(VERSIONS)


@pytest.mark.parametrize("name", VERSIONS)
def test_model_is_gymnasiums_bit_for_bit(name):
    env = make_gymnasium(name)
    ours = models.compile_model(tasks.get(name))
    # Gymnasium grows the window that it would draw in; nothing else may differ.
    ours.vis.global_.offwidth = env.model.vis.global_.offwidth
    ours.vis.global_.offheight = env.model.vis.global_.offheight
    np.testing.assert_array_equal(saved(ours), saved(env.model))


@pytest.mark.parametrize("name", VERSIONS)
def test_steps_and_resets_equal_gymnasiums(name):
    env, task = make_gymnasium(name), tasks.get(name)
    world = World(task, [models.compile_model(task)], [Interface()], [0])
    assert task.dt == env.dt
    rng = np.random.default_rng(1)
    seed = 0
    expected, _ = env.reset(seed=seed)
    world.reset(seeds=[seed])
    for t in range(300):
        np.testing.assert_array_equal(world.observations[0], expected)
        action = rng.uniform(-1, 1, task.action_dim)
        expected, reward, terminated, _, _ = env.step(action)
        step = world.step(action[None])
        np.testing.assert_array_equal(step.s_t[0], expected)
        assert step.reward[0] == reward
        assert step.terminated[0] == terminated
        assert not step.unstable[0]
        if terminated or t % 100 == 99:
            seed += 1
            expected, _ = env.reset(seed=seed)
            world.reset(seeds=[seed])
    assert seed >= 3


def test_bonus_on_the_terminal_step_is_v4s_alone():
    # Lying on the ground at rest: no speed, no effort, so the reward is the bonus.
    lying, still = np.zeros((1, 9)), np.zeros((1, 9))
    action = np.zeros((1, 6))
    for name, bonus in (("walker2d", 1.0), ("walker2d-v5", 0.0)):
        task = tasks.get(name)
        fell = task.terminated(lying, still)
        motion = tasks.Motion(lying, lying, None, action, None, fell)
        assert fell[0]
        assert task.reward(motion)[0] == bonus


def test_cheetah_reward_by_hand():
    task = tasks.get("halfcheetah")
    before, after = np.zeros((1, 9)), np.zeros((1, 9))
    after[0, 0] = 0.1
    command = np.array([[1.0, -1.0, 0.5, 0, 0, 0]])
    motion = tasks.Motion(before, after, None, command, None, np.zeros(1, bool))
    # 0.1 m in 0.05 s is 2 m/s; the effort is 0.1 * (1 + 1 + 0.25) = 0.225.
    np.testing.assert_allclose(task.reward(motion), [1.775])


def test_normalised_score():
    task = tasks.get("walker2d")
    assert task.normalised(1.629008) == 0.0
    assert task.normalised(4592.3) == 100.0
    assert task.normalised(5194.71, "gravity:0.5") == 100.0
    with pytest.raises(ConfigError, match="real gravity:2: no returns to score"):
        task.normalised(1.0, "gravity:2")


@pytest.mark.fault
def test_unknown_task_lists_the_choices():
    with pytest.raises(ConfigError, match=r"'humanoid'.*halfcheetah, walker2d"):
        tasks.get("humanoid")


@pytest.mark.fault
def test_another_gymnasiums_model_is_refused():
    with pytest.raises(ConfigError, match=f"gymnasium {gymnasium.__version__}"):
        task_lib.gymnasium_spec("walker2d.xml", "0" * 64)
    with pytest.raises(ConfigError, match=r"nothere\.xml"):
        task_lib.gymnasium_spec("nothere.xml", "0" * 64)


def test_capsules_of_old_mujoco_by_hand():
    task = tasks.get("walker2d")
    modern = models.compile_model(task)
    old = models.compile_model(task, inertia="d4rl")
    # The published totals of the two versions.
    assert modern.body_mass.sum() == pytest.approx(23.68, abs=0.005)
    assert old.body_mass.sum() == pytest.approx(22.70, abs=0.005)
    # Torso: density 1000, r = .05, l = .2, so a cylinder of length .45 (half .225):
    # 1000 pi .05^2 .45 = 3.534 kg, about its end 3.534 (3 .05^2 + .45^2) / 12.
    np.testing.assert_allclose(old.body("torso").mass, 3.53429, rtol=1e-5)
    inertia = sorted(old.body("torso").inertia)
    axis, across = 3.53429 * 0.05**2 / 2, 3.53429 * (3 * 0.05**2 + 0.45**2) / 12
    np.testing.assert_allclose(inertia, [axis, across, across], rtol=1e-5)
    np.testing.assert_array_equal(old.geom_size, modern.geom_size)


def test_old_inertia_keeps_the_cheetahs_total_mass():
    model = models.compile_model(tasks.get("halfcheetah"), inertia="d4rl")
    assert model.body_mass.sum() == pytest.approx(14.0, abs=1e-12)


def replay_errors(name: str, gap: str, file: str, inertia: str) -> np.ndarray:
    """Largest velocity error of each logged transition `[N]`, replayed for one step."""
    h5py = pytest.importorskip("h5py")
    path = ODRL / file
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with h5py.File(path) as log:
        keys = ("observations", "actions", "next_observations")
        s_tm1, a_tm1, s_t = (np.asarray(log[key][:400], float) for key in keys)
    task = tasks.get(name)
    nq = (task.obs_dim + 1) // 2
    clipped = (np.abs(s_tm1[:, nq - 1 :]) >= 10) | (np.abs(s_t[:, nq - 1 :]) >= 10)
    keep = ~clipped.any(axis=1) if name != "halfcheetah" else np.ones(len(s_t), bool)
    s_tm1, a_tm1, s_t = s_tm1[keep], a_tm1[keep], s_t[keep]
    model = models.compile_model(task, gaps.parse(gap, task.robot), inertia)
    n = len(s_t)
    physics = mujoco.batch.Batch(model, n, 1)
    physics.qpos[:, 1:] = s_tm1[:, : nq - 1]
    physics.qvel[:] = s_tm1[:, nq - 1 :]
    physics.ctrl[:] = a_tm1
    physics.step(nstep=task.frame_skip)
    return np.abs(physics.qvel - s_t[:, nq - 1 :]).max(axis=1)


@pytest.mark.parametrize("name", ["halfcheetah", "hopper", "walker2d"])
def test_old_inertia_replays_published_logs(name):
    file = f"{name}_gravity_0.5_medium.hdf5"
    old = np.median(replay_errors(name, "gravity:0.5", file, "d4rl"))
    modern = np.median(replay_errors(name, "gravity:0.5", file, "modern"))
    assert old < 1e-6 < 1e-3 < modern


def test_kinematic_log_is_the_back_thighs_range():
    file = "halfcheetah_kinematic_medium.hdf5"
    with_gap = replay_errors("halfcheetah", "back_thigh_range:0.01", file, "d4rl")
    without = replay_errors("halfcheetah", "none", file, "d4rl")
    assert np.median(with_gap) < 1e-6 < 1e-3 < np.median(without)


@pytest.mark.fault
def test_nothing_is_written_anywhere(in_empty_folder):
    assets = pathlib.Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
    before = {path: path.stat().st_mtime_ns for path in assets.iterdir()}
    task = tasks.get("halfcheetah")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = models.compile_model(task, gaps.parse("big_thigh+gravity"))
        World(task, [model], [Interface()], [0]).step(np.zeros((1, 6)))
    assert {path: path.stat().st_mtime_ns for path in assets.iterdir()} == before
    assert not list(in_empty_folder.iterdir())
