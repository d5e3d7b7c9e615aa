"""Valid inputs of every kind, and damage to them."""

import importlib
import io
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

from benchmarks.reliability import words
from benchmarks.reliability.damage import EXTREMES, Damage, damaged
from experiments import run_folder
from experiments.exporting import contract, forms
from experiments.run_folder import checkpoints
from h2o_jax.data.columns_file import ColumnsFile
from h2o_jax.data.signals import Signal

OBS, ACTIONS, ROWS, RATE = 3, 2, 40, 50.0
_COLUMNS = """rate = 50.0
time = "stamp"
reward = "task"
terminal = "none"
latency = 0.02

[[observations]]
column = "pitch"
unit = "rad"

[[actions]]
column = "torque_0..torque_1"
unit = "N m"
low = -3.0
high = 3.0
"""
_SIMULATOR = """gap = "gravity:2"

[fields]
gravity = { value = 1.5, low = 1.4, high = 1.6 }
friction = 0.5
latency = 2

[provenance]
log = "log.hdf5"
"""
_FLAGFILE = "--task=hopper\n--gap=gravity:2\n--critic_lr=1e-3\n--seed=0..3\n"
_GAPS = "gravity:2,friction:0.3+gravity:1.5,none,joint_noise:0.05"
_MODEL = """<mujoco model="arm">
  <option timestep="0.005" gravity="0 0 -9.81"/>
  <worldbody>
    <body name="upper">
      <joint name="shoulder" type="hinge" axis="0 1 0" damping="0.5"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02" mass="0.5"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="lift" joint="shoulder" ctrllimited="true" ctrlrange="-1 3"/>
  </actuator>
</mujoco>
"""
SAVED = {"['weights']": np.arange(12, dtype=np.float32).reshape(3, 4)}
INFO = {"epoch": 3}
"""Arrays and facts of the checkpoint."""
Make = Callable[[np.random.Generator], Any]


def maker(kind: str, folder: pathlib.Path, damage: Damage = damaged) -> Make:
    """`rng -> input` of a kind: a valid one, then damaged; its file is in `folder`."""
    if kind == "flags":
        return words.damaged
    if kind == "gaps":
        return lambda rng: damage(_GAPS.encode(), rng).decode("utf-8", "ignore")
    if kind == "policy":
        return _policies(folder / "policy.npz", damage)
    if kind == "checkpoint":
        return _checkpoints(folder / "checkpoint", damage)
    if kind == "arrays":
        return _arrays(folder / "log.npz")
    valid, suffix = _VALID[kind]
    path, content = folder / f"{kind}{suffix}", valid()

    def make(rng: np.random.Generator) -> str:
        path.write_bytes(damage(content, rng))
        return str(path)

    return make


def _policies(path: pathlib.Path, damage: Damage) -> Make:
    """An exported policy, with damage to it or to its contract."""
    forms.write_npz(path, FUNCTION, {})
    beside = contract.write(path, {"format": 1, "observations": [], "actions": []}, {})
    valid = {file: file.read_bytes() for file in (path, beside)}

    def make(rng: np.random.Generator) -> str:
        for file, content in valid.items():
            file.write_bytes(content)
        file = (path, beside)[rng.integers(2)]
        file.write_bytes(damage(valid[file], rng))
        return str(path)

    return make


def _checkpoints(folder: pathlib.Path, damage: Damage) -> Make:
    """A checkpoint with damage to its record; to the rest, see `bits`."""
    checkpoints.save(folder, {run_folder.STATE: SAVED}, INFO)
    (record,) = folder.glob("*/record/metadata")
    valid = record.read_bytes()

    def make(rng: np.random.Generator) -> str:
        record.write_bytes(damage(valid, rng))
        return str(folder)

    return make


def _arrays(path: pathlib.Path) -> Make:
    """A log whose file is whole, and whose columns are not."""
    odd = [float(x) for x in EXTREMES]

    def make(rng: np.random.Generator) -> str:
        log: dict[str, Any] = _log()
        name = str(rng.choice(list(log)))
        column = log[name]
        changes: tuple[Callable[[], Any], ...] = (
            lambda: np.where(rng.random(column.shape) < 0.02, rng.choice(odd), column),
            lambda: column * rng.choice(odd),
            lambda: column[: rng.integers(ROWS)],
            lambda: column[..., None],
            lambda: column.T,
            lambda: column.astype(str),
            lambda: column.astype(complex),
            lambda: np.roll(column, rng.integers(1, ROWS), axis=0),
            lambda: np.array(column.tolist(), object),
        )
        with np.errstate(all="ignore"):
            log[name] = changes[rng.integers(len(changes))]()
        np.savez(path, **log)
        return str(path)

    return make


def _function() -> forms.Function:
    rng = np.random.default_rng(0)
    layers = tuple(
        (rng.normal(size=shape).astype(np.float32), np.zeros(shape[1], np.float32))
        for shape in ((OBS, 8), (8, ACTIONS))
    )
    ones = np.ones(OBS, np.float32)
    return forms.Function(
        -9 * ones,
        9 * ones,
        0.1 * ones,
        ones,
        layers,
        *np.ones((2, ACTIONS), np.float32),
    )


FUNCTION = _function()
"""The policy that is exported."""
ACTION = FUNCTION.act(np.zeros((1, OBS)))[0]
"""What it does where all observations are 0."""


def _log() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(ROWS + 1, OBS)).astype(np.float32)
    ends = np.arange(1, ROWS + 1) % 20 == 0
    return {
        "observations": states[:-1],
        "actions": rng.uniform(-1, 1, (ROWS, ACTIONS)).astype(np.float32),
        "rewards": rng.normal(size=ROWS).astype(np.float32),
        "next_observations": states[1:],
        "terminals": np.zeros(ROWS, bool),
        "timeouts": ends,
    }


def _hdf5() -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for name, column in _log().items():
            file[name] = column
    return memory.getvalue()


def _npz() -> bytes:
    memory = io.BytesIO()
    arrays: dict[str, Any] = _log()
    np.savez(memory, **arrays)
    return memory.getvalue()


def _flat() -> dict[str, np.ndarray]:
    """The log with a column for every number."""
    columns: dict[str, np.ndarray] = {}
    for name, column in _log().items():
        parts = column.astype(float).reshape(ROWS, -1).T
        many = len(parts) > 1
        columns |= {f"{name}_{i}" if many else name: x for i, x in enumerate(parts)}
    return columns


def _csv() -> bytes:
    columns = {name: x.tolist() for name, x in _flat().items()}
    rows = [", ".join(columns)]
    rows += [", ".join(map(repr, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join(rows).encode()


def _parquet() -> bytes:
    arrow = importlib.import_module("pyarrow")
    memory = io.BytesIO()
    table = arrow.table(_flat())
    importlib.import_module("pyarrow.parquet").write_table(table, memory)
    return memory.getvalue()


def _mcap() -> bytes:
    memory = io.BytesIO()
    writer = importlib.import_module("mcap.writer").Writer(memory)
    writer.start()
    schema = writer.register_schema("log", "jsonschema", b"{}")
    channel = writer.register_channel(f"/{TOPIC}", "json", schema)
    for i in range(ROWS):
        row = json.dumps({name: x[i] for name, x in _flat().items()})
        now = round(1e9 * i / RATE)
        writer.add_message(channel, now, row.encode(), now)
    writer.finish()
    return memory.getvalue()


TOPIC = "log"
"""Of the MCAP file."""


def columns(prefix: str = "") -> ColumnsFile:
    """What the columns of the Parquet and MCAP files mean."""
    seen = [Signal(f"{prefix}observations_{i}") for i in range(OBS)]
    done = [Signal(f"{prefix}actions_{i}", "", -1.0, 1.0) for i in range(ACTIONS)]
    return ColumnsFile(
        tuple(seen),
        tuple(done),
        rate=RATE,
        reward=f"{prefix}rewards",
        terminal=f"{prefix}terminals",
    )


_VALID: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "hdf5": (_hdf5, ".hdf5"),
    "npz": (_npz, ".npz"),
    "csv": (_csv, ".csv"),
    "parquet": (_parquet, ".parquet"),
    "mcap": (_mcap, ".mcap"),
    "columns": (_COLUMNS.encode, ".toml"),
    "simulator": (_SIMULATOR.encode, ".toml"),
    "model": (_MODEL.encode, ".xml"),
    "flagfile": (_FLAGFILE.encode, ".flags"),
}
"""Kind -> makes a valid file of it, and how its name ends."""
