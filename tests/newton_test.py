"""Intervals of a fit, and where it ends, for models whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats

from h2o_jax.sim.identify import fitting, newton
from h2o_jax.sim.identify.fitting import BLOCKS, Fit
from h2o_jax.sim.windows import Windows
from h2o_jax.types import Transition

T = scipy.stats.t.ppf(0.975, BLOCKS - 1)


def test_intervals_are_those_of_the_known_covariance():
    """Two columns, noise of std 0.5: the covariance is 0.25 (J'J)^-1."""
    rng = np.random.default_rng(0)
    jac = rng.normal(size=(1000, 2)) @ [[1.0, 0.8], [0.0, 0.6]]
    covariance = 0.25 * np.linalg.inv(jac.T @ jac)
    squares, hits = [], []
    for _ in range(400):
        noise = 0.5 * rng.normal(size=1000)
        error = np.linalg.lstsq(jac, noise, rcond=None)[0]
        half = fitting.half_intervals(noise - jac @ error, jac, 1000)
        squares.append(half**2)
        hits.append(np.abs(error) < half)
    wanted = T**2 * np.diag(covariance)
    np.testing.assert_allclose(np.mean(squares, axis=0), wanted, rtol=0.08)
    assert np.all(np.abs(np.mean(hits, axis=0) - 0.95) < 0.025)


def test_a_sensor_that_never_changes_weighs_nothing():
    """100.1 is no float32: a prediction in float64 differs by its rounding."""
    steps = np.linspace(0, 1, 40, dtype=np.float32)
    s = np.stack([steps, np.full(40, 100.1, np.float32)], axis=1)
    ones = np.ones(39)
    log = Transition(s[:-1], np.zeros((39, 1)), ones, ones, s[1:])
    windows = Windows(log, np.arange(30), 3)
    assert np.isinf(fitting.unit(windows)[:, 1]).all()
    predicted = np.stack([windows.logged[..., 0], np.full((30, 3), 100.1)], axis=-1)
    replayed = SimpleNamespace(s_t=predicted, unstable=np.zeros((30, 3), bool))
    predict = SimpleNamespace(replayed=lambda windows, values: replayed)
    assert not np.any(fitting.residuals(predict, windows, {}))


def test_noise_that_neighbours_share_widens_intervals():
    """A mean of 1000 rows whose noise is one number per block: variance 1 / 20.

    Rows taken as independent would have 1 / 1000.
    """
    rng, jac = np.random.default_rng(0), np.ones((1000, 1))
    squares = []
    for _ in range(400):
        noise = np.repeat(rng.normal(size=BLOCKS), 1000 // BLOCKS)
        rest = noise - noise.mean()
        squares.append(fitting.half_intervals(rest, jac, 1000) ** 2)
    assert np.mean(squares) == pytest.approx(T**2 / BLOCKS, rel=0.08)


def test_a_variance_that_rounding_makes_negative_is_unknown():
    turned = np.array([[0.0, 1.0], [-1.0, 0.0]])
    jac = np.random.default_rng(0).normal(size=(1000, 2))
    half = fitting.half_intervals(np.ones(1000), jac, 1000, turned)
    assert np.all(np.isinf(half))


def test_what_is_not_felt_is_unknown():
    jac = np.random.default_rng(0).normal(size=(1000, 2)) * [1.0, 0.0]
    for curvature in (None, np.eye(2)):
        known, unknown = fitting.half_intervals(np.ones(1000), jac, 1000, curvature)
        assert np.isfinite(known) and np.isinf(unknown)
    assert np.isinf(fitting.half_intervals(np.ones(1000), 0 * jac, 1000)).all()


# --- refining -------------------------------------------------------------------

N, SMALL = 200, 1e-3
"""Rows; size of residuals, so that their arctangent is a straight line."""


def line(slope, truth, noise):
    """A simulator that is a straight line of the log scale, and windows of its log.

    The log's change is 1 in each row, so that residuals are the errors themselves.
    """

    def at(z):
        return (SMALL * slope * z)[:, None]

    s_t = at(truth) + SMALL * noise[:, None]
    log = Transition(s_t - 1, np.zeros((N, 1)), np.zeros(N), np.ones(N), s_t)

    def replayed(windows, values):
        s_t = at(np.log(values["gravity"]))[:, None]
        return SimpleNamespace(s_t=s_t, unstable=np.zeros((N, 1), bool))

    return SimpleNamespace(replayed=replayed), Windows(log, np.arange(N), 1)


def begun(z):
    one = np.array([z])
    return Fit(("gravity",), one, one, np.zeros(1), np.inf, True)


def test_a_parabola_with_one_noisy_block_is_refined_by_hand():
    rng = np.random.default_rng(0)
    slope, noise = rng.uniform(0.5, 1.5, N), np.zeros(N)
    noise[40:50] = rng.normal(size=10)  # the fifth of twenty blocks
    predict, windows = line(slope, 0.3, noise)
    found = newton.refine(predict, windows, begun(0.0), (0.1, 5.0), {})
    curvature = slope @ slope
    z = 0.3 + slope @ noise / curvature
    assert found.z == pytest.approx([z], abs=1e-5) and found.converged
    rest = (slope * (z - 0.3) - noise) * slope
    scores = rest.reshape(BLOCKS, -1).sum(axis=1)
    spread = scores @ scores * BLOCKS / (BLOCKS - 1) / curvature**2
    assert found.half == pytest.approx([T * spread**0.5], rel=1e-3)
    # Without that block there is nothing to be unsure of.
    predict, windows = line(slope, 0.3, 0 * noise)
    sure = newton.refine(predict, windows, begun(0.0), (0.1, 5.0), {})
    assert sure.half < 1e-3 * found.half and sure.z == pytest.approx([0.3], abs=1e-5)


def test_a_fit_that_nothing_moves_stays_and_knows_nothing():
    rng = np.random.default_rng(0)
    predict, windows = line(np.zeros(N), 0.0, rng.normal(size=N))
    found = newton.refine(predict, windows, begun(0.2), (0.1, 5.0), {})
    assert found.z == pytest.approx([0.2]) and np.isinf(found.half) and found.converged


def test_rounds_that_are_used_up_are_told():
    """Steps of at most 0.5: 1.4 is within reach of three, 2.4 is not."""
    slope, bounds = np.ones(N), (1e-3, 1e3)
    for truth, converged in ((1.4, True), (2.4, False)):
        predict, windows = line(slope, truth, 0 * slope)
        found = newton.refine(predict, windows, begun(0.0), bounds, {})
        assert found.converged is converged
    assert found.z == pytest.approx([1.5])


@pytest.mark.parametrize("p", [2, newton._FEW + 1])
@pytest.mark.parametrize(("name", "lowest"), [("gravity", -4), ("dry_friction", -0.96)])
def test_straight_residuals_have_the_curvature_of_least_squares(p, name, lowest):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, p)), rng.normal(size=40)
    z = np.append(lowest, rng.uniform(-0.5, 1, p - 1))

    def f(z):
        assert name == "gravity" or z.min() >= -1  # less than none is not asked for
        return a @ z - b

    slope, jac, curvature = newton._expand(f, [name] * p, z, f(z))
    np.testing.assert_allclose(jac, a, atol=1e-9)
    np.testing.assert_allclose(slope, a.T @ (a @ z - b), atol=1e-9)
    np.testing.assert_allclose(curvature, a.T @ a, atol=1e-9)
