"""A wrong simulator is fitted to a log of a right one, and says what it cannot tell."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments import identify as command
from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields, gaps, identify, replay_log, tasks, windows
from h2o_jax.sim.identify import fit_plan, fitting, log_noise, search, telling
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.identify.predictor import Predictor
from h2o_jax.sim.robot import scripted_operator
from tests.audit_test import log_of
from tests.worlds import CHEETAH, WALKER, recorded

_LEG = ("thigh", "shin", "foot")
ROBOT = tasks.get("wheel_legged_stand")
FEW = Fitting(fields=("gravity", "friction"), windows=200, long_windows=100, starts=2)


@pytest.fixture(scope="module")
def log():
    return recorded("none")


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch):
    monkeypatch.setattr(log_noise, "_PAIRS", 200)


def found(gap, log, **how):
    how = dataclasses.replace(FEW, **how)
    return identify.identify(CHEETAH, gaps.parse(gap), log, how, threads=1)


def values(result):
    return {x.name: x.value for x in result.values}


# --- what is recovered ----------------------------------------------------------


def test_gravity_and_friction_come_back(log):
    result = found("gravity:2+friction:0.3", log)
    assert values(result)["gravity"] == pytest.approx(0.5, rel=1e-3)
    assert values(result)["friction"] == pytest.approx(1 / 0.3, rel=1e-2)
    assert result.judged.after[1] < 0.01 < 0.1 < result.judged.before[1]
    assert result.judged.after[10] < 0.1 * result.judged.before[10]
    assert result.fit.converged and not result.at_bound and not result.left_alone
    assert not result.disagreeing and result.sensor_noise == 0


def test_a_centre_of_mass_comes_back(log, tmp_path):
    path = tmp_path / "drawing.toml"
    path.write_text('gap = "none"\n[fields]\n"centre_of_mass:torso" = 0.5\n')
    result = found(
        f"@{path}", log, fields=("centre_of_mass:torso", "gravity"), starts=1
    )
    assert values(result)["centre_of_mass:torso"] == pytest.approx(1.0, rel=1e-2)
    assert values(result)["gravity"] == pytest.approx(1.0, rel=1e-2)
    assert result.judged.after[1] < 0.01 < result.judged.before[1]


def test_fields_that_only_change_units_are_named_and_one_is_held(log):
    names = ("body_mass", "joint_damping", "joint_stiffness", "joint_armature")
    predict = Predictor(CHEETAH, (), "modern", 1)
    rows = windows.sort(CHEETAH, predict.model, log, 0.1, 0)
    ones = dict.fromkeys((*names, "actuator_gear"), 1.0)
    few = rows.pick(400, 1, 0)
    _, condition, left = telling.tellable(predict, few, ones, {})
    assert list(left) == ["actuator_gear"] and condition < 10
    assert all(name in left["actuator_gear"] for name in names)


def test_a_silent_field_is_left_alone(log):
    floating = log._replace(s_tm1=log.s_tm1 + 0, s_t=log.s_t + 0)
    floating.s_tm1[:, 0] += 5.0  # far above the floor
    floating.s_t[:, 0] += 5.0
    with pytest.raises(ConfigError, match="friction: changes nothing in this log"):
        found("friction:0.3", floating, fields=("friction",))


def test_a_bound_is_said(log):
    result = found("gravity:2", log, fields=("gravity",), bounds=(0.8, 2.0), starts=1)
    assert result.at_bound == ["gravity"]
    assert any("at a bound" in line for line in command.notes(result))


def test_too_few_evaluations_keep_the_best_and_say_so(log):
    result = found("gravity:2", log, fields=("gravity",), evaluations=1, starts=1)
    assert not result.fit.converged
    assert "did not converge" in command.notes(result)[0]


def test_a_latency_is_profiled():
    result = found("gravity:2", recorded("latency:2"), fields=("gravity", "latency"))
    assert values(result)["latency"] == 2 and result.latency.alike == (2,)
    assert values(result)["gravity"] == pytest.approx(0.5, rel=1e-2)
    errors = result.latency.errors
    assert min(errors, key=errors.get) == 2 and len(errors) == 6


def test_a_latency_behind_dry_friction_is_found():
    """Of the balancing robot's default fields; an ideal simulator has neither."""
    log = scripted_operator.record(ROBOT, 4000, pairing="realigned").transition
    how = Fitting(windows=200, long_windows=100, starts=1)
    result = identify.identify(ROBOT, gaps.parse("idealised"), log, how, threads=1)
    assert values(result)["latency"] == 2 and result.latency.alike == (2,)
    # Of the 6 N m of its motors; a mass that is told from torques alone has no unit.
    friction = 6 * values(result)["dry_friction"] / values(result)["body_mass"]
    assert friction == pytest.approx(0.27, rel=0.1)
    # A mean period of 6 ms for 5.
    assert values(result)["control_period"] == pytest.approx(1.2, rel=0.05)
    assert result.judged.after[10] < 0.5 * result.judged.before[10]


def test_no_dry_friction_is_none(log):
    result = found("gravity:2", log, fields=("gravity", "dry_friction"))
    assert values(result) == pytest.approx({"gravity": 0.5}, rel=1e-3)
    assert result.left_alone == {"dry_friction": "none is seen in this log"}


def test_dry_friction_of_a_simulator_file_goes_where_there_is_none(log, tmp_path):
    path = tmp_path / "stiff.toml"
    path.write_text("[fields]\ndry_friction = 0.1\n")
    result = found(f"@{path}", log, fields=("dry_friction",), starts=1)
    assert values(result) == {"dry_friction": 0}
    assert result.judged.after[1] < 1e-5 < 0.1 < result.judged.before[1]


def test_damping_that_a_drawing_left_out_comes_back(tmp_path):
    path = tmp_path / "dragged.toml"
    path.write_text('[fields]\n"viscous_friction:rooty" = 2.0\n')
    log = recorded(f"@{path}")
    result = found("none", log, fields=("viscous_friction:each",), starts=1)
    assert values(result)["viscous_friction:rooty"] == pytest.approx(2, rel=1e-2)
    assert max(values(result).values()) < 2.1
    assert result.judged.after[10] < 0.01 * result.judged.before[10]


def test_what_is_absent_is_left_out_until_all_that_is_left_is_there(monkeypatch):
    first, second = "joint_spring:bfoot", "dry_friction"
    ends = {(first, second, "gravity"): [-1, 0, 0], (second, "gravity"): [-1, 0]}
    asked = []

    def fits(self, known, others):
        names, none = tuple(known), np.zeros(len(known))
        asked.append({**known, **others})
        return (), fitting.Fit(names, none, none, ends.get(names, [0]), 0.0, True)

    monkeypatch.setattr(search.Search, "fits", fits)
    monkeypatch.setattr(search.Search, "unmet", lambda self, names, values: {})
    one = search.Search(None, None, FEW, 0, late=False, named=True)
    begin = {first: 1.0, second: 0.1, "gravity": 2.0}
    _, fit, gone = one.present(begin, {"latency": 2.0}, {})
    assert fit.names == ("gravity",) and gone == {first: 0, second: 0}
    assert asked[-1] == {"gravity": 1, "latency": 2, first: 0, second: 0}


def test_no_latency_is_looked_for_in_rows_out_of_order(log):
    order = np.random.default_rng(0).permutation(len(log.r_t))
    mixed = jax.tree.map(lambda x: x[order], log)
    result = found("gravity:2", mixed, fields=("gravity", "latency"), starts=1)
    assert "rows of the log follow each other" in result.left_alone["latency"]
    assert values(result)["gravity"] == pytest.approx(0.5, rel=1e-2)


def test_noise_on_actions_is_told_from_none(log):
    how = {"fields": ("gravity", "action_noise"), "starts": 1, "long_windows": 0}
    noisy = found("none", recorded("joint_noise:0.1"), **how)
    assert noisy.action_noise == pytest.approx(0.1, rel=0.2)
    assert "action_noise" in found("none", log, **how).left_alone


def test_noise_behind_a_latency_is_that_of_the_command_that_acts():
    """Episodes of twelve rows, of which the first two have waiting commands."""
    late = "joint_noise:0.1+latency:2"
    how = {"fields": ("action_noise",), "starts": 1, "long_windows": 0}
    result = found("latency:2", log_of(late, n=75, steps=12), **how)
    assert result.action_noise == pytest.approx(0.1, rel=0.2)


def test_what_looks_like_noise_is_added_only_where_that_is_asked_for(monkeypatch):
    """Springs that are wrong push as noise does, and predictions do not show it."""
    noisy = recorded("joint_noise:0.1")
    how = {"fields": ("gravity", "action_noise"), "starts": 1, "long_windows": 0}
    monkeypatch.setattr(fit_plan, "is_standard", lambda how: True)
    result = found("none", noisy, **how)
    assert result.action_noise is None
    assert "or what acts like it; name the field" in result.left_alone["action_noise"]


def test_noise_that_the_simulator_has_and_the_log_has_not_is_taken_out(log):
    how = {"fields": ("gravity", "action_noise"), "starts": 1, "long_windows": 0}
    result = found("joint_noise:1", log, **how)
    # Predictions are without noise and were right before: what is mended is not shown.
    assert values(result)["action_noise"] == 0 and result.better
    alike = found("joint_noise:0.1", recorded("joint_noise:0.1"), **how)
    assert values(alike)["action_noise"] == pytest.approx(0.1, rel=0.2)


def test_each_part_of_a_robot_is_fitted_by_itself(log):
    result = found("small_thigh:0.5", log, fields=("body_mass:each",), starts=1)
    assert [x.name for x in result.values] == [
        f"body_mass:{body}"
        for body in ("torso", *(f"{leg}{x}" for leg in "bf" for x in _LEG))
    ]
    # Half as wide and long, at 14 kg in all.
    assert values(result)["body_mass:torso"] == pytest.approx(0.81, rel=0.15)
    assert result.judged.after[1] < 0.3 * result.judged.before[1]


def test_a_joints_range_comes_back(log):
    thighs = ("joint_range:bthigh", "joint_range:fthigh")
    result = found("broken_thigh:0.5", log, fields=thighs, starts=1)
    assert [*values(result).values()] == pytest.approx([2, 2], rel=0.01)


def test_ranges_that_are_too_wide_come_back_and_others_stay(log):
    """No prediction feels the thighs' limits where the fit would begin."""
    result = found("flexible_thigh:2", log, fields=("joint_range:each",), starts=1)
    thighs = "joint_range:bthigh", "joint_range:fthigh"
    assert [values(result)[x] for x in thighs] == pytest.approx([0.5, 0.5], rel=1e-3)
    others = [x for name, x in values(result).items() if name not in thighs]
    assert others == pytest.approx([1, 1, 1], rel=1e-3)
    # This joint meets no limit, and is not cut to where its log ends.
    assert result.left_alone == {
        "joint_range:bshin": "a change of 0.5% shows nowhere in this log"
    }


def test_springs_that_the_simulator_lacks_come_back(log):
    feet = ("joint_spring:bfoot", "joint_spring:ffoot")
    result = found("soft_feet", log, fields=feet, starts=1)
    assert [*values(result).values()] == pytest.approx([2, 2], rel=0.01)


def test_a_length_comes_back(log):
    parts = ("geom_length:torso", "body_mass:each")
    result = found("long_torso:2", log, fields=parts, starts=1)
    assert values(result)["geom_length:torso"] == pytest.approx(0.5, rel=0.02)


def test_noise_of_sensors_is_measured(log, monkeypatch):
    monkeypatch.setattr(log_noise, "_PAIRS", 600)
    std = log.s_tm1.std(axis=0)
    noisy = log_noise.added(log, 0.05 * std, seed=1)
    predict = Predictor(CHEETAH, (), "modern", 1)
    rows = windows.sort(CHEETAH, predict.model, noisy, 0.1, 0)
    assert log_noise.of_sensors(predict, rows, {}) == pytest.approx(0.05, rel=0.3)


def test_a_file_is_fitted_further(log, tmp_path):
    path = tmp_path / "a.toml"
    friction = "friction = { value = 3.3333, low = 3.2, high = 3.4 }"
    path.write_text(f'gap = "friction:0.3"\n[fields]\ngravity = 2\n{friction}\n')
    result = found(f"@{path}", log, fields=("gravity",), starts=1)
    assert values(result) == pytest.approx({"gravity": 1, "friction": 3.3333}, rel=1e-3)
    # What is not fitted keeps its interval.
    assert result.values[1] == fields.Value("friction", 3.3333, 3.2, 3.4)


# --- rows -----------------------------------------------------------------------


def test_added_noise_is_one_number_per_observation(log):
    noisy = log_noise.added(log, 0.1, seed=0)
    assert np.array_equal(replay_log.sequences(noisy), replay_log.sequences(log))
    assert np.std(noisy.s_t - log.s_t) == pytest.approx(0.1, rel=0.05)


def test_clipped_rows_and_ends_of_episodes_are_never_used():
    log = recorded("none", 4000, WALKER)
    log.s_tm1[100, 10] = 10.0
    model = Predictor(WALKER, (), "modern", 1).model
    rows = windows.sort(WALKER, model, log, 0.2, 0)
    assert not rows.usable[100]
    assert not rows.usable[log.discount_t == 0].any()
    for held_out in (False, True):
        picked = rows.pick(10_000, 3, 0, held_out, lead=2)
        covered = picked.first[:, None] + np.arange(3)
        assert rows.usable[covered].all()
        assert (rows.held_out[covered] == held_out).all()
        assert (rows.age[picked.first] >= 2).all()
        sequence = replay_log.sequences(log)
        assert (sequence[covered] == sequence[picked.first][:, None]).all()
