"""Files that must be refused: in one line, before they harm, damage never unseen."""

import pathlib
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from h2o_jax.data import datasets, files
from h2o_jax.errors import DatasetError
from tests.logs import N, as_transition, columns, load, save_hdf5, without

pytestmark = pytest.mark.fault


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
    "csv text": (
        raw(b"obs,a,r,terminated\n1,2,,0\n1,2,x,0\n", "a.csv"),
        "column r, row 1: 'x' is no number",
    ),
    "csv empty": (raw(b"", "a.csv"), "0 rows; log more"),
    "csv head": (raw(b"obs,action,r,terminated\n", "a.csv"), "0 rows; log more"),
    "csv ragged": (raw(b"obs,a,r,terminated\n1,2\n3\n", "a.csv"), "row 0 has 2 cells"),
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
