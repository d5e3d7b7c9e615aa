"""Files that may come from anybody are looked at before they are read or obeyed."""

import json
import os
import signal
import tracemalloc

import h5py
import pytest

from experiments import data, ledger, plans
from experiments.exporting.policy import Policy, PolicyError
from experiments.run_folder import sealed
from h2o_jax.data import columns_file, datasets, files, frames, hdf5
from h2o_jax.errors import DatasetError, H2OError
from h2o_jax.sim import residual, simulator_file, tasks
from h2o_jax.sim.robot import log as robot_log
from tests.commands import experiment_of, parsed
from tests.logs import DIMS, MINARI_ID, as_transition, columns, save_hdf5

pytestmark = pytest.mark.fault


@pytest.fixture(autouse=True)
def quick():
    """Ends a test that waits for a pipe's writer."""
    former = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


# --- whatever is opened ---------------------------------------------------------


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def hole(path):
    path.touch()
    os.truncate(path, 2 * 10**12)


HOSTILE = [pipe, device, hole]


def load(path):
    return datasets.load(str(path), **DIMS)


READERS = {
    "log.hdf5": load,
    "log.npz": load,
    "log.csv": load,
    "log.parquet": load,
    "log.mcap": load,
    "log.db3": load,
    "hash.hdf5": lambda path: datasets.sha256(str(path)),
    "frame.csv": frames.read,
    "robot.txt": robot_log.read,
    "columns.toml": lambda path: columns_file.read(str(path)),
    "simulator.toml": lambda path: simulator_file.read(str(path)),
    "task.py": lambda path: tasks.get(f"{path}:TASK"),
    "run.flags": lambda path: parsed(f"--flagfile={path}"),
    "a.plan": plans.read,
    "residual.npz": residual.load,
    "seed0-1-a.json": ledger.read,
    "sealed.json": sealed.read_json,
}
"""Name of a file -> what reads it."""


@pytest.mark.parametrize("make", HOSTILE)
@pytest.mark.parametrize("name", READERS)
def test_only_files_of_a_sensible_size_are_read(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(H2OError, match=f"{tmp_path}/{name}") as found:
        READERS[name](tmp_path / name)
    assert len(str(found.value).splitlines()) == 1


@pytest.mark.parametrize("make", HOSTILE)
@pytest.mark.parametrize("name", ["policy.npz", "policy.npz.json"])
def test_an_exported_policy_is_looked_at_too(tmp_path, name, make):
    for other in {"policy.npz", "policy.npz.json"} - {name}:
        (tmp_path / other).write_text("{}")
    make(tmp_path / name)
    with pytest.raises(PolicyError, match=f"{tmp_path}/{name}: "):
        Policy(tmp_path / "policy.npz")


@pytest.mark.parametrize("make", HOSTILE)
def test_a_part_of_a_folder_is_looked_at_too(tmp_path, make):
    (tmp_path / "meta").mkdir()
    (tmp_path / "data" / "chunk-000").mkdir(parents=True)
    (tmp_path / "meta" / "info.json").write_text("{}")
    make(tmp_path / "data" / "chunk-000" / "file-000.parquet")
    with pytest.raises(DatasetError, match=r"file-000\.parquet"):
        load(tmp_path)


def test_a_hole_in_a_log_that_is_not_too_large(tmp_path):
    path = tmp_path / "log.csv"
    path.touch()
    os.truncate(path, 10**10)
    with pytest.raises(DatasetError, match=r"the log claims 10\.0 GB but .* stores"):
        load(path)


def test_a_folder_of_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_FILES", 3)
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "info.json").write_text("{}")
    for i in range(3):
        (tmp_path / str(i)).touch()
    with pytest.raises(DatasetError, match="holds more than 3 files"):
        load(tmp_path)


# --- what logs claim --------------------------------------------------------------


def test_groups_within_groups_end(tmp_path):
    """HDF5 follows them all, and ends the process at some 10,000."""
    with h5py.File(tmp_path / "deep.hdf5", "w") as file:
        group = file
        for _ in range(12_000):
            group = group.create_group("g")
    with pytest.raises(DatasetError, match="16 groups deep"):
        load(tmp_path / "deep.hdf5")


def test_more_names_than_a_log_has(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_LINKS", 5)
    save_hdf5(tmp_path / "log.hdf5", columns())
    with pytest.raises(DatasetError, match="more than 5 names"):
        load(tmp_path / "log.hdf5")


def test_an_index_of_episodes_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    log = columns()
    datasets.write_minari(MINARI_ID, as_transition(log), log["timeouts"])
    path = tmp_path / MINARI_ID / "data" / "metadata.json"
    about = json.loads(path.read_text()) | {"total_episodes": 4 * 10**8}
    path.write_text(json.dumps(about))
    with pytest.raises(DatasetError, match="episodes, the metadata say 400000000"):
        load(f"minari:{MINARI_ID}")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DatasetError, match=r"metadata\.json: is a pipe"):
        load(f"minari:{MINARI_ID}")


@pytest.mark.parametrize("name", ["a" * 5000 + "-v0", "a/" * 2000 + "b-v0"])
def test_a_name_longer_than_any_file_system_takes(name):
    with pytest.raises(DatasetError, match="malformed id") as found:
        load(f"minari:{name}")
    assert len(str(found.value)) < 400


def test_a_chunk_that_claims_more_than_it_stores(tmp_path):
    writer = pytest.importorskip("mcap.writer")
    with open(tmp_path / "log.mcap", "wb") as file:
        out = writer.Writer(file, chunk_size=1 << 30)
        out.start()
        schema = out.register_schema("x", "jsonschema", b"{}")
        channel = out.register_channel("imu", "json", schema)
        text = b'{"x": 1, "y": "%s"}' % (b" " * (1 << 26))
        out.add_message(channel, log_time=0, data=text, publish_time=0)
        out.finish()
    with pytest.raises(DatasetError, match=r"a chunk claims 67\.1 MB but .* stores"):
        frames.read(tmp_path / "log.mcap")


@pytest.mark.parametrize("line", ["5,6", "10,20,30,40", '"ab","cd"', "1.5,-2.25"])
def test_a_text_is_read_in_a_few_times_its_size(tmp_path, line):
    """Texts for single cells took 50 times as much; the estimate is 12 times."""
    path = tmp_path / "log.csv"
    names = ",".join(f"c{i}" for i in range(line.count(",") + 1))
    path.write_text(f"{names}\n" + f"{line}\n" * 20_000)
    frames.read(path)  # the reader is imported when it is first needed
    tracemalloc.start()
    frame = frames.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(len(x) == 20_000 for x in frame.columns.values())
    assert peak < files.COPIES * 4 * path.stat().st_size


def test_a_column_that_turns_into_text_late_is_text_as_it_was_written(tmp_path):
    rows = ["007,1"] * 5000 + ["x,2"] + ["008,3"]
    (tmp_path / "log.csv").write_text("\n".join(["a,b", *rows]))
    frame = frames.read(tmp_path / "log.csv")
    assert frame.columns["a"][[0, 5000, 5001]].tolist() == ["007", "x", "008"]
    assert frame.columns["b"][-2:].tolist() == [2.0, 3.0]
    (tmp_path / "log.csv").write_text("a,b\n1,\0\n")
    with pytest.raises(DatasetError, match="a cell holds a zero byte"):
        frames.read(tmp_path / "log.csv")


# --- checksums --------------------------------------------------------------------


def test_a_log_of_another_hash_is_refused(tmp_path):
    path = save_hdf5(tmp_path / "log.hdf5", columns())
    sha256 = datasets.sha256(str(path))
    source = experiment_of("--task=hopper", f"--dataset={path}")
    flags = parsed(f"--dataset_sha256={'0' * 64}")
    with pytest.raises(DatasetError, match=f"its SHA-256 is {sha256}, not 0000"):
        data.read(str(path), source, flags.of(data.Reading))
    assert load(path).sha256 == sha256


def test_a_digest_beside_a_log_is_checked(tmp_path):
    log = columns()
    path = tmp_path / "log.hdf5"
    datasets.write_d4rl(path, as_transition(log), log["timeouts"])
    files.write_hash(path)
    line = f"{load(path).sha256}  log.hdf5\n"
    assert (tmp_path / "log.hdf5.sha256").read_text() == line
    datasets.write_d4rl(path, as_transition(columns(seed=1)), log["timeouts"])
    with pytest.raises(DatasetError, match=r"as log\.hdf5\.sha256 has it; copy"):
        load(path)


def test_no_bit_of_what_a_log_says_of_itself_flips_unseen(tmp_path):
    """The layout that we write has checksums in its headers, too."""
    log, path = columns(), tmp_path / "log.hdf5"
    datasets.write_d4rl(
        path, as_transition(log), log["timeouts"], {"pairing": "official"}
    )
    sound = path.read_bytes()
    begin = sound.index(b"official")
    for place in range(begin, begin + 8):
        for bit in range(8):
            damaged = bytearray(sound)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(DatasetError):
                load(path)
