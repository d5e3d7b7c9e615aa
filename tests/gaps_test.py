"""Gaps change what they say, by as much as they say, and nothing else."""

import warnings

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import edits, gaps, models, tasks, worlds
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.tasks import task as task_lib

WALKER_GAPS = [
    "gravity",
    "friction",
    "joint_noise",
    "big_thigh",
    "small_thigh",
    "broken_thigh",
    "flexible_thigh",
]
PUBLISHED = {
    "halfcheetah": [*WALKER_GAPS, "long_torso", "soft_feet"],
    "walker2d": WALKER_GAPS,
}
ANT_SHA256 = "cd5f83ef0ea35b0969e65d360c5bacd5b74ccaef6b27e4433b5168c605e3e2be"


def compiled(name: str, text: str) -> mujoco.MjModel:
    task = tasks.get(name)
    return models.compile_model(task, gaps.parse(text, task.robot))


def saved(model: mujoco.MjModel) -> np.ndarray:
    data = np.zeros(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, data)
    return data


def test_published_gaps_are_all_there():
    for robot, names in PUBLISHED.items():
        assert set(names) <= set(gaps.names(robot))
    assert "long_torso" not in gaps.names("walker2d")


# --- what each gap changes ------------------------------------------------------


def test_gravity():
    for name in ("halfcheetah", "walker2d", "hopper"):
        np.testing.assert_array_equal(
            compiled(name, "gravity").opt.gravity, [0, 0, -19.62]
        )


def test_friction():
    cheetah = compiled("halfcheetah", "friction")
    np.testing.assert_allclose(cheetah.geom_friction, [[0.12, 0.03, 0.03]] * 9)
    walker = compiled("walker2d", "friction")
    np.testing.assert_allclose(walker.geom("floor").friction, [0.21, 0.03, 0.03])
    np.testing.assert_allclose(walker.geom("foot_geom").friction[0], 0.27)
    np.testing.assert_allclose(walker.geom("foot_left_geom").friction[0], 0.57)
    hopper = compiled("hopper", "friction:0.5")
    assert hopper.geom("floor").friction[0] == 1.0
    assert hopper.geom("foot_geom").friction[0] == 1.0


@pytest.mark.parametrize(
    ("text", "torso", "back", "front"),
    [
        ("none", 4.66, 1.54, 1.44),
        ("big_thigh", 1.87, 4.96, 4.62),
        ("small_thigh", 5.73, 0.24, 0.22),
        ("long_torso", 9.19, 0.80, 0.74),
    ],
)
def test_cheetah_masses_are_split_anew_at_14_kg(text, torso, back, front):
    model = compiled("halfcheetah", text)
    assert model.body_mass.sum() == pytest.approx(14.0, abs=1e-12)
    # The torso's body carries the head too, shared by volume: pi r^2 (2 l + 4/3 r).
    volume = {g: 2 * model.geom(g).size[1] + 4 / 3 * 0.046 for g in ("torso", "head")}
    share = volume["torso"] / (volume["torso"] + volume["head"])
    masses = [model.body(body).mass[0] for body in ("torso", "bthigh", "fthigh")]
    masses[0] *= share
    np.testing.assert_allclose(masses, [torso, back, front], atol=0.006)


def test_cheetah_sizes():
    big = compiled("halfcheetah", "big_thigh")
    np.testing.assert_allclose(big.geom("bthigh").size[:2], [0.092, 0.29])
    np.testing.assert_allclose(big.geom("fthigh").size[:2], [0.092, 0.266])
    long = compiled("halfcheetah", "long_torso")
    np.testing.assert_allclose(long.geom("torso").size[:2], [0.046, 2.0])
    np.testing.assert_allclose(long.geom("head").pos, [0.6, 0, 0.1])
    np.testing.assert_allclose(long.body("bthigh").pos, [-0.5, 0, 0])
    short = compiled("halfcheetah", "short_torso:0.2")
    np.testing.assert_allclose(short.geom("torso").size[:2], [0.046, 0.1])
    np.testing.assert_allclose(short.geom("head").pos, [0.2, 0, 0.1])
    np.testing.assert_allclose(short.body("fthigh").pos, [0.1, 0, 0])


def test_walker_thighs_grow_in_radius_only():
    model = compiled("walker2d", "big_thigh")
    for geom in ("thigh_geom", "thigh_left_geom"):
        np.testing.assert_allclose(model.geom(geom).size[:2], [0.1, 0.225])
    # 1000 kg/m3 pi .1^2 (.45 + 4/3 .1) = 18.3 kg
    assert model.body("thigh").mass[0] == pytest.approx(18.3, abs=0.05)


def test_ranges_and_springs():
    broken = compiled("halfcheetah", "broken_thigh")
    np.testing.assert_allclose(broken.joint("bthigh").range, [-0.26, 0.525])
    flexible = compiled("halfcheetah", "flexible_thigh")
    np.testing.assert_allclose(flexible.joint("fthigh").range, [-2, 1.4])
    walker = compiled("walker2d", "broken_thigh")
    np.testing.assert_allclose(
        np.degrees(walker.joint("thigh_left_joint").range), [-75, 0]
    )
    np.testing.assert_array_equal(walker.actuator_ctrlrange, [[-1, 1]] * 6)
    feet = compiled("halfcheetah", "soft_feet")
    assert feet.joint("bfoot").stiffness[0] == feet.joint("ffoot").stiffness[0] == 0
    assert feet.joint("bshin").stiffness[0] == 180


def test_published_side_effect_on_the_motors():
    model = compiled("walker2d", "broken_thigh_ctrlrange")
    np.testing.assert_allclose(model.actuator_ctrlrange[:, 1], [0.5, 1, 1, 0.5, 1, 1])
    np.testing.assert_allclose(np.degrees(model.joint("thigh_joint").range), [-75, 0])


def test_ant_is_edited_by_the_same_specification():
    def ant(text):
        spec = task_lib.gymnasium_spec("ant.xml", ANT_SHA256)
        gaps.edit(spec, "ant", gaps.parse(text, "ant"))
        return spec.compile()

    np.testing.assert_allclose(ant("gravity:5").opt.gravity, [0, 0, -49.05])
    np.testing.assert_allclose(ant("friction:0.1").geom_friction[0], [0.1, 0.05, 0.05])
    ankles = np.degrees(ant("ankle_range:0.2").jnt_range[[2, 4]])
    np.testing.assert_allclose(ankles, [[30, 38], [-38, -30]])
    hips = np.degrees(ant("hip_range:0.8").joint("hip_3").range)
    np.testing.assert_allclose(hips, [-24, 24])
    length = ant("short_legs:0.2").geom("fourth_ankle_geom").size[1]
    np.testing.assert_allclose(length, 0.08 * np.sqrt(2) / 2)


@pytest.mark.parametrize("name", ["halfcheetah", "walker2d", "hopper"])
def test_a_neutral_factor_changes_nothing(name):
    plain = saved(compiled(name, "none"))
    for gap in gaps.names(tasks.get(name).robot):
        text = f"{gap}:{gaps.GAPS[gap].neutral}"
        np.testing.assert_array_equal(saved(compiled(name, text)), plain)
        assert gaps.interface(gaps.parse(text)) == Interface()
        worlds.check_effect(tasks.get(name), gaps.parse(text), steps=2)


@pytest.mark.parametrize("text", ["big_thigh", "long_torso", "small_thigh+gravity"])
def test_total_mass_is_kept_as_the_deprecated_rule_kept_it(text):
    task = tasks.get("halfcheetah")
    spec = task.spec()
    gaps.edit(spec, task.robot, gaps.parse(text))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*settotalmass.*")
        expected = spec.compile()
    np.testing.assert_array_equal(saved(compiled(task.name, text)), saved(expected))


def test_joint_noise_is_the_interfaces():
    assert gaps.interface(gaps.parse("gravity+joint_noise:0.5")).action_noise == 0.5
    base = Interface(latency=2)
    assert gaps.interface(gaps.parse("gravity"), base) == base


# --- effect ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["halfcheetah", "walker2d"])
def test_every_published_gap_has_an_effect(name):
    task = tasks.get(name)
    worlds.check_effect(task, gaps.parse("+".join(PUBLISHED[task.robot])))


@pytest.mark.fault
def test_a_silent_gap_is_named():
    # Hopper's floor keeps friction 1, of which MuJoCo takes the larger: below half
    # of the foot's 2 nothing changes any more, but against the plain model it does.
    worlds.check_effect(tasks.get("hopper"), gaps.parse("friction:0.1"))
    # No pose within a thousandth of the wider range is ever reached in ten steps.
    with pytest.raises(ConfigError, match=r"flexible_thigh:1\.001 changes nothing"):
        worlds.check_effect(
            tasks.get("walker2d"), gaps.parse("gravity+flexible_thigh:1.001"), steps=2
        )


# --- text -----------------------------------------------------------------------


def test_parse():
    assert gaps.parse("gravity") == (gaps.GapSetting("gravity", 2.0),)
    assert gaps.parse("soft_feet:0") == (gaps.GapSetting("soft_feet", 0.0),)
    assert gaps.parse("") == gaps.parse("none") == ()
    both = gaps.parse(" gravity:1.25 + friction")
    assert [(s.name, s.factor) for s in both] == [("gravity", 1.25), ("friction", 0.3)]
    two = gaps.parse_list("gravity:2,none,gravity:2+friction:0.3")
    assert [gaps.to_text(settings) for settings in two] == [
        "gravity:2",
        "none",
        "gravity:2+friction:0.3",
    ]


def test_a_whole_variant_comes_first_whatever_its_place():
    robot = tasks.get("wheel_legged_stand").interface
    for text in ("latency:4+idealised", "idealised+latency:4"):
        settings = gaps.parse(text)
        assert gaps.to_text(settings) == "idealised:1+latency:4"
        assert gaps.interface(settings, robot) == Interface(latency=4)


@pytest.mark.parametrize("text", ["none", "gravity:2", "friction:0.1+big_thigh:1e-09"])
def test_text_is_the_inverse_of_parse(text):
    assert gaps.to_text(gaps.parse(text)) == text


@pytest.mark.fault
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "gravty:2",
            "'gravty' is unknown for walker2d; did you mean gravity? choose",
        ),
        ("long_torso", "'long_torso' is not available for walker2d; choose from"),
        ("gravity:x", "gravity: factor 'x' is no number"),
        ("gravity:", "gravity: factor '' is no number"),
        ("gravity:-1", "gravity:-1: the factor must be finite and >= 0"),
        ("friction:0", "friction:0: the factor must be finite and > 0"),
        ("friction:nan", "friction:nan: the factor must be finite"),
        ("friction:inf", "friction:inf: the factor must be finite"),
        ("gravity:2+gravity:3", "gravity is given twice"),
        ("gravity:2+", "'' is unknown"),
    ],
)
def test_wrong_gaps_are_one_line_errors(text, message):
    with pytest.raises(ConfigError) as error:
        gaps.parse(text, "walker2d")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.fault
def test_an_empty_gap_in_a_list_is_refused():
    assert gaps.parse_list("") == ((),)
    with pytest.raises(ConfigError, match="gaps 'gravity:2,,friction': one of them"):
        gaps.parse_list("gravity:2,,friction")


@pytest.mark.fault
def test_compiling_checks_the_robot_again():
    task = tasks.get("hopper")
    with pytest.raises(ConfigError, match="not available for hopper"):
        models.compile_model(task, gaps.parse("long_torso"))
    with pytest.raises(ConfigError, match="choose from modern, d4rl"):
        models.compile_model(task, (), "old")


@pytest.mark.fault
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("geom", "size", "tarso"), "edits geom 'tarso', which the drawing"),
        (("geom", "mass", "torso"), "scales mass of geom 'torso', which the"),
    ],
)
def test_an_edit_of_what_is_not_there_is_refused(edit, message):
    spec = mujoco.MjSpec.from_string(
        "<mujoco><worldbody><geom name='torso' size='1'/></worldbody></mujoco>"
    )
    with pytest.raises(ConfigError, match=message):
        edits.scale(*edit)(spec, 2.0)
