import gc
import json
import os
import shutil
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorstore

from experiments.run_folder import checkpoints
from h2o_jax.errors import CheckpointError, DiskError
from tests.commands import limited_files

pytestmark = pytest.mark.fault


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


def save(folder, tree, **info):
    checkpoints.save(folder, {"state": checkpoints.flatten(tree)}, info)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_round_trip_keeps_bits_types_and_keys(tmp_path, tree):
    save(tmp_path / "c", tree, a=1)
    found = checkpoints.read(tmp_path / "c")
    again = checkpoints.fit(found.arrays, tree)
    assert found.info == {"a": 1}
    assert jax.random.key_data(again["keys"]).tolist() == (
        jax.random.key_data(tree["keys"]).tolist()
    )
    for name, array in checkpoints.flatten(tree).items():
        other = checkpoints.flatten(again)[name]
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)


def test_the_two_newest_stay_and_leftovers_of_a_kill_go(tmp_path, tree):
    for epoch in range(3):
        (tmp_path / "9.orbax-checkpoint-tmp-1" / "state").mkdir(parents=True)
        save(tmp_path, tree, epoch=epoch)
    assert checkpoints.read(tmp_path).info == {"epoch": 2}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]


def test_an_unfinished_save_is_ignored(tmp_path, tree):
    save(tmp_path, tree, epoch=1)
    (tmp_path / "2.orbax-checkpoint-tmp").mkdir()
    assert checkpoints.read(tmp_path).info == {"epoch": 1}


def test_a_missing_checkpoint_is_named_and_nothing_is_made(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        checkpoints.read(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path, tree):
    """One flipped bit in the middle of every file, one file at a time."""
    tree["weights"][0] = jnp.asarray(np.random.default_rng(0).normal(size=(64, 64)))
    save(tmp_path / "clean", tree, epoch=1)
    save(tmp_path / "clean", tree, epoch=2)
    wanted = checkpoints.read(tmp_path / "clean").arrays
    files = [x for x in (tmp_path / "clean" / "1").rglob("*") if x.is_file()]
    found = 0
    for file in files:
        folder = tmp_path / "damaged"
        shutil.copytree(tmp_path / "clean", folder)
        flip(folder / file.relative_to(tmp_path / "clean"))
        notes = checkpoints.recover(folder)
        if notes:
            (note,) = notes
            assert f"{folder / '1'}" in note and note.endswith("aside as corrupt-1")
            assert (folder / "corrupt-1").is_dir()
            found += 1
        arrays, info = checkpoints.read(folder)
        assert info["epoch"] == (1 if notes else 2)
        for name, array in wanted.items():
            np.testing.assert_array_equal(array, arrays[name])
        save(folder, tree, epoch=3)
        assert checkpoints.read(folder).info["epoch"] == 3
        shutil.rmtree(folder)
    assert found >= 3  # data, its index and the record; the rest is not read


def test_the_newest_is_the_one_saved_last_whatever_the_clock_says(tmp_path, tree):
    for epoch in (1, 2):
        save(tmp_path, tree, epoch=epoch)
    os.utime(tmp_path / "0", (2**33, 2**33))
    os.utime(tmp_path / "1", (0, 0))
    assert checkpoints.read(tmp_path).info == {"epoch": 2}
    save(tmp_path, tree, epoch=3)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["1", "2"]


def test_where_none_is_whole_nothing_is_set_aside(tmp_path, tree):
    save(tmp_path, tree)
    flip(tmp_path / "0" / "record" / "metadata")
    with pytest.raises(CheckpointError, match="no other checkpoint is left"):
        checkpoints.recover(tmp_path)
    assert (tmp_path / "0").is_dir()


def test_another_format_is_refused_and_left_alone(tmp_path, tree):
    save(tmp_path, tree)
    save(tmp_path, tree)
    path = tmp_path / "1" / "record" / "metadata"
    path.write_text(json.dumps({"format": 2, "names": []}))
    with pytest.raises(CheckpointError, match="format 2, this version reads 3"):
        checkpoints.recover(tmp_path)
    assert (tmp_path / "1").is_dir()


@pytest.mark.parametrize("shape", [[10**12], [10**6, 10**6], [8]])
def test_a_file_that_declares_what_its_record_does_not_is_not_read(tmp_path, shape):
    """Tensorstore would end the process where it cannot hold what a file declares."""
    save(tmp_path, {"x": np.zeros(4)})
    store = tensorstore.open(
        {
            "driver": "zarr",
            "kvstore": {
                "driver": "ocdbt",
                "base": f"file://{tmp_path}/0/state/",
                "path": "0000/",
            },
            "metadata": {"shape": shape, "dtype": "<f8", "chunks": shape},
        },
        create=True,
        delete_existing=True,
    )
    store.result()
    with pytest.raises(CheckpointError, match="another shape than its record"):
        checkpoints.read(tmp_path)


def test_links_and_pipes_are_not_followed(tmp_path, tree):
    save(tmp_path / "real", tree)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for act in (checkpoints.read, lambda folder: save(folder, tree)):
        with pytest.raises(CheckpointError, match="link"):
            act(tmp_path / "link")
    os.mkfifo(tmp_path / "real" / "0" / "state" / "pipe")
    with pytest.raises(CheckpointError, match="holds links or other than files"):
        checkpoints.read(tmp_path / "real")


def test_another_shape_type_or_tree_is_refused(tmp_path, tree):
    save(tmp_path, tree)
    arrays = checkpoints.read(tmp_path).arrays
    for name, other in (
        ("host", np.zeros(3)),
        ("host", np.zeros(2, np.float32)),
        ("extra", np.zeros(2)),
    ):
        with pytest.raises(CheckpointError, match=name):
            checkpoints.fit(arrays, {**tree, name: other})


def test_a_save_that_fails_is_loud_and_leaves_the_old_one(tmp_path, tree):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not save"):
        save(tmp_path / "file" / "below", tree)
    save(tmp_path / "full", tree, epoch=1)
    large = {"x": np.random.default_rng(0).normal(size=100_000)}
    with limited_files(20_000), pytest.raises(DiskError, match="could not save"):
        save(tmp_path / "full", large, epoch=2)
    assert checkpoints.read(tmp_path / "full").info == {"epoch": 1}
    save(tmp_path / "full", tree, epoch=3)
    assert checkpoints.read(tmp_path / "full").info == {"epoch": 3}


def test_a_save_leaves_nothing_in_memory(tmp_path):
    """Orbax's own writer left 224 bytes for each array: 220 kB here."""
    arrays = {f"x{i}": np.full(8, i) for i in range(100)}

    def left():
        gc.collect()
        tracemalloc.start()
        for _ in range(10):
            checkpoints.save(tmp_path, {"state": arrays}, {})
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return held

    for _ in range(3):  # caches fill
        checkpoints.save(tmp_path, {"state": arrays}, {})
    # Threads that earlier tests left may allocate in one round, a leak is in all.
    assert min(left() for _ in range(3)) < 110_000
