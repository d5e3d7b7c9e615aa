"""Logs in, transitions out: pairing, round trips, and files that must be refused."""

import json
import pathlib
import pickle
import re
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.sim import datasets, files
from h2o_jax.types import Transition

N, OBS, A = 60, 3, 2
DIMS = {"obs_dim": OBS, "action_dim": A}
MINARI_ID = "h2o/test/log-v0"


def columns(rows=N, ends=(19, 39), terminal=(39,), seed=0):
    """A log whose episodes end after `ends`, some of them at a terminal state."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(rows + 1, OBS)).astype(np.float32)
    successors = states[1:].copy()
    successors[list(ends)] = rng.normal(size=(len(ends), OBS))
    terminals = np.isin(np.arange(rows), terminal)
    return {
        "observations": states[:-1],
        "actions": rng.uniform(-1, 1, (rows, A)).astype(np.float32),
        "rewards": rng.normal(size=rows).astype(np.float32),
        "next_observations": successors,
        "terminals": terminals,
        "timeouts": np.isin(np.arange(rows), ends) & ~terminals,
    }


def without(log, *names):
    return {name: x for name, x in log.items() if name not in names}


def as_transition(log):
    return Transition(
        log["observations"],
        log["actions"],
        log["rewards"],
        1.0 - log["terminals"],
        log["next_observations"],
    )


def save_hdf5(path, log):
    with h5py.File(path, "w") as file:
        for name, values in log.items():
            file[name] = values
    return path


def load(path, **options):
    return datasets.load(str(path), **DIMS | options)


def assert_same(one, other):
    for x, y, name in zip(one, other, Transition._fields, strict=True):
        np.testing.assert_array_equal(x, y, name)


# Pairing.


def slow_pairs(log):
    """Row by row: what `load` must make of a log without successors."""
    rows = []
    for i, obs in enumerate(log["observations"]):
        timeout, terminal = log["timeouts"][i], log["terminals"][i]
        last = i == len(log["rewards"]) - 1
        if timeout or (last and not terminal):
            continue
        successor = obs if terminal else log["observations"][i + 1]
        discount = 0.0 if terminal else 1.0
        rows.append((obs, log["actions"][i], log["rewards"][i], discount, successor))
    return Transition(*map(np.array, zip(*rows, strict=True)))


@pytest.mark.parametrize(
    "ends, terminal", [((19, 39), (39,)), ((59,), ()), ((9,), (59,))]
)
def test_pairs_rows_as_the_slow_loop(tmp_path, ends, terminal):
    log = columns(ends=ends, terminal=terminal)
    log["timeouts"][5] = log["terminals"][5] = True  # the time limit wins
    dataset = load(save_hdf5(tmp_path / "a.h5", without(log, "next_observations")))
    assert_same(dataset.transition, slow_pairs(log))
    assert "1 rows both terminal and timed out" in dataset.notes[0]


@settings(max_examples=25, deadline=None)
@given(flags=st.lists(st.sampled_from(["", "", "terminal", "timeout"]), min_size=3))
def test_rows_are_never_joined_across_episodes(flags):
    """Joins = rows less episodes, the log's end closing the last."""
    rows = len(flags)
    log = without(columns(rows, ends=(), terminal=()), "next_observations")
    log["terminals"] = np.array([flag == "terminal" for flag in flags])
    log["timeouts"] = np.array([flag == "timeout" for flag in flags])
    ended = log["terminals"] | log["timeouts"]
    timeouts, _ = datasets._timeouts(log, pathlib.Path("log"), rows + 1)
    steps, _ = datasets._pair(log, timeouts)
    episodes = ended.sum() + (not ended[-1])
    assert steps.discount_t.sum() == rows - episodes
    assert (~steps.discount_t).sum() == log["terminals"].sum()


def test_logged_successors_are_used_in_every_row(tmp_path):
    log = columns()
    dataset = load(save_hdf5(tmp_path / "a.hdf5", log))
    assert_same(dataset.transition, as_transition(log))
    np.testing.assert_array_equal(dataset.episode_lengths, [20, 20])
    sums = log["rewards"][:20].sum(), log["rewards"][20:40].sum()
    np.testing.assert_allclose(dataset.episode_returns, sums, rtol=1e-5)
    assert dataset.time_limits == 1
    assert dataset.notes == ("unfinished last episode of 20 rows not in the returns",)


def test_the_time_limit_wins_over_a_terminal_flag(tmp_path):
    log = columns()
    log["terminals"][19] = True  # a time limit already
    dataset = load(save_hdf5(tmp_path / "a.h5", log))
    np.testing.assert_array_equal(
        np.flatnonzero(dataset.transition.discount_t == 0), 39
    )
    assert "1 rows both terminal and timed out" in dataset.notes[0]


def test_time_limits_are_inferred_from_successors(tmp_path):
    """Episodes of 20: a time limit, a terminal, and the log's end like the first."""
    log = columns()
    path = save_hdf5(tmp_path / "a.hdf5", without(log, "timeouts"))
    dataset = load(path)
    assert_same(dataset.transition, as_transition(log))
    np.testing.assert_array_equal(dataset.episode_lengths, [20, 20, 20])
    for unfinished in (columns(50), columns(30, ends=(9, 19), terminal=(9, 19))):
        short = load(save_hdf5(path, without(unfinished, "timeouts")))
        assert len(short.episode_lengths) == 2


def test_time_limits_are_counted_when_told(tmp_path):
    """Terminal after row 24; limits of 10 fall on rows 9, 19, then 34, 44, 54."""
    log = columns(ends=(24,), terminal=(24,))
    path = save_hdf5(tmp_path / "a.h5", without(log, "next_observations", "timeouts"))
    dataset = load(path, max_episode_steps=10)
    np.testing.assert_array_equal(dataset.episode_lengths, [10, 10, 5, 10, 10, 10])
    with pytest.raises(DatasetError, match="give max_episode_steps"):
        load(path)


def test_shuffled_rows_have_no_episodes(tmp_path):
    log, order = columns(), np.random.default_rng(0).permutation(N)
    log = {name: values[order] for name, values in log.items()}
    dataset = load(save_hdf5(tmp_path / "a.h5", log))
    assert len(dataset.episode_returns) == 0 and "shuffled" in dataset.notes[-1]
    assert "returns" not in datasets.summary(dataset).split("note")[0]


def test_a_gap_inside_an_episode_is_reported(tmp_path):
    log = columns()
    log["next_observations"][3] += 1
    assert "1.69% of rows" in load(save_hdf5(tmp_path / "a.h5", log)).notes[0]


# Formats.


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
    assert all(x.dtype == np.float32 for x in dataset.transition)
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
    with h5py.File(path) as file:
        assert file.attrs["env_id"] == "x"
        assert all(item.fletcher32 for item in file.values())
        assert not (file["timeouts"][:] & file["terminals"][:]).any()
    assert list(tmp_path.iterdir()) == [path]


def test_writers_leave_nothing_behind_on_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    step, flags = as_transition(columns()), columns()["timeouts"]
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="cannot be written"):
        datasets.write_d4rl(tmp_path / "file" / "log.hdf5", step, flags)
    with pytest.raises(TypeError):
        datasets.write_d4rl(tmp_path / "log.hdf5", step, flags, {"bad": object()})
    assert [x.name for x in tmp_path.iterdir()] == ["file"]
    with pytest.raises(TypeError):
        datasets.write_minari(MINARI_ID, step, flags, description=object())
    datasets.write_minari(MINARI_ID, step, flags)  # the failure left the id free
    with pytest.raises(DatasetError, match="exists; raise the version"):
        datasets.write_minari(MINARI_ID, step, flags)
    lengths = load(f"minari:{MINARI_ID}").episode_lengths
    np.testing.assert_array_equal(lengths, [20, 20, 20])  # the last one truncated


def test_column_map(tmp_path):
    log = columns()
    renamed = without(log, "observations", "rewards") | {
        "x": log["observations"][:, 0],
        "q_7": log["observations"][:, 1],
        "q_8": log["observations"][:, 2],
        "gain": log["rewards"],
    }
    path = tmp_path / "log.npz"
    np.savez(path, **renamed)
    names = {"observations": "x, q_7..q_8", "rewards": "gain"}
    assert_same(load(path, columns=names).transition, as_transition(log))
    with pytest.raises(
        DatasetError, match=r"no rewards .*found .*gain.* accepted absent"
    ):
        load(path, columns=names | {"rewards": "absent"})
    with pytest.raises(ConfigError, match="columns: obs is unknown"):
        load(path, columns={"obs": "x"})


def test_column_vectors_are_squeezed_and_noted(tmp_path):
    log = columns()
    tall = {n: x[:, None] if x.ndim == 1 else x for n, x in log.items()}
    dataset = load(save_hdf5(tmp_path / "a.h5", tall))
    assert_same(dataset.transition, as_transition(log))
    assert "(N,1) rewards squeezed" in dataset.notes


def test_actions_are_clipped_or_mapped(tmp_path):
    log = columns()
    log["actions"][0] = 1.5
    path = save_hdf5(tmp_path / "a.h5", log)
    dataset = load(path)
    assert dataset.transition.a_tm1.max() == 1
    assert "2 action values clipped (1.67%)" in dataset.notes
    scaled = save_hdf5(path, log | {"actions": np.full((N, A), [5.0, 10.0])})
    with pytest.raises(DatasetError, match=r"100% .* action_bounds"):
        load(scaled)
    mapped = load(scaled, action_bounds=(0, [10.0, 20.0])).transition.a_tm1
    np.testing.assert_allclose(mapped, 0, atol=1e-6)
    with pytest.raises(ConfigError, match="low < high"):
        load(scaled, action_bounds=(1, 1))


def test_one_dimensional_spaces_may_be_flat(tmp_path):
    log = columns()
    log |= {n: log[n][:, 0] for n in ("observations", "actions", "next_observations")}
    step = load(save_hdf5(tmp_path / "a.h5", log), obs_dim=1, action_dim=1).transition
    assert step.s_tm1.shape == step.a_tm1.shape == (N, 1)


def test_expected_hash(tmp_path):
    path = save_hdf5(tmp_path / "a.h5", columns())
    load(path, sha256=load(path).sha256.upper())
    with pytest.raises(DatasetError, match="its SHA-256 is"):
        load(path, sha256="0" * 64)


# Files that must be refused.


class Sentinel:
    """Unpickling this would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def pickled(folder, name="log.pkl"):
    (folder / name).write_bytes(pickle.dumps(Sentinel(folder / "ran")))
    return folder / name


def object_npz(folder):
    rewards = np.full(N, Sentinel(folder / "ran"))
    np.savez(folder / "log.npz", **columns() | {"rewards": rewards})
    return folder / "log.npz"


def raw(content, name="log.hdf5"):
    def make(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return make


def log_with(**changes):
    return lambda folder: save_hdf5(folder / "log.hdf5", columns() | changes)


def log_lacking(*names):
    return lambda folder: save_hdf5(folder / "log.hdf5", without(columns(), *names))


def cut(share):
    def make(folder):
        path = save_hdf5(folder / "log.hdf5", columns())
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        return path

    return make


def hostile(edit):
    """A sound log plus what `edit(file, folder)` does to it."""

    def make(folder):
        (folder / "secret").write_bytes(bytes(8 * N))
        path = save_hdf5(folder / "log.hdf5", without(columns(), "rewards"))
        with h5py.File(path, "a") as file:
            edit(file, folder)
        return path

    return make


def raw_storage(file, folder):
    place = [(str(folder / "secret"), 0, 8 * N)]
    file.create_dataset("rewards", (N,), "f8", external=place)


def virtual(file, folder):
    layout = h5py.VirtualLayout((N,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret"), "x", (N,))
    file.create_virtual_dataset("rewards", layout)


def bomb(file, folder):
    file.create_dataset("rewards", (10**12,), "f4", chunks=(1024,), compression="gzip")


def big_chunk(file, folder):
    file.create_dataset("rewards", (1,), "f4", chunks=(10**9,), maxshape=(None,))


def references(file, folder):
    file["rewards"] = np.array([file["actions"].ref] * N, h5py.ref_dtype)


def soft_loop(file, folder):
    file["rewards"] = h5py.SoftLink("/rewards")


def nested_link(file, folder):
    file["a/b/rewards"] = h5py.ExternalLink(str(folder / "secret"), "/x")


def escape(file, folder):
    file["a\n\x1b[31mb"] = 1


def named_type(file, folder):
    file["rewards"] = np.dtype("f8")


def npz_bomb(folder):
    with zipfile.ZipFile(folder / "log.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("rewards.npy", bytes(30_000_000))
    return folder / "log.npz"


GARBLED = "looks like {}.*copy or download it again"
BAD_FILES = {
    "absent": (lambda folder: folder / "none.hdf5", "no such file"),
    "folder": (lambda folder: folder / "d.h5" / "..", "unknown kind of file"),
    "suffix": (raw(b"", "log.txt"), "unknown kind of file; use .hdf5"),
    "pickle": (pickled, "a pickle, and loading one can run code"),
    "pickle as npz": (lambda folder: pickled(folder, "log.npz"), "looks like a pickle"),
    "pickle as hdf5": (lambda folder: pickled(folder, "log.h5"), "looks like a pickle"),
    "objects in npz": (object_npz, "rewards holds Python objects"),
    "empty": (cut(0), GARBLED.format("an empty file")),
    "cut early": (cut(0.005), "damaged or truncated HDF5|no known kind"),
    "cut third": (cut(0.3), r"truncated \(have \d+ of \d+ bytes\)"),
    "cut late": (cut(0.999), r"truncated \(have \d+ of \d+ bytes\)"),
    "html": (raw(b"<!DOCTYPE html>"), GARBLED.format("a web page")),
    "lfs": (raw(b"version https://git-lfs.github.com/spec/v1"), "git lfs pull"),
    "zip": (raw(b"PK\x03\x04rest"), GARBLED.format("a zip archive")),
    "html as npz": (raw(b"<html>", "log.npz"), "not npz, looks like a web"),
    "broken npz": (
        raw(b"PK\x03\x04rest", "log.npz"),
        "damaged or not npz, looks like a zip",
    ),
    "npz bomb": (npz_bomb, "rewards.npy claims 30.0 MB"),
    "csv text": (raw(b"obs,a,r,terminated\n1,2,x,0\n", "a.csv"), "could not convert"),
    "csv empty": (raw(b"", "a.csv"), "no observations .found nothing"),
    "csv head": (raw(b"obs,action,r,terminated\n", "a.csv"), "has shape|0 transitions"),
    "csv ragged": (raw(b"obs,a,r,terminated\n1,2\n3\n", "a.csv"), "cannot be read"),
    "no terminals": (log_lacking("terminals"), "no terminals .found actions.*accepted"),
    "no rewards": (log_lacking("rewards"), "no rewards"),
    "no actions": (log_lacking("actions"), "no actions"),
    "no observations": (log_lacking("observations"), "no observations"),
    "no ends": (log_lacking("timeouts", "next_observations"), "cannot be told apart"),
    "nan": (log_with(rewards=np.full(N, np.nan)), "rewards has 60 values.* row 0;"),
    "short": (log_with(rewards=np.zeros(N - 1)), "60 rows, rewards has 59"),
    "text": (log_with(rewards=np.full(N, b"1")), "rewards holds |S1, not numbers"),
    "strings": (log_with(rewards=["1"] * N), "rewards holds object, not numbers"),
    "record": (log_with(rewards=np.zeros(N, [("a", "f4")])), "not numbers"),
    "flags": (log_with(terminals=np.full(N, 2)), "terminals is 2 in row 0"),
    "other task": (log_with(actions=np.zeros((N, 6))), r"the task wants \(N, 2\)"),
    "external raw": (hostile(raw_storage), "rewards is external raw storage, refused"),
    "virtual": (hostile(virtual), "rewards is a virtual dataset, refused"),
    "soft loop": (hostile(soft_loop), "rewards' is a soft link, refused"),
    "external link": (
        hostile(nested_link),
        "a/b/rewards' is an external link, refused",
    ),
    "named type": (hostile(named_type), "rewards is a named type, refused"),
    "references": (hostile(references), "rewards holds object, not numbers"),
    "sparse bomb": (hostile(bomb), r"rewards claims 4\.0 TB .* stores 0 bytes"),
    "chunk bomb": (hostile(big_chunk), r"rewards claims 4\.0 GB"),
    "bad name": (hostile(escape), r"found a \?\[31mb, actions"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_end_in_one_line(tmp_path, name):
    make, message = BAD_FILES[name]
    with pytest.raises(DatasetError, match=message) as caught:
        load(make(tmp_path))
    line = str(caught.value)
    assert line.startswith(str(tmp_path)) and "; " in line and line.isprintable()
    assert not (tmp_path / "ran").exists()


def test_too_large_for_memory(tmp_path, monkeypatch):
    path = save_hdf5(tmp_path / "a.h5", columns())
    monkeypatch.setattr(files, "available_memory", lambda: 1000)
    with pytest.raises(
        DatasetError, match=r"needs 6\.8 kB of memory, 1\.0 kB are free"
    ):
        load(path)


def test_group_cycles_end(tmp_path):
    path = save_hdf5(tmp_path / "a.h5", columns())
    with h5py.File(path, "a") as file:
        file["loop"] = file["/"]
    assert len(load(path).transition.r_t) == N


def test_flipped_bits_never_escape_or_pass_unseen(tmp_path):
    """A damaged file loads as it was or raises `DatasetError`; nothing else."""
    path, log = tmp_path / "a.hdf5", columns()
    datasets.write_d4rl(path, as_transition(log), log["timeouts"])
    sound_rows = as_transition(log)
    sound, rng, wrong = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(60):
        damaged = bytearray(sound)
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            loaded = load(path).transition
        except DatasetError:
            continue
        same = (np.array_equal(x, y) for x, y in zip(loaded, sound_rows, strict=True))
        wrong += not all(same)
    assert wrong == 0


# Minari.


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


@pytest.mark.parametrize("name", BAD_METADATA)
def test_bad_minari_metadata(minari_folder, name):
    changes, message = BAD_METADATA[name]
    edit_metadata(minari_folder, **changes)
    with pytest.raises(DatasetError, match=message):
        load(f"minari:{MINARI_ID}")


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


@pytest.mark.parametrize(
    "name", ["../x-v0", "a/../../b-v0", "/etc/x-v0", "x", "a b-v0"]
)
def test_malformed_minari_id(name):
    with pytest.raises(DatasetError, match="malformed id"):
        load(f"minari:{name}", download=True)


def test_minari_download_only_when_allowed(tmp_path, monkeypatch):
    import minari

    def unreachable(dataset_id):
        raise ConnectionError("no\nroute")

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr(minari, "download_dataset", unreachable)
    with pytest.raises(DatasetError, match=r"not found at .* allow the download"):
        load("minari:a/b-v0")
    with pytest.raises(
        DatasetError, match=r"download failed .no route.; mend that, or"
    ):
        load("minari:a/b-v0", download=True)


# Data beside the project.


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
