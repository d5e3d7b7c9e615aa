"""Fields change what they say, and nothing else."""

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields, gaps, models, tasks
from h2o_jax.sim.fields import Value
from tests.worlds import CHEETAH, WALKER, plain

ROBOT = tasks.get("wheel_legged_stand")
DIMENSIONS = "length", "radius"
VISCOUS = [("viscous_friction", 2.0)]
NEUTRAL = [(x.name, x.neutral) for x in fields.ALL if x.arrays]


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


def test_viscous_friction_is_added_where_no_damping_is_in_shares_of_the_inertia():
    before, after = plain(CHEETAH), fields.scaled(plain(CHEETAH), VISCOUS)
    added = after.dof_damping - before.dof_damping
    # The root alone has none: a force of 2 m per speed, so e^-2 of it after a second.
    assert added[:2] == pytest.approx(2 * before.body_mass.sum())
    assert added[2] == pytest.approx(2 * before.dof_M0[2])
    np.testing.assert_array_equal(added[3:], 0)


def test_the_order_of_fields_does_not_matter():
    values = [("dry_friction:wheels", 0.05), ("joint_friction:wheels", 2.0)]
    robot = models.compile_model(ROBOT, ())
    for given in (values, values[::-1]):
        model = fields.scaled(robot, given)
        np.testing.assert_allclose(model.dof_frictionloss[-1], 2 * 0.27 + 0.05 * 6)


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


def test_muscles_are_no_servos_and_pairs_touch():
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><geom name="floor" type="plane" size="1 1 1"/><body>
             <joint name="hip"/>
             <geom name="foot" size="0.1" contype="0" conaffinity="0"/>
             <geom name="skin" size="0.1" contype="0" conaffinity="0"/></body>
           </worldbody><contact><pair geom1="floor" geom2="foot"/></contact>
           <actuator><muscle joint="hip" lengthrange="0 1"/></actuator></mujoco>"""
    )
    assert fields.expanded(model, "servo_gain:each") == []
    assert fields.expanded(model, "geom_radius:each") == ["geom_radius:foot"]


@pytest.mark.fault
def test_an_element_has_a_name():
    with pytest.raises(ConfigError, match="'actuator_gear:': names none; say actua"):
        fields.find("actuator_gear:")


def test_each_stands_for_every_element_that_a_value_changes():
    springs = fields.expanded(plain(CHEETAH), "joint_stiffness:each")
    parts = ("thigh", "shin", "foot")
    assert springs == [f"joint_stiffness:{leg}{part}" for leg in "bf" for part in parts]
    assert fields.expanded(plain(CHEETAH), "joint_friction:each") == []
    assert fields.expanded(plain(CHEETAH), "gravity") == ["gravity"]


def test_elements_without_names_have_their_numbers():
    """But for motors, which have their joint's: two on one joint are one element."""
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body>
             <joint name="hip" damping="1"/><geom size="0.1"/>
             <body><joint name="knee" damping="1"/><geom size="0.1"/></body>
           </body></worldbody>
           <actuator><position joint="hip"/><velocity joint="hip"/>
             <motor joint="knee"/></actuator></mujoco>"""
    )
    gears = fields.expanded(model, "actuator_gear:each")
    assert gears == ["actuator_gear:hip", "actuator_gear:knee"]
    twice = fields.scaled(model, [("actuator_gear:hip", 2.0)])
    np.testing.assert_array_equal(twice.actuator_gear[:, 0], [2, 2, 1])
    bodies = fields.expanded(model, "body_mass:each")
    assert bodies == ["body_mass:#1", "body_mass:#2"]
    heavy = fields.scaled(model, [("body_mass:#2", 3.0)])
    np.testing.assert_allclose(heavy.body_mass[1:] / model.body_mass[1:], [1, 3])
    # What a servo's force hangs on, the motor's does not.
    assert fields.expanded(model, "servo_gain:each") == ["servo_gain:hip"]
    weak = fields.scaled(model, [("servo_gain", 0.5)])
    ratio = [0.5, 0.5, 1]
    for array in ("actuator_gainprm", "actuator_biasprm"):
        old, new = (getattr(x, array) for x in (model, weak))
        np.testing.assert_array_equal(new, old * np.array(ratio)[:, None])


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("body_mass:each", "no body of that name; choose from world, torso"),
        ("gravty", "field 'gravty' is unknown; did you mean gravity"),
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
        ("viscous_friction:bfoot", "has damping; scale it by joint_damping; choose"),
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
