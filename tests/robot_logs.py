"""One robot's log in many formats, each written by that format's own library."""

import json

import h5py
import numpy as np

from h2o_jax.data import datasets
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.data.signals import Signal

N, RATE = 60, 50.0
ENDS = (19, 39, 59)
"""Last rows of three episodes."""


def rows(seed=0):
    """Pitch, pitch rate and torque `[N]`, times, episodes, rewards and falls."""
    rng = np.random.default_rng(seed)
    return {
        "stamp": np.arange(N) / RATE,
        "pitch": rng.normal(size=N),
        "rate": rng.normal(size=N),
        "torque": rng.uniform(-3, 3, N),
        "episode": np.arange(N) // 20,
        "reward": rng.normal(size=N),
        "fell": (np.arange(N) == 39).astype(int),
    }


def columns_file(**changes):
    """What the columns of `rows` mean."""
    known = {
        "observations": (Signal("pitch", "rad"), Signal("rate", "rad/s")),
        "actions": (Signal("torque", "N m", -3.0, 3.0),),
        "rate": RATE,
        "time": "stamp",
        "episode": "episode",
        "reward": "reward",
        "terminal": "fell",
        "path": "columns.toml",
    }
    return ColumnsFile(**known | changes)


def load(path, file, **options):
    """The dataset of such a log."""
    sizes = {"obs_dim": 2, "action_dim": 1}
    return datasets.load(str(path), columns=file, **sizes, **options)


def write_csv(path, log, delimiter=",", header=None):
    header = header or list(log)
    lines = [delimiter.join(header)]
    lines += [
        delimiter.join(x if isinstance(x, str) else repr(x) for x in row)
        for row in zip(*(np.asarray(x).tolist() for x in log.values()), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_parquet(path, log):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(dict(log)), path)
    return path


def write_npz(path, log):
    np.savez(path, **log)
    return path


def write_hdf5(path, log):
    with h5py.File(path, "w") as file:
        for name, values in log.items():
            file[name] = values
        file["calibration"] = np.zeros(3)
    return path


def write_lerobot(folder, log, version="v3.0"):
    """The layout of LeRobot's datasets, two files of frames."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    state = np.stack([log["pitch"], log["rate"]], axis=1).astype(np.float32)
    table = pa.table(
        {
            "observation.state": pa.FixedSizeListArray.from_arrays(
                pa.array(state.ravel()), 2
            ),
            "action": pa.FixedSizeListArray.from_arrays(
                pa.array(log["torque"].astype(np.float32)), 1
            ),
            "timestamp": np.tile(np.arange(20) / RATE, 3).astype(np.float32),
            "episode_index": log["episode"],
            "index": np.arange(N),
            "next.reward": log["reward"].astype(np.float32),
            "next.done": log["fell"] == 1,
        }
    )
    data = folder / "data" / "chunk-000"
    data.mkdir(parents=True)
    pq.write_table(table.slice(40), data / "file-001.parquet")
    pq.write_table(table.slice(0, 40), data / "file-000.parquet")
    (folder / "meta").mkdir()
    names = {"observation.state": {"names": ["pitch", "rate"]}}
    info = {"codebase_version": version, "total_frames": N, "features": names}
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    return folder


IMU = "float64 pitch\nfloat64 rate\n"
COMMAND = "string[] name\nfloat64[] effort\n"


def write_mcap(path, log, imu=N):
    """IMU and commands as ROS 2 messages, a command 2 ms before the IMU's.

    Only the first `imu` rows have one of the IMU's.
    """
    from mcap_ros2.writer import Writer

    with open(path, "wb") as file:
        writer = Writer(file)
        kind = writer.register_msgdef("demo_msgs/msg/Imu", IMU)
        command = writer.register_msgdef("demo_msgs/msg/Command", COMMAND)
        for i, stamp in enumerate(log["stamp"]):
            now = int(1_700_000_000_000_000_000 + stamp * 1e9)
            writer.write_message(
                "/command",
                command,
                {"name": ["wheel"], "effort": [log["torque"][i]]},
                now - 2_000_000,
            )
            message = {"pitch": log["pitch"][i], "rate": log["rate"][i]}
            if i < imu:
                writer.write_message("/imu", kind, message, now)
        writer.finish()
    return path


def write_json_mcap(path, log):
    """The same IMU as JSON, which MCAP holds without any schema of ROS."""
    names = "pitch", "rate", "torque"
    messages = [{k: float(log[k][i]) for k in names} for i in range(len(log["stamp"]))]
    return write_messages(path, "/imu", log["stamp"], messages)


def write_messages(path, topic, stamps, messages):
    """Messages of one topic as JSON."""
    from mcap.writer import Writer

    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start()
        schema = writer.register_schema("any", "jsonschema", b"{}")
        channel = writer.register_channel(topic, "json", schema)
        for stamp, content in zip(stamps, messages, strict=True):
            now = int(stamp * 1e9)
            writer.add_message(channel, now, json.dumps(content).encode(), now)
        writer.finish()
    return path


def write_bag(folder, log, storage):
    """A ROS 2 bag by rosbags' writer: joint states whose effort is the command."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    kind = "sensor_msgs/msg/JointState"
    joint, time = (store.types[x] for x in (kind, "builtin_interfaces/msg/Time"))
    header = store.types["std_msgs/msg/Header"]
    plugin = getattr(StoragePlugin, storage)
    with Writer(folder, version=9, storage_plugin=plugin) as writer:
        connection = writer.add_connection("/joints", kind, typestore=store)
        for i, stamp in enumerate(log["stamp"]):
            message = joint(
                header=header(stamp=time(sec=i, nanosec=0), frame_id=""),
                name=["body"],
                position=np.array([log["pitch"][i]]),
                velocity=np.array([log["rate"][i]]),
                effort=np.array([log["torque"][i]]),
            )
            data = store.serialize_cdr(message, kind)
            writer.write(connection, int(1e18 + stamp * 1e9), data)
    return folder
