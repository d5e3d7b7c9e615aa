"""Formats: what is written comes back, failures leave nothing, real logs load."""

import re

import h5py
import jax
import numpy as np
import pytest

from h2o_jax.data import datasets, hdf5
from h2o_jax.errors import ConfigError, DatasetError
from tests.logs import MINARI_ID, N, as_transition, assert_same, columns, load


@pytest.mark.parametrize("kind", ["d4rl", "minari", "npz", "csv"])
def test_round_trip(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    log = columns(ends=(19, 39, 59))
    step, timeouts = as_transition(log), log["timeouts"]
    path = tmp_path / "folder" / "log.hdf5"
    if kind == "d4rl":
        datasets.write_d4rl(path, step, timeouts, {"env_id": "Test-v0"})
    elif kind == "minari":
        datasets.write_minari(MINARI_ID, step, timeouts, description="test")
        path = f"minari:{MINARI_ID}"
    elif kind == "npz":
        path = tmp_path / "log.npz"
        np.savez_compressed(path, **log)
    else:
        path = tmp_path / "log.csv"
        wide = {k: v.reshape(N, -1) for k, v in log.items()}
        header = [
            f"{k}_{i}" if v.shape[1] > 1 else k
            for k, v in wide.items()
            for i in range(v.shape[1])
        ]
        values = np.hstack(list(wide.values()))
        np.savetxt(path, values, "%.9g", ",", header=",".join(header), comments="")
    dataset = load(path)
    assert_same(dataset.transition, step)
    assert all(x.dtype == np.float32 for x in jax.tree.leaves(dataset.transition))
    np.testing.assert_array_equal(dataset.episode_lengths, [20, 20, 20])
    assert dataset.notes == () and dataset.time_limits == 2
    lines = datasets.summary(dataset).splitlines()
    assert lines[0] == str(path) and re.search(
        "60, 3 observations, 2 actions", lines[1]
    )


def test_written_d4rl_file_has_checksums_and_no_leftovers(tmp_path):
    path, log = tmp_path / "log.hdf5", columns()
    path.write_text("old")
    datasets.write_d4rl(path, as_transition(log), np.ones(N, bool), {"env_id": "x"})
    assert hdf5.attribute(path, "env_id") == "x"
    with h5py.File(path) as file:
        assert all(item.fletcher32 for item in file.values())
        assert not (file["timeouts"][:] & file["terminals"][:]).any()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.fault
def test_writers_leave_nothing_behind_on_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    step, flags = as_transition(columns()), columns()["timeouts"]
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"log\.hdf5: .*; check the path"):
        datasets.write_d4rl(tmp_path / "file" / "log.hdf5", step, flags)
    with pytest.raises(AttributeError):
        datasets.write_d4rl(tmp_path / "log.hdf5", step, flags, {"bad": object()})
    assert [x.name for x in tmp_path.iterdir()] == ["file"]
    with pytest.raises(TypeError):
        datasets.write_minari(MINARI_ID, step, flags, description=object())
    datasets.write_minari(MINARI_ID, step, flags)  # the failure left the id free
    with pytest.raises(DatasetError, match="exists; raise the version"):
        datasets.write_minari(MINARI_ID, step, flags)
    lengths = load(f"minari:{MINARI_ID}").episode_lengths
    np.testing.assert_array_equal(lengths, [20, 20, 20])  # the last one truncated


@pytest.mark.parametrize(
    "name, dims, rows, mean_return",
    [
        ("halfcheetah-medium-replay.hdf5", (17, 6), 140_000, 2917.1),
        ("odrl_style/hopper_gravity_0.5_medium.hdf5", (11, 3), 5_000, 2367.7),
    ],
)
def test_real_logs(shared_file, name, dims, rows, mean_return):
    dataset = load(shared_file(name), obs_dim=dims[0], action_dim=dims[1])
    assert dataset.transition.s_t.shape == (rows, dims[0])
    assert dataset.episode_returns.mean() == pytest.approx(mean_return, abs=0.1)
