"""Tasks of the user's own: from an MJCF, named by FILE.py:NAME."""

import dataclasses
import functools
import itertools
import pathlib

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, models, replay_log, rollout, systems, tasks, worlds
from h2o_jax.sim.motors import Motors
from h2o_jax.sim.tasks import checking, files, mjcf
from tests.robots import arm

PLACE = f"{arm.__file__}:"


def flat(rows):
    return type(rows)(*(None if x is None else x[0] for x in rows))


def made(**changes):
    return mjcf.from_mjcf(arm.MODEL, **{**arm.ABOUT, **changes})


def test_sizes_and_times_come_from_the_model():
    task = tasks.get(PLACE + "TASK")
    assert (task.obs_dim, task.action_dim) == (4, 2)
    assert task.dt == pytest.approx(0.02)


def test_the_name_tells_the_content_of_file_and_model(tmp_path):
    first = tasks.get(PLACE + "TASK")
    assert first.name.startswith("arm-") and len(first.name) == len("arm-") + 8
    for name in ("arm.py", "arm.xml"):
        source = pathlib.Path(arm.__file__).with_name(name).read_text()
        (tmp_path / name).write_text(source)
    files.load.cache_clear()
    assert tasks.get(f"{tmp_path}/arm.py:TASK").name == first.name
    model = tmp_path / "arm.xml"
    model.write_text(model.read_text().replace('mass="0.3"', 'mass="0.4"'))
    files.load.cache_clear()
    assert tasks.get(f"{tmp_path}/arm.py:TASK").name != first.name


@pytest.mark.parametrize(("size", "ahead"), [(1, 0), (2, 0), (1, 0.5)])
def test_the_name_tells_the_content_of_meshes(size, ahead):
    """The model's text names a mesh by its file alone."""

    def spec(size, ahead):
        model = mujoco.MjSpec.from_file(str(arm.MODEL))
        corners = itertools.product((-size, size), repeat=3)
        text = "".join(f"v {x + ahead} {y} {z}\n" for x, y, z in corners)
        model.assets = {"rock.obj": text.encode()}
        model.add_mesh(name="rock", file="rock.obj")
        model.bodies[1].add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="rock")
        return model

    one, other = (
        files.named(dataclasses.replace(arm.TASK, spec=lambda x=x: spec(*x)), b"").name
        for x in ((1, 0), (size, ahead))
    )
    assert (one == other) == ((size, ahead) == (1, 0))


def test_actions_are_mapped_onto_asymmetric_ranges():
    motors = Motors([arm.TASK.spec().compile()], 2)
    command = motors.command(np.array([[-1.0, -1.0], [0.0, 0.0], [2.0, 0.5]]), [0] * 3)
    # (3 + -1) / 2 = 1 and (3 - -1) / 2 = 2; (2 + 0) / 2 = 1 and (2 - 0) / 2 = 1
    np.testing.assert_array_equal(command, [[-1, 0], [1, 1], [3, 1.5]])


def test_a_step_is_mujocos_own_for_motor_and_servo():
    world = worlds.make(arm.TASK, [()], [0])
    model = arm.TASK.spec().compile()
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = world.qpos[0], world.qvel[0]
    data.ctrl[:] = [2.0, 0.5]  # of the actions 0.5 and -0.5
    for _ in range(4):
        mujoco.mj_step(model, data)
    step = world.step(np.array([[0.5, -0.5]]))
    np.testing.assert_allclose(step.s_t[0], [*data.qpos, *data.qvel], rtol=1e-12)


def test_a_log_of_its_own_is_replayed_exactly():
    world = worlds.make(arm.TASK, [()], [0])
    rng = np.random.default_rng(0)
    act = lambda s, t: rng.uniform(-1, 1, (1, 2))  # noqa: E731
    log = flat(rollout.collect(world, act, 40).transitions)
    predicted = replay_log.replay(arm.TASK, (), log, np.arange(40))
    np.testing.assert_allclose(predicted.s_t[:, 0], log.s_t, atol=1e-5)
    np.testing.assert_allclose(predicted.r_t[:, 0], log.r_t, atol=1e-5)


def test_gaps_of_any_robot_and_fields_by_the_models_names(tmp_path):
    task = tasks.get(PLACE + "TASK")
    (gravity,) = gaps.parse_list("gravity:2", task.robot)
    worlds.check_effect(task, gravity)
    file = tmp_path / "mine.toml"
    file.write_text('[fields]\n"body_mass:lower" = 2.0\n')
    heavy = gaps.parse(f"@{file}", task.robot)
    world = worlds.make(task, [(), heavy], [0, 0])
    one, other = world._physics.models
    assert other.body("lower").mass == 2 * one.body(2).mass
    with pytest.raises(ConfigError, match=r"not available for arm\.xml.*gravity"):
        gaps.parse("broken_thigh", task.robot)
    file.write_text('[fields]\n"body_mass:leg" = 2.0\n')
    with pytest.raises(ConfigError, match=r"no body of that name.*upper, lower"):
        worlds.make(task, [gaps.parse(f"@{file}", task.robot)], [0])


# --- the real system -------------------------------------------------------------


def test_the_real_system_may_be_a_second_task():
    real = systems.parse(PLACE + "REAL", PLACE + "TASK")
    assert gaps.to_text(real) == tasks.get(PLACE + "REAL").name
    system = systems.of(PLACE + "TASK", real)
    assert system.task.name.startswith("true_arm-") and system.gaps == ()
    assert systems.known(real)


def test_the_real_system_may_be_unknown():
    real = systems.parse("unknown", PLACE + "TASK")
    assert gaps.to_text(real) == "unknown" and not systems.known(real)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "finding"), [("NARROW", "obs_dim is 2"), ("SLOW", "takes 0.04 s")]
)
def test_two_systems_that_do_not_fit(name, finding):
    with pytest.raises(ConfigError, match=rf"--real=.*{name}: .*{finding}"):
        systems.parse(PLACE + name, PLACE + "TASK")


# --- what is refused -------------------------------------------------------------


def broken(text):
    """The arm with some text of its model replaced."""
    old, new = text
    xml = arm.MODEL.read_text().replace(old, new)
    spec = functools.partial(mujoco.MjSpec.from_string, xml)
    return dataclasses.replace(arm.TASK, spec=spec)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            (' ctrllimited="true" ctrlrange="-1 3"', ""),
            "actuator lift has no ctrlrange",
        ),
        (
            ("<actuator>", '<actuator><motor joint="elbow"/>'),
            "3 actuators .* 2 actions",
        ),
        (
            ('timestep="0.005"', 'timestep="0.01"'),
            "timestep is 0.005 s, the model's 0.01",
        ),
    ],
)
def test_models_that_do_not_fit(text, finding):
    with pytest.raises(ConfigError, match=finding):
        checking.check(broken(text))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ('gravity="0 0 -9.81"', 'gravity="0 0 nan"', "opt.gravity is not finite"),
        ('timestep="0.005"', 'timestep="inf"', "opt.timestep is not finite"),
        ('timestep="0.005"', 'timestep="0"', "timestep is 0 s; give one above 0"),
        ('ctrlrange="-1 3"', 'ctrlrange="-inf 3"', "actuator_ctrlrange is not fin"),
        ('"lift"', '"\udcf4"', r"is no text \(UTF-8\)"),
    ],
)
def test_model_files_whose_numbers_or_names_are_none(tmp_path, old, new, finding):
    """MuJoCo compiles them, with a warning at most."""
    path, text = tmp_path / "arm.xml", arm.MODEL.read_text()
    assert old in text
    path.write_bytes(text.replace(old, new).encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=finding) as caught:
        mjcf.from_mjcf(path, frame_skip=1, observe=lambda q, v: q, reward=lambda m: 0.0)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.fault
def test_a_task_whose_numbers_are_none_is_not_compiled():
    with pytest.raises(ConfigError, match=r"opt\.gravity is not finite"):
        models.compile_model(broken(('gravity="0 0 -9.81"', 'gravity="0 0 inf"')))


def test_infinity_is_no_limit():
    old = 'ctrlrange="-1 3"'
    endless = broken((old, f'{old} forcelimited="true" forcerange="-inf inf"'))
    assert np.isinf(models.compile_model(endless).actuator_forcerange).any()


@pytest.mark.fault
@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"reward": lambda motion: 0.0}, r"reward: gives shape \(\); give \(3,\)"),
        ({"reward": lambda motion: motion.speed}, "reward: raised AttributeError"),
        ({"terminated": lambda qpos, qvel: qpos[:, 0]}, "terminated: gives float64"),
        (
            {"pose": lambda s: (s[:, 2:], s[:, :2])},
            r"observed as another one in s\[0\]",
        ),
        ({"pose": lambda s: (s[:, :1], s[:, 2:])}, r"pose: qpos has shape \(3, 1\)"),
        (
            {"reset": lambda rng, model: (np.zeros(3), np.zeros(2))},
            "reset: gives shapes",
        ),
        (
            {"reset": lambda rng, model: (np.zeros(2), np.zeros(2), 0.0)},
            "reset: gives a tuple of 3; give two, qpos and qvel",
        ),
        ({"reset": lambda rng, model: None}, "reset: gives a NoneType; give two"),
        ({"pose": lambda s: (s[:, :2],)}, "pose: gives a tuple of 1; give two"),
        ({"pose": lambda s: s[:, :2]}, "pose: gives a ndarray; give two, qpos and"),
        ({"horizon": 100.0}, r"horizon is 100\.0; give a whole number above 0"),
        ({"horizon": 0}, "horizon is 0; give a whole number above 0"),
        ({"frame_skip": 2.5}, r"frame_skip is 2\.5; give a whole number above 0"),
        ({"name": "a/b"}, "name 'a/b': give letters"),
    ],
)
def test_functions_that_do_not_fit(changes, finding):
    with pytest.raises(ConfigError, match=finding):
        files.named(made(**changes), b"")


@pytest.mark.fault
def test_a_pose_of_a_bare_task_is_a_pose():
    task = dataclasses.replace(arm.TASK, pose=lambda model, s: (s[:, :2], s[:, 2:]))
    with pytest.raises(ConfigError, match="pose: gives a tuple; give a Pose"):
        checking.check(task)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("content", "name", "finding"),
    [
        ("TASK = 1 / 0", "TASK", r"line 1: ZeroDivisionError: .*mend the file"),
        ("TASK = 3", "TASK", "TASK is a int; give the name of a Task"),
        ("", "TASK", "TASK is nothing"),
        ("", "", r"give FILE\.py:NAME"),
        (None, "TASK", "no such file; check the path"),
        (
            "from h2o_jax.sim.tasks import from_mjcf\n"
            "T = from_mjcf('no.xml', frame_skip=1, observe=None, reward=None)",
            "T",
            "no.xml: no such model file",
        ),
    ],
)
def test_files_that_do_not_fit(tmp_path, content, name, finding):
    path = tmp_path / "robot.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=finding) as caught:
        tasks.get(f"{path}:{name}" if name else f"{path}")
    assert str(path) in str(caught.value)
