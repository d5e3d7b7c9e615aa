"""A simulator file says what its fields are, wherever it lies; episodes draw them."""

import mujoco
import numpy as np
import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import gaps, models, simulator_file, tasks, worlds
from h2o_jax.sim.fields import Value
from h2o_jax.sim.interface import Interface
from h2o_jax.sim.simulator_file import SimulatorFile
from tests.worlds import CHEETAH, WALKER, assert_same, drive, plain, random_actions


def written(path, text):
    path.write_text(text)
    return f"@{path}"


def saved(model):
    data = np.zeros(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, data)
    return data


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
    assert gaps.parse(f"joint_noise:1+{path}+friction:0.3", "halfcheetah")[0] == both[0]
    late = gaps.parse(f"latency:4+{path}", "halfcheetah")
    assert gaps.interface(late).latency == 4
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
        ("[fields]\ngravty = 1", "'gravty' is unknown; did you mean gravity"),
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
