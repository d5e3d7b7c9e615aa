"""The scoreboard of reliability, in its short form, and that its parts can fail."""

import contextlib

import numpy as np
import pytest

from benchmarks.reliability import bits, fuzz, kills, numbers, words
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
