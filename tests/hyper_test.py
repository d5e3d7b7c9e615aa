"""Each hyperparameter is a leaf of the state, and says what it is."""

import jax
import pytest

from h2o_jax import Hyper, settings

FIELDS = {field.name: (field, of) for field, of in settings.of(Hyper)}


def test_every_field_is_a_setting_and_a_leaf():
    assert list(FIELDS) == list(Hyper.__dataclass_fields__)
    assert len(jax.tree.leaves(Hyper())) == len(FIELDS)
    doubled = jax.tree.map(lambda x: 2 * x, Hyper(discount=0.25))
    assert doubled.discount == 0.5 and doubled.target_ema == 0.01


@pytest.mark.parametrize("name", FIELDS)
def test_defaults_are_permitted_and_help_is_one_sentence(name):
    field, (help, values, _) = FIELDS[name]
    assert values.contains(field.default)
    assert help.endswith(".") and "\n" not in help and name not in help.split()
    assert values is settings.ANY or values.text not in help


@pytest.mark.parametrize("name", FIELDS)
def test_help_does_not_lean_on_the_one_before(name):
    _, (help, _, _) = FIELDS[name]
    for words in ("The same", "that penalty", " their ", " bring it ", " for that "):
        assert words not in help
