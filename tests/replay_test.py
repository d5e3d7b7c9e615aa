"""The ring buffer against a slow Python one, and what may be drawn from it."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from h2o_jax import packing, replay

OBS, A, CAPACITY = 3, 2, 7
extend = jax.jit(replay.extend)
sample = jax.jit(replay.sample, static_argnums=2)


def numbered(first, n):
    """Packed rows whose every column is the row's number."""
    rows = np.arange(first, first + n, dtype=np.float32)[:, None]
    return np.tile(rows, packing.width(OBS, A))


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


@pytest.mark.parametrize("n", [3, CAPACITY])
@pytest.mark.fault
def test_a_run_of_any_length_keeps_its_newest_rows(n):
    """A counter that overflows would shift the ring, and draw from a part of it."""
    before = 2**31 - 2 - 2 * n
    buffer = replay.full(jnp.asarray(numbered(0, CAPACITY)))
    buffer = buffer._replace(added=jnp.uint32(before))
    slow = np.asarray(buffer.rows[:, 0]).tolist()
    for step in range(12):
        buffer = extend(buffer, numbered(100 * step, n))
        for i in range(n):
            slow[(before + step * n + i) % CAPACITY] = 100 * step + i
        assert np.asarray(buffer.rows[:, 0]).tolist() == slow
        assert CAPACITY <= int(buffer.added) < 2**31
    drawn = sample(buffer, jax.random.key(0), 500)
    assert set(np.asarray(drawn[:, 0])) == set(slow)


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


@pytest.mark.fault
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
