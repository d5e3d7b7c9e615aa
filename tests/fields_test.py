"""Fields change what they say, and a simulator file says which, wherever it lies."""

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields, gaps, models, simulator_file, tasks, worlds
from h2o_jax.sim.fields import Value
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.simulator_file import SimulatorFile
from tests.worlds import CHEETAH, WALKER, assert_same, drive, plain, random_actions

ROBOT = tasks.get("wheel_legged_stand")
DIMENSIONS = "length", "radius"
NEUTRAL = [(x.name, x.neutral) for x in fields.ALL if x.arrays]


def written(path, text):
    path.write_text(text)
    return f"@{path}"


def saved(model):
    data = np.zeros(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, data)
    return data


# --- fields ---------------------------------------------------------------------


def test_neutral_values_are_the_same_model():
    assert fields.scaled(plain(CHEETAH), NEUTRAL) is plain(CHEETAH)


@pytest.mark.parametrize("name", ["gravity", "friction"])
def test_a_scale_equals_the_gap_of_its_name(name):
    by_gap = models.compile_model(WALKER, gaps.parse(f"{name}:0.5"))
    by_field = fields.scaled(plain(WALKER), [(name, 0.5)])
    np.testing.assert_allclose(by_field.opt.gravity, by_gap.opt.gravity)
    np.testing.assert_allclose(by_field.geom_friction, by_gap.geom_friction)


def test_one_element_is_scaled_alone_and_what_follows_from_it_follows():
    model = fields.scaled(
        plain(CHEETAH),
        [("body_mass:torso", 2.0), ("joint_damping:bfoot", 3), ("actuator_gear", 0.5)],
    )
    ratio = model.body_mass[1:] / plain(CHEETAH).body_mass[1:]
    np.testing.assert_allclose(ratio, [2, 1, 1, 1, 1, 1, 1])
    assert model.body_subtreemass[0] == pytest.approx(model.body_mass.sum())
    assert model.dof_M0[0] > plain(CHEETAH).dof_M0[0]
    before, after = plain(CHEETAH).dof_damping, model.dof_damping
    np.testing.assert_allclose(after[3:] / before[3:], [1, 1, 3, 1, 1, 1])
    np.testing.assert_allclose(model.actuator_gear[:, 0], [60, 45, 30, 60, 30, 15])


def test_a_centre_of_mass_and_an_inertia_are_scaled_alone():
    names = "centre_of_mass:torso", "body_inertia:bfoot", "centre_of_mass:ffoot"
    values = list(zip(names, (0.5, 3.0, 0.5), strict=True))
    before, after = plain(CHEETAH), fields.scaled(plain(CHEETAH), values)
    torso, foot = (before.body(name).id for name in ("torso", "bfoot"))
    # Half as far from the joints, and nothing else is lighter or elsewhere.
    np.testing.assert_allclose(after.body_ipos[torso], before.body_ipos[torso] / 2)
    np.testing.assert_array_equal(after.body_ipos[2:-1], before.body_ipos[2:-1])
    np.testing.assert_allclose(after.body_inertia[foot], 3 * before.body_inertia[foot])
    np.testing.assert_array_equal(after.body_mass, before.body_mass)
    assert np.abs(before.body_ipos[[torso, -1]]).max(axis=1).min() > 0.01
    # What touches and is seen stays where it is.
    both = [mujoco.MjData(model) for model in (before, after)]
    for model, state in zip((before, after), both, strict=True):
        mujoco.mj_forward(model, state)
    np.testing.assert_allclose(both[1].geom_xpos, both[0].geom_xpos, atol=1e-12)


def test_an_actuator_without_a_name_has_its_joints():
    model = fields.scaled(plain(WALKER), [("actuator_gear:foot_left_joint", 2.0)])
    ratio = model.actuator_gear[:, 0] / plain(WALKER).actuator_gear[:, 0]
    np.testing.assert_allclose(ratio, [1, 1, 1, 1, 1, 2])


def test_dry_friction_is_added_where_motors_are_in_shares_of_their_torque():
    model = fields.scaled(plain(CHEETAH), [("dry_friction", 0.1)])
    assert not np.any(plain(CHEETAH).dof_frictionloss)
    # Gears of 120, 90, 60, 120, 60, 30 and controls of 1; none moves the root.
    np.testing.assert_allclose(
        model.dof_frictionloss, [0, 0, 0, 12, 9, 6, 12, 6, 3], rtol=1e-12
    )
    # The robot's wheels have 0.27 N m already, a gear of 2 and controls of 3 N m.
    robot = models.compile_model(ROBOT, ())
    more = fields.scaled(robot, [("actuator_gear", 2.0), ("dry_friction:wheels", 0.05)])
    np.testing.assert_allclose(more.dof_frictionloss, [0, 0, 0, 0.27 + 0.05 * 6])


@pytest.mark.parametrize(
    ("gap", "values"),
    [
        ("long_torso:4", {"geom_length:torso": 4}),
        ("big_thigh:2", {f"geom_{x}:{y}thigh": 2 for x in DIMENSIONS for y in "bf"}),
        ("small_thigh", {f"geom_{x}:{y}thigh": 0.5 for x in DIMENSIONS for y in "bf"}),
    ],
)
def test_a_shape_equals_a_gaps(gap, values):
    """What touches where, and the spheres and boxes by which contacts are sought."""
    by_gap = models.compile_model(CHEETAH, gaps.parse(gap))
    by_field = fields.scaled(plain(CHEETAH), values.items())
    for array in ("geom_size", "geom_rbound", "geom_aabb"):
        ours, theirs = (getattr(model, array) for model in (by_field, by_gap))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_array_equal(by_field.body_mass, plain(CHEETAH).body_mass)


def test_a_shape_is_of_what_is_round():
    floor, *_ = plain(CHEETAH).geom_size
    every = fields.scaled(plain(CHEETAH), [("geom_radius", 2.0), ("geom_length", 3.0)])
    np.testing.assert_array_equal(every.geom_size[0], floor)
    ratio = every.geom_size[1:, :2] / plain(CHEETAH).geom_size[1:, :2]
    np.testing.assert_allclose(ratio, np.tile([2.0, 3.0], (8, 1)))
    assert "geom_radius:floor" not in fields.expanded(
        plain(CHEETAH), "geom_radius:each"
    )


def test_springs_are_added_where_motors_are_in_shares_of_their_torque():
    """Those that soft feet lack: 120 and 60 N m per radian at motors of 60 and 30."""
    soft = models.compile_model(CHEETAH, gaps.parse("soft_feet"))
    assert not fields.has(soft, "joint_stiffness:bfoot")
    assert fields.has(soft, "joint_spring:bfoot")
    springs = [("joint_spring:bfoot", 2.0), ("joint_spring:ffoot", 2.0)]
    np.testing.assert_allclose(
        fields.scaled(soft, springs).jnt_stiffness, plain(CHEETAH).jnt_stiffness
    )


def test_a_control_period_is_the_time_step():
    model = fields.scaled(plain(CHEETAH), [("control_period", 1.2)])
    assert model.opt.timestep == pytest.approx(1.2 * plain(CHEETAH).opt.timestep)


def test_each_stands_for_every_element_that_a_value_changes():
    springs = fields.expanded(plain(CHEETAH), "joint_stiffness:each")
    parts = ("thigh", "shin", "foot")
    assert springs == [f"joint_stiffness:{leg}{part}" for leg in "bf" for part in parts]
    assert fields.expanded(plain(CHEETAH), "joint_friction:each") == []
    assert fields.expanded(plain(CHEETAH), "gravity") == ["gravity"]


def test_an_element_whose_name_is_anothers_is_none_of_each():
    """Two motors without names on one joint have that joint's."""
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body>
             <joint name="hip" damping="1"/><geom size="0.1"/>
             <body><joint name="knee" damping="1"/><geom size="0.1"/></body>
           </body></worldbody>
           <actuator><position joint="hip"/><velocity joint="hip"/>
             <motor joint="knee"/></actuator></mujoco>"""
    )
    gears = fields.expanded(model, "actuator_gear:each")
    assert gears == ["actuator_gear:knee"]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("body_mass:each", "no body of that name; choose from world, torso"),
        ("gravty", "field 'gravty' is unknown; choose from gravity, friction"),
        ("gravity:torso", "gravity has no elements"),
        ("body_mass:tail", "no body of that name; choose from world, torso"),
        (
            "joint_friction",
            "zero or absent in this model.*choose from gravity, friction, body",
        ),
        ("geom_length:floor", "zero or absent in this model"),
        ("joint_spring:rootz", "no joint there has a motor.* and limits; choose"),
        (
            "dry_friction:rootx",
            "no joint there has a motor with a largest torque; choose",
        ),
    ],
)
def test_a_field_that_a_model_does_not_have(name, message):
    with pytest.raises(ConfigError, match=message):
        fields.check_model(plain(CHEETAH), [name])


def test_what_is_added_is_drawn_evenly_wherever_its_interval_begins():
    rng = np.random.default_rng(0)
    for low in (0.0, 1e-9):
        values = [Value("dry_friction", 0.1, low, 0.2)]
        draws = [fields.drawn(values, rng)["dry_friction"] for _ in range(300)]
        assert np.mean(draws) == pytest.approx(0.1, rel=0.1)


def test_draws_stay_in_their_intervals_and_fill_them():
    values = [Value("friction", 1, 0.5, 2), Value("latency", 1, 0, 2)]
    rng = np.random.default_rng(0)
    draws = [fields.drawn(values, rng) for _ in range(300)]
    friction = np.array([draw["friction"] for draw in draws])
    assert 0.5 <= friction.min() < 0.55 and 1.9 < friction.max() <= 2
    assert np.mean(friction < 1) == pytest.approx(0.5, abs=0.1)  # even in logarithms
    assert {draw["latency"] for draw in draws} == {0, 1, 2}


# --- the file -------------------------------------------------------------------


def test_a_file_reads_as_it_was_written(tmp_path):
    values = (
        Value("gravity", 0.5, 0.49, 0.52),
        Value("body_mass:torso", 1.25, 1.25, 1.25),
        Value("latency", 2.0, 2.0, 2.0),
    )
    facts = {"log": 'a "b"\\c', "rows": 7, "good": True, "names": ["x"], "v": {"a": 1}}
    content = SimulatorFile("gravity:2+friction", values, facts)
    path = tmp_path / "deep" / "one.toml"
    simulator_file.write(path, content, "two\nlines")
    assert path.read_text().startswith("# two\n# lines\ngap = ")
    assert simulator_file.read(str(path)) == content


def test_a_file_by_hand_needs_fields_alone(tmp_path):
    text = written(
        tmp_path / "mine.toml", "[fields]\ngravity = 2\naction_noise = 0.1\n"
    )
    settings = gaps.parse(text, "halfcheetah")
    model = models.compile_model(CHEETAH, settings)
    np.testing.assert_allclose(model.opt.gravity, [0, 0, -19.62])
    assert gaps.interface(settings) == Interface(action_noise=0.1)


def test_a_files_gaps_come_first_and_others_add_to_it(tmp_path):
    path = written(
        tmp_path / "a.toml", 'gap = "gravity:2"\n[fields]\ngravity = 0.5\nlatency = 2\n'
    )
    model = models.compile_model(CHEETAH, gaps.parse(path, "halfcheetah"))
    np.testing.assert_array_equal(saved(model), saved(plain(CHEETAH)))
    both = gaps.parse(f"{path}+friction:0.3+joint_noise:1", "halfcheetah")
    assert gaps.interface(both) == Interface(latency=2, action_noise=1.0)
    friction = models.compile_model(CHEETAH, both).geom_friction
    np.testing.assert_allclose(friction, 0.3 * plain(CHEETAH).geom_friction)
    # A file that undoes its own gaps changes nothing, and is no mistake.
    worlds.check_effect(CHEETAH, both, steps=2)


def test_the_name_tells_the_content_and_not_the_place(tmp_path):
    text = "[fields]\ngravity = 2.0\n"
    (tmp_path / "b").mkdir()
    one = gaps.parse(written(tmp_path / "mine.toml", text))
    moved = gaps.parse(written(tmp_path / "b" / "mine.toml", "# said\n" + text))
    other = gaps.parse(written(tmp_path / "b" / "mine.toml", text.replace("2", "3")))
    assert one == moved and {one: 1}[moved] == 1
    assert gaps.to_text(one) == gaps.to_text(moved) != gaps.to_text(other)
    assert gaps.to_text(one).startswith("@mine-") and len(gaps.to_text(one)) == 14


@pytest.mark.fault
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gap = [", "no TOML"),
        ("gaps = 'none'", "unknown key 'gaps'; known are gap, fields, provenance"),
        ("gap = 3", "give gaps as text"),
        ("gap = 'gravty'", "'gravty' is unknown"),
        ("gap = '@b.toml'", "give gaps as text"),
        ("fields = 3", "fields is no table"),
        ("[fields]\ngravty = 1", "'gravty' is unknown; choose from gravity"),
        ("[fields]\ngravity = 'two'", "gravity: value = 'two' is no number"),
        ("[fields]\ngravity = true", "is no number"),
        ("[fields]\ngravity = nan", "must be finite"),
        ("[fields]\ngravity = -1", "must be finite and in 0..1000"),
        ("[fields]\nlatency = 1.5", "must be a whole number"),
        ("[fields]\ngravity = { low = 1 }", "gravity has no value"),
        ("[fields]\ngravity = { value = 1, hi = 2 }", "unknown key of gravity 'hi'"),
        ("[fields]\ngravity = { value = 1, low = 2, high = 3 }", "lies outside 2..3"),
    ],
)
def test_wrong_files_are_one_line_errors(text, message, tmp_path):
    path = written(tmp_path / "a.toml", text)
    with pytest.raises(ConfigError, match=message) as error:
        gaps.parse(path, "halfcheetah")
    assert "\n" not in str(error.value)


@pytest.mark.fault
def test_a_missing_file_and_two_files(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: no such file"):
        gaps.parse(f"@{tmp_path}/none.toml")
    one = written(tmp_path / "a.toml", "[fields]\ngravity = 2\n")
    two = written(tmp_path / "b.toml", "[fields]\ngravity = 2\n")
    with pytest.raises(ConfigError, match="two simulator files"):
        gaps.parse(f"{one}+{two}")


@pytest.mark.fault
def test_a_file_of_another_robot_is_named_when_it_compiles(tmp_path):
    path = written(tmp_path / "a.toml", '[fields]\n"body_mass:bthigh" = 2\n')
    with pytest.raises(ConfigError, match="no body of that name; choose from world"):
        models.compile_model(tasks.get("hopper"), gaps.parse(path, "hopper"))


# --- randomised episodes --------------------------------------------------------

INTERVALS = """
[fields]
gravity = { value = 1, low = 0.5, high = 2 }
latency = { value = 1, low = 0, high = 2 }
"""


@pytest.fixture
def random_gap(tmp_path):
    return gaps.parse(written(tmp_path / "r.toml", INTERVALS), "walker2d")


def make(settings, seeds=(0, 1), **more):
    return worlds.make(WALKER, settings, seeds, threads=1, randomise=True, **more)


def test_an_episode_is_a_function_of_seed_and_number(random_gap):
    actions = random_actions(80, 2)
    both = drive(make([random_gap] * 2), actions)
    alone = drive(make([random_gap], [1]), actions[:, 1:])
    assert_same([x[1:] for x in both], alone)
    assert_same(both, drive(make([random_gap] * 2), actions))


def test_episodes_differ_as_their_intervals_say(random_gap):
    world = make([random_gap], [0])
    gravity, latency = [], set()
    for _ in range(40):
        gravity.append(world._physics.models[0].opt.gravity[2])
        latency.add(int(world._loop._channel._latency[0]))
        world.reset()
    assert len(set(gravity)) == 40
    assert -19.62 <= min(gravity) < max(gravity) <= -4.9
    assert latency == {0, 1, 2}


def test_a_restored_world_has_the_models_of_its_episodes(random_gap):
    actions = random_actions(60, 2)
    world, other = make([random_gap] * 2), make([random_gap] * 2)
    drive(world, actions)
    state = world.state()
    other.restore(state)
    assert_same(drive(world, actions), drive(other, actions))


def test_without_intervals_nothing_is_drawn(tmp_path, random_gap):
    exact = gaps.parse(written(tmp_path / "e.toml", "[fields]\ngravity = 2\n"))
    kinds = [exact, gaps.parse("gravity:2"), random_gap]
    assert [gaps.drawable(kind) for kind in kinds] == [False, False, True]
    world = make(kinds, [0, 0, 0])
    twice = [[m.opt.gravity[2] for m in world._physics.models]]
    world.reset()
    twice.append([m.opt.gravity[2] for m in world._physics.models])
    assert twice[0][:2] == twice[1][:2] == [2 * -9.81] * 2
    assert twice[0][2] != twice[1][2]
