import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import checkpoints
from h2o_jax.errors import CheckpointError


@pytest.fixture
def tree():
    return {
        "keys": jax.random.split(jax.random.key(0), 2),
        "weights": [jnp.arange(6.0).reshape(2, 3), jnp.ones(())],
        "host": np.array([1 + 1e-12, 2**60], np.float64),
        "large": np.array([2**63 + 1], np.uint64),
        "none": None,
        "empty": np.zeros((2, 0)),
    }


def test_round_trip_keeps_bits_types_and_keys(tmp_path, tree):
    checkpoints.save(tmp_path / "c", 3, checkpoints.flatten(tree), {"a": 1})
    found = checkpoints.read(tmp_path / "c")
    again = checkpoints.fit(found.arrays, tree)
    assert (found.epoch, found.info) == (3, {"a": 1})
    assert jax.random.key_data(again["keys"]).tolist() == (
        jax.random.key_data(tree["keys"]).tolist()
    )
    for name, array in checkpoints.flatten(tree).items():
        other = checkpoints.flatten(again)[name]
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)


def test_only_the_newest_stays(tmp_path, tree):
    for epoch in (1, 2, 3):
        checkpoints.save(tmp_path, epoch, checkpoints.flatten(tree), {})
    assert checkpoints.read(tmp_path).epoch == 3
    assert [p.name for p in tmp_path.iterdir()] == ["3"]


def test_an_unfinished_save_is_ignored(tmp_path, tree):
    checkpoints.save(tmp_path, 1, checkpoints.flatten(tree), {})
    (tmp_path / "2.orbax-checkpoint-tmp").mkdir()
    assert checkpoints.read(tmp_path).epoch == 1


def test_a_missing_checkpoint_is_named_and_nothing_is_made(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        checkpoints.read(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_altered_arrays_are_found(tmp_path, tree):
    tree["weights"][0] = jnp.asarray(np.random.default_rng(0).normal(size=(64, 64)))
    checkpoints.save(tmp_path, 1, checkpoints.flatten(tree), {})
    data = [p for p in tmp_path.rglob("d/*") if p.is_file()]
    largest = max(data, key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"altered|unreadable"):
        checkpoints.read(tmp_path)


def test_another_shape_type_or_tree_is_refused(tmp_path, tree):
    checkpoints.save(tmp_path, 1, checkpoints.flatten(tree), {})
    arrays = checkpoints.read(tmp_path).arrays
    for name, other in (
        ("host", np.zeros(3)),
        ("host", np.zeros(2, np.float32)),
        ("extra", np.zeros(2)),
    ):
        with pytest.raises(CheckpointError, match=name):
            checkpoints.fit(arrays, {**tree, name: other})


def test_a_path_that_cannot_be_written_is_one_line(tmp_path, tree):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not save"):
        checkpoints.save(tmp_path / "file" / "below", 1, checkpoints.flatten(tree), {})
