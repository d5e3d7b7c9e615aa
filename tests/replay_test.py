"""The ring buffer against a slow Python one, and what may be drawn from it."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax import replay
from h2o_jax.types import Transition

OBS, A, CAPACITY = 3, 2, 7
extend = jax.jit(replay.extend)
sample = jax.jit(replay.sample, static_argnums=2)


def steps(*shape):
    """Every number differs."""
    sizes = (OBS,), (A,), (), (), (OBS,)
    shapes = [(*shape, *size) for size in sizes]
    starts = np.cumsum([0, *map(np.prod, shapes)])
    return Transition(
        *(
            np.arange(start, start + np.prod(s), dtype=np.float32).reshape(s)
            for start, s in zip(starts, shapes, strict=False)
        )
    )


def numbered(first, n):
    """Packed rows whose every column is the row's number."""
    rows = np.arange(first, first + n, dtype=np.float32)[:, None]
    return np.tile(rows, replay.width(OBS, A))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_pack_and_unpack_are_inverse(shape):
    batch = steps(*shape)
    rows = replay.pack(batch)
    assert rows.shape == (*shape, replay.width(OBS, A)) == (*shape, 2 * OBS + A + 2)
    assert_same(replay.unpack(rows, OBS, A), batch)
    complete = batch._replace(a_t=-batch.a_tm1)
    rows = replay.pack(complete)
    assert rows.shape == (*shape, 2 * OBS + 2 * A + 2)
    assert_same(replay.unpack(rows, OBS, A), complete)


def assert_same(ours, given):
    assert jax.tree.structure(ours) == jax.tree.structure(given)
    jax.tree.map(np.testing.assert_array_equal, ours, given)


def test_the_next_action_is_known_only_where_the_log_goes_on():
    log = steps(5)
    s_t = np.append(log.s_tm1[1:], log.s_tm1[:1], axis=0)
    s_t[2] += 1  # a stall, or the next episode
    a_t = np.array(replay.with_next_action(log._replace(s_t=s_t)).a_t)
    np.testing.assert_array_equal(a_t[[0, 1, 3]], log.a_tm1[[1, 2, 4]])
    assert np.isinf(a_t[[2, 4]]).all()


@pytest.mark.parametrize("n", [3, CAPACITY])
def test_wraps_around_like_a_deque(n):
    buffer = replay.init(OBS, A, CAPACITY)
    slow = collections.deque(maxlen=CAPACITY)
    for first in range(1, 12 * n, n):
        buffer = extend(buffer, numbered(first, n))
        slow.extend(range(first, first + n))
        written = [x for x in np.asarray(buffer.rows[:, 0]) if x]
        assert sorted(written) == list(slow)
        assert buffer.added == first + n - 1
        # Newest last, starting where the next row will be written.
        if len(slow) == CAPACITY:
            oldest = int(buffer.added) % CAPACITY
            assert list(np.roll(buffer.rows[:, 0], -oldest)) == list(slow)


def test_draws_only_written_rows_and_all_of_them():
    buffer = replay.init(OBS, A, CAPACITY)
    for count, expected in (
        (3, {1, 2, 3}),
        (6, set(range(1, 7))),
        (9, set(range(3, 10))),
    ):
        buffer = extend(buffer, numbered(count - 2, 3))
        drawn = sample(buffer, jax.random.key(count), 500)
        assert set(np.asarray(drawn[:, 0])) == expected


def test_rows_are_drawn_evenly():
    drawn = sample(replay.full(jnp.asarray(numbered(0, 4))), jax.random.key(0), 4000)
    # 1000 of each expected, std sqrt(4000 * 3 / 16) = 27.
    counts = np.bincount(np.asarray(drawn[:, 0]).astype(int))
    np.testing.assert_allclose(counts, 1000, atol=4 * 27)


def test_full_holds_every_row():
    rows = jnp.asarray(numbered(5, CAPACITY))
    buffer = replay.full(rows)
    assert buffer.added == CAPACITY
    assert set(np.asarray(sample(buffer, jax.random.key(1), 200)[:, 0])) == set(
        range(5, 12)
    )


def test_sampled_rows_are_pinned():
    """A silent change of sampling breaks every recorded run."""
    buffer = replay.full(jnp.asarray(numbered(0, 1000)))
    drawn = sample(buffer, jax.random.key(42), 10)[:, 0].astype(int).tolist()
    assert drawn == [644, 914, 71, 369, 709, 419, 977, 807, 94, 26]


def test_too_many_rows_are_refused():
    with pytest.raises(ValueError, match="8 rows do not fit a capacity of 7"):
        replay.extend(replay.init(OBS, A, CAPACITY), numbered(0, 8))


def test_maps_over_runs():
    """Runs whose buffers are filled unequally stay apart."""
    one = extend(replay.init(OBS, A, CAPACITY), numbered(1, 3))
    two = extend(
        extend(replay.init(OBS, A, CAPACITY), numbered(11, 3)), numbered(14, 3)
    )
    both = jax.tree.map(lambda *x: jnp.stack(x), one, two)
    rows = jnp.stack([numbered(4, 3), numbered(17, 3)])
    both = jax.jit(jax.vmap(replay.extend))(both, rows)
    for i, (buffer, new) in enumerate(zip((one, two), rows, strict=True)):
        np.testing.assert_array_equal(both.rows[i], extend(buffer, new).rows)
