"""Minari folders: order of episodes, metadata that lie, ids, downloads."""

import json

import h5py
import pytest

from h2o_jax.data import datasets
from h2o_jax.errors import DatasetError
from tests.logs import MINARI_ID, N, as_transition, assert_same, columns, load


@pytest.fixture
def minari_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    log = columns()
    datasets.write_minari(MINARI_ID, as_transition(log), log["timeouts"])
    return tmp_path / MINARI_ID / "data"


def test_minari_episodes_stay_in_order(tmp_path, monkeypatch):
    """Twelve of them: by number, not by name."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    log = columns(ends=range(4, N, 5), terminal=(4, 54))
    datasets.write_minari(MINARI_ID, as_transition(log), log["timeouts"])
    assert_same(load(f"minari:{MINARI_ID}").transition, as_transition(log))


def edit_metadata(folder, **changes):
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text()) | changes
    kept = {name: value for name, value in metadata.items() if value is not None}
    path.write_text(json.dumps(kept))


@pytest.mark.fault
def test_no_environment_is_made_from_minari_metadata(minari_folder, tmp_path):
    """Minari itself would import and call what `entry_point` names."""
    spec = {
        "id": "Evil-v0",
        "entry_point": "pathlib:Path.touch",
        "kwargs": {"self": str(tmp_path / "ran")},
    }
    spaces = {"observation_space": None, "action_space": None}
    edit_metadata(minari_folder, env_spec=json.dumps(spec), **spaces)
    assert len(load(f"minari:{MINARI_ID}").transition.r_t) == N
    assert not (tmp_path / "ran").exists()


BAD_METADATA = {
    "arrow": ({"data_format": "arrow"}, "stored as arrow"),
    "space": ({"observation_space": '{"type": "Dict"}'}, "observation_space is a Dict"),
    "count": ({"total_episodes": 4}, "3 episodes, the metadata say 4"),
    "missing": ({"total_episodes": None}, "cannot be read .'total_episodes'"),
}


@pytest.mark.fault
@pytest.mark.parametrize("name", BAD_METADATA)
def test_bad_minari_metadata(minari_folder, name):
    changes, message = BAD_METADATA[name]
    edit_metadata(minari_folder, **changes)
    with pytest.raises(DatasetError, match=message):
        load(f"minari:{MINARI_ID}")


@pytest.mark.fault
def test_bad_minari_episodes(minari_folder):
    with h5py.File(minari_folder / "main_data.hdf5", "a") as file:
        observations = file["episode_1/observations"]
        observations.resize(20, axis=0)
    with pytest.raises(DatasetError, match="episode_1 has 20 observations, 20 actions"):
        load(f"minari:{MINARI_ID}")
    with h5py.File(minari_folder / "main_data.hdf5", "a") as file:
        del file["episode_1/observations"]
    with pytest.raises(DatasetError, match="no episode_1/observations"):
        load(f"minari:{MINARI_ID}")
    (minari_folder / "metadata.json").unlink()
    with pytest.raises(DatasetError, match=r"metadata\.json: no such file"):
        load(f"minari:{MINARI_ID}")


@pytest.mark.fault
@pytest.mark.parametrize(
    "name", ["../x-v0", "a/../../b-v0", "/etc/x-v0", "x", "a b-v0"]
)
def test_malformed_minari_id(name):
    with pytest.raises(DatasetError, match="malformed id"):
        load(f"minari:{name}", download=True)


@pytest.mark.fault
def test_minari_download_only_when_allowed(tmp_path, monkeypatch):
    import minari

    def unreachable(dataset_id):
        raise ConnectionError("no\nroute")

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr(minari, "download_dataset", unreachable)
    with pytest.raises(DatasetError, match=r"not found at .* or download it"):
        load("minari:a/b-v0")
    with pytest.raises(
        DatasetError, match=r"download failed .no route.; mend that, or"
    ):
        load("minari:a/b-v0", download=True)
