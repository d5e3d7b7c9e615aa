"""Temporal-difference error: hand-worked numbers, oracle, gradient routing."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from h2o_jax import critic_losses
from tests.strategies import floats, quick

N, K = 8, 2
rows = floats(N, -100, 100)
pairs = floats((N, K), -100, 100)
weights = floats(N, 0, 1)
td = jax.jit(critic_losses.td)


def test_td_by_hand():
    # 0.5 * ((1 - 3)^2 + (4 - 3)^2) = 2.5;  2 * (1 + 1) = 4.
    q = jnp.array([[1.0, 4.0], [0.0, 2.0]])
    loss = td(q, jnp.array([3.0, 1.0]), jnp.array([0.5, 2.0]))
    np.testing.assert_allclose(loss, [2.5, 4.0])


@quick
@given(q=pairs, target=rows, weight=weights)
def test_td_is_the_published_form(q, target, weight):
    """MSE of sqrt(w) Q against sqrt(w) T, one critic at a time, in float64."""
    root = np.sqrt(weight.astype(np.float64))
    expected = sum((root * q[:, i] - root * target) ** 2 for i in range(K))
    np.testing.assert_allclose(td(q, target, weight), expected, rtol=1e-3, atol=1e-3)


@quick
@given(q=pairs, target=rows, weight=weights, order=st.permutations(range(N)))
def test_batch_permutation(q, target, weight, order):
    order = np.array(order)
    loss = np.asarray(td(q, target, weight))
    np.testing.assert_array_equal(
        td(q[order], target[order], weight[order]), loss[order]
    )


def test_gradient_reaches_the_critics_only():
    q, target = jnp.array([[1.0, 4.0]]), jnp.array([3.0])
    gradients = jax.grad(lambda *x: td(*x).sum(), argnums=(0, 1, 2))(
        q, target, jnp.array([0.5])
    )
    # 2 * 0.5 * (1 - 3) and 2 * 0.5 * (4 - 3).
    np.testing.assert_allclose(gradients[0], [[-2.0, 1.0]])
    assert not gradients[1].any() and not gradients[2].any()


def test_a_row_of_no_weight_teaches_nothing():
    gradient = jax.grad(lambda q: td(q, jnp.zeros(2), jnp.array([0.0, 1.0])).sum())
    np.testing.assert_array_equal(gradient(jnp.ones((2, K))), [[0, 0], [2, 2]])


# --- conservative penalties -----------------------------------------------------------

M, A = 5, 3
cql = jax.jit(critic_losses.cql_penalty)
gap = jax.jit(critic_losses.gap_penalty)
diversity = jax.jit(critic_losses.diversity)


def test_cql_by_hand():
    # Two actions of density 1/2.  Values log 2 and log 6: log(2 * 2 + 2 * 6) = log 16,
    # the logged one log 4.  Values log 1 and log 1: log(2 + 2), the logged one 0.
    q = jnp.log(jnp.array([[[2.0, 1.0], [6.0, 1.0]]]))
    log_prob = jnp.log(jnp.array([[0.5, 0.5]]))
    logged = jnp.log(jnp.array([[4.0, 1.0]]))
    np.testing.assert_allclose(cql(q, log_prob, logged), [2 * np.log(4)], rtol=1e-6)


@quick
@given(
    q=floats((N, M, K), -50, 50),
    log_prob=floats((N, M), -20, 5),
    logged=pairs,
    temperature=st.floats(0.5, 4),
)
def test_cql_oracle(q, log_prob, logged, temperature):
    """Importance-weighted integral, one example and critic at a time, in float64."""
    expected = np.zeros(N)
    for n, k in np.ndindex(N, K):
        terms = [
            (float(q[n, m, k]) - float(log_prob[n, m])) / temperature for m in range(M)
        ]
        top = max(terms)
        soft = top + np.log(sum(np.exp(t - top) for t in terms))
        expected[n] += temperature * soft - float(logged[n, k])
    ours = cql(q, log_prob, logged, temperature)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-3)


def test_cql_of_uniform_samples_estimates_the_integral():
    """All densities are 1/2 over [-1, 1]: M times the integral of exp(q) da."""
    a = np.random.default_rng(0).uniform(-1, 1, (1, 20_000)).astype("f4")
    penalty = cql(a[..., None], np.full_like(a, np.log(0.5)), np.zeros((1, 1), "f4"))
    integral = np.exp(1) - np.exp(-1)
    np.testing.assert_allclose(penalty - np.log(a.size), [np.log(integral)], atol=0.01)


def test_cql_gradient_is_a_softmax_up_and_the_logged_action_down():
    q, log_prob = jnp.array([[[1.0], [1.0]]]), jnp.log(jnp.array([[0.25, 0.75]]))
    slopes = jax.grad(
        lambda *x: critic_losses.cql_penalty(*x).sum(), argnums=(0, 1, 2)
    )(q, log_prob, jnp.zeros((1, 1)))
    # Weights 1/0.25 and 1/0.75: 3/4 and 1/4.
    np.testing.assert_allclose(slopes[0][0, :, 0], [0.75, 0.25], rtol=1e-6)
    assert not slopes[1].any()
    assert slopes[2] == -1


def test_gap_by_hand():
    # omega = 1/4, 3/4.  log(1/4 * 4 + 3/4 * 8) = log 7, mean of real values 1.
    q_sim = jnp.log(jnp.array([[4.0], [8.0]]))
    penalty = gap(q_sim, jnp.array([1.0, 3.0]), jnp.array([[0.0], [2.0]]))
    np.testing.assert_allclose(penalty, np.log(7) - 1, rtol=1e-6)


@quick
@given(q_sim=pairs, u=floats(N, -4, 20), q_real=floats((3, K), -100, 100))
def test_gap_oracle(q_sim, u, q_real):
    """The published form, with its own floor raised to ours, in float64."""
    u = np.clip(u.astype(np.float64), 1e-30, 10)
    omega = u / u.sum()
    q = q_sim.astype(np.float64)
    soft = np.log((omega[:, None] * np.exp(q - q.max(0))).sum(0)) + q.max(0)
    expected = np.clip(soft - q_real.astype(np.float64).mean(0), -1000, 1000).sum()
    ours = gap(q_sim, u.astype(np.float32), q_real)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-3)


def test_gap_floor_is_as_good_as_the_published_one():
    """A row at the floor has no say beside one with a gap of 1, though worth 9 more."""
    penalty = gap(jnp.array([[0.0], [9.0]]), jnp.array([1.0, -1.0]), jnp.zeros((N, 1)))
    # log(1 + 1e-45 e^9) = 0; a floor of 1e-6 gives 0.0081.
    np.testing.assert_allclose(penalty, 0.0, atol=1e-6)


def test_gap_is_bounded_and_even_where_no_row_is_far():
    zeros = jnp.zeros((N, 1))
    assert gap(zeros + 1e6, jnp.ones(N), zeros) == 1000
    # All gaps at the floor: every row counts alike.
    slope = jax.grad(critic_losses.gap_penalty)(zeros, -jnp.ones(N), zeros)
    np.testing.assert_allclose(slope, np.full((N, 1), 1 / N), rtol=1e-5)


def test_gap_gradient_reaches_the_critics_only():
    slope = jax.grad(critic_losses.gap_penalty, argnums=1)
    assert not slope(jnp.ones((N, K)), jnp.arange(1.0, N + 1), jnp.ones((N, K))).any()


def test_diversity_by_hand():
    # cos = 0 of a right angle, twice over 1; 1 of the same direction; -1 of opposite.
    slopes = jnp.array([[[2.0, 0], [0, 3]], [[1, 1], [5, 5]], [[1, 0], [-1, 0]]])
    np.testing.assert_allclose(diversity(slopes), [0, 2, -2], atol=1e-6)


def test_diversity_of_a_critic_that_is_nearly_flat():
    # 5e-21 / (5e-21 + 1e-20) = 1/3, then of length 1: its direction is kept.
    slopes = jnp.array([[[5e-21, 0], [1, 0]], [[5e-21, 0], [-1, 0]]])
    np.testing.assert_allclose(diversity(slopes), [2, -2], rtol=1e-5)


@quick
@given(slopes=floats((N, M, A), -100, 100))
def test_diversity_oracle(slopes):
    """A double loop over the pairs of critics."""
    slopes = np.where(np.abs(slopes) < 0.01, 1, slopes).astype(np.float64)
    expected = np.zeros(N)
    for n, i, j in np.ndindex(N, M, M):
        one, other = slopes[n, i], slopes[n, j]
        if i != j:
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            expected[n] += cosine / (M - 1)
    ours = diversity(slopes.astype(np.float32))
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_diversity_is_finite_where_a_critic_is_flat():
    for size in (0.0, 1e-30, 1e30):
        loss, slope = jax.value_and_grad(lambda x: critic_losses.diversity(x).sum())(
            jnp.full((1, K, A), size)
        )
        assert np.isfinite(loss) and np.isfinite(slope).all()
