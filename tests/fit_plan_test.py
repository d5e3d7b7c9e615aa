"""What is fitted: fields that a model has, those that are named, and each once."""

import dataclasses

import pytest

from h2o_jax.errors import ConfigError
from h2o_jax.sim import fields, gaps, tasks
from h2o_jax.sim.identify import fit_plan
from h2o_jax.sim.identify.fit_plan import Fitting
from h2o_jax.sim.identify.predictor import Predictor
from tests.worlds import CHEETAH

ROBOT = tasks.get("wheel_legged_stand")


def test_default_fields_are_those_that_the_model_has():
    model = Predictor(ROBOT, gaps.parse("idealised"), "modern", 1).model
    chosen = fit_plan.of_model(Fitting(), model).fields
    assert "joint_damping" not in chosen and {"gravity", "latency"} <= set(chosen)
    named = dataclasses.replace(Fitting(), fields=("joint_damping",))
    with pytest.raises(
        ConfigError, match="joint_damping: no joint there has damping; add it by"
    ):
        fit_plan.of_model(named, model)


PARTS = "actuator_gear", "joint_spring", "body_mass", "geom_length", "viscous_friction"


@pytest.mark.parametrize(
    ("name", "how", "counts"),
    [
        ("halfcheetah", fit_plan.JOINTS, [6, 6, 0, 0, 0]),
        ("halfcheetah", fit_plan.BODIES, [0, 0, 7, 0, 0]),
        ("halfcheetah", fit_plan.SHAPES, [0, 0, 7, 8, 0]),
        ("halfcheetah", fit_plan.DAMPING, [0, 0, 7, 0, 3]),
        ("hopper", fit_plan.JOINTS, [3, 3, 0, 0, 0]),
        ("hopper", fit_plan.SHAPES, [0, 0, 4, 4, 0]),
        # Springs would tie its wheels to where they began.
        ("wheel_legged_stand", fit_plan.JOINTS, [1, 0, 0, 0, 0]),
    ],
)
def test_a_rungs_fields_are_those_that_the_model_has(name, how, counts):
    model = Predictor(tasks.get(name), (), "modern", 1).model
    chosen = fit_plan.of_model(how, model).fields
    assert {"gravity", "latency"} < set(chosen) and len(set(chosen)) == len(chosen)
    kinds = [x.partition(":")[0] for x in chosen if ":" in x]
    assert [kinds.count(part) for part in PARTS] == counts


@pytest.mark.fault
@pytest.mark.parametrize(
    ("named", "message"),
    [
        (("joint_friction:each",), "no joint of this model has it; name another field"),
        (("gravity:each",), "gravity has no elements"),
        (("body_mass:each", "body_mass:torso"), "give each field once"),
    ],
)
def test_each_that_is_none_or_twice(named, message):
    model = Predictor(CHEETAH, (), "modern", 1).model
    with pytest.raises(ConfigError, match=message):
        fit_plan.of_model(dataclasses.replace(Fitting(), fields=named), model)


def test_no_fields_are_the_default_ones():
    model = Predictor(CHEETAH, (), "modern", 1).model
    usual, none = Fitting(), dataclasses.replace(Fitting(), fields=())
    assert fit_plan.of_model(none, model).fields == tuple(
        name for name in usual.fields if fields.has(model, name)
    )
