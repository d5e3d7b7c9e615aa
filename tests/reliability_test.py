"""The scoreboard of reliability, in its short form, and that its parts can fail."""

import ast
import contextlib

import numpy as np
import pytest

from benchmarks.reliability import bits, changes, fuzz, kills, mutants, numbers, words
from h2o_jax.errors import H2OError
from h2o_jax.sim import rollout
from tests.wheel_legged import make


def test_flags_that_nothing_damaged_make_an_experiment():
    used = 0
    for seed in range(50):
        with contextlib.suppress(H2OError):
            used += bool(fuzz.read_flags(words.valid(np.random.default_rng(seed))).runs)
    assert used >= 40


def test_formulas_keep_their_digits(monkeypatch):
    names = ("dynamics ratio", "exponential loss", "tanh log-probability")
    some = {name: numbers._FORMULAS[name] for name in names}
    monkeypatch.setattr(numbers, "_FORMULAS", some)
    assert not numbers.rounded(100, 0).failures


def test_a_formula_that_loses_digits_is_found(monkeypatch):
    worse = {"difference": (lambda a, b: (a + 1e6 * b) - 1e6 * b, ("numbers",) * 2)}
    monkeypatch.setattr(numbers, "_FORMULAS", worse)
    assert len(numbers.rounded(100, 0).failures) == 1


def test_damaged_inputs_are_used_rightly_or_refused(monkeypatch):
    # One kind, as each needs a process; `python -m benchmarks.reliability` reads all.
    monkeypatch.setattr(fuzz, "kinds", lambda: ("policy",))
    score = fuzz.fuzzed(40, 0)
    assert score.tried == 40 and not score.failures


@pytest.fixture
def fast(monkeypatch):
    """Compiles quickly in the processes that are started."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


def test_no_bit_flips_unseen(fast):
    score = bits.flipped(10, 0)
    assert score.tried == 11 and not score.failures


@pytest.mark.parametrize("part", [kills.killed, kills.stopped])
def test_nothing_is_lost(fast, part):
    score = part(1, 126)  # a draw by which one run is killed once
    assert score.tried >= 1 and not score.failures


@pytest.mark.fault
def test_a_resume_without_the_commands_under_way_ends_with_other_bits():
    def act(observations, t):
        return observations @ np.array([[3.0], [0.4], [0.2], [0.5]], np.float32)

    def continued(world):
        return rollout.collect(world, act, 20).transitions.s_t

    whole, careful, careless = (make("latency:4") for _ in range(3))
    rollout.collect(whole, act, 70)
    state = whole.state()
    careful.restore(state)
    careless.restore(state | {"queue": careless.state()["queue"]})
    expected = continued(whole)
    np.testing.assert_array_equal(continued(careful), expected)
    assert (continued(careless) != expected).any()


# --- mutants ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("a + b", ["a - b"]),
        ("a * b / c", ["a * b * c", "a / b / c"]),
        ("a < b", ["a <= b"]),
        ("a >= b > c", ["a > b > c"]),
        ("a is not None", ["a is None"]),
        ("a not in b", ["a in b"]),
        ("a if b else c", ["a if not b else c"]),
        ("a if b == c else d", ["a if b != c else d"]),
        ("[a for a in b if c]", ["[a for a in b if not c]"]),
        ("if a:\n    b", ["if not a:\n    b"]),
        ("min(a)", ["max(a)"]),
        ("jnp.maximum(a, b)", ["jnp.minimum(a, b)"]),
        ("jax.lax.stop_gradient(a)", ["a"]),
        ("0.5", ["1.5"]),
        ("-1", ["1", "-0"]),
        ("f(0, 16, True, '1')", ["f(1, 16, True, '1')"]),
        ("a.b", []),
    ],
)
def test_changes(text, others):
    found = changes.Changes(text).found
    trees = [changes.Changes(text, i).tree for i in range(len(found))]
    assert [ast.unparse(x) for x in trees] == others
    assert ast.unparse(changes.Changes(text).tree) == text


def test_paths_are_joined_whatever_changes():
    text = "import pathlib\na / b"
    assert changes.Changes(text).found == []
    assert changes.Changes("import numpy\na / b").found == ["2: a / b -> a * b"]


def test_a_change_is_noticed_by_the_tests_of_its_module_alone(fast, monkeypatch):
    monkeypatch.setattr(mutants, "TESTS", {"h2o_jax.policy_losses": ("policy_losses",)})
    assert not mutants.killed(1, 1).failures
    # Tests of nothing notice nothing.
    monkeypatch.setattr(mutants, "_ends", lambda module, site: 0)
    score = mutants.killed(3, 0)
    assert score.tried == len(score.failures) == 3
    assert score.facts == {
        "sites": len(mutants.mutants("h2o_jax.policy_losses")),
        "hung": 0,
    }
    monkeypatch.setattr(mutants, "_ends", lambda module, site: 1)
    with pytest.raises(RuntimeError, match="end with 1 as it is"):
        mutants.killed(1, 0)
