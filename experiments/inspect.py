"""What is in a robot's log, and what is wrong with it?

`python -m experiments.inspect LOG` lists the columns of a file of any kind, drafts a
columns file that says what they mean (--out=columns.toml writes it, for --columns=@FILE
of the other commands), and warns of what is wrong with the log: jumps in time, stuck
sensors, clipped actions, duplicates.
"""

import dataclasses
import pathlib

import numpy as np

from experiments import groups, places
from experiments.cli import console
from experiments.cli.flags import Flags
from experiments.drafting import draft
from h2o_jax.data import columns_file, doctor, frames, recorded, writing
from h2o_jax.data.frames import Frame
from h2o_jax.errors import ConfigError
from h2o_jax.settings import FILE, PLACE, setting

MOST = 60
"""Columns that are listed at most."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspecting:
    """What is looked at."""

    log: str = setting(
        "",
        "A CSV, Parquet, npz, HDF5, MCAP or .db3 file, a LeRobot or ROS 2 bag folder; "
        "also given without the flag.",
        tags=[PLACE],
    )
    columns: str = setting(
        "", "@FILE: a columns file; empty: draft one from the names.", tags=[PLACE]
    )
    out: str = setting(
        "", "New file for the draft; empty: print it.", tags=[PLACE, FILE]
    )


SETTINGS = (Inspecting,)
HIDDEN = groups.JOBS
"""Flags of a run, whose flagfile serves here, too."""


def main(flags: Flags) -> None:
    """The command."""
    choice = flags.of(Inspecting)
    if not choice.log:
        raise ConfigError("--log: empty; give the file to look at")
    if choice.columns and not choice.columns.startswith("@"):
        raise ConfigError(f"--columns={choice.columns}: give @FILE, a columns file")
    if choice.columns and choice.out:
        raise ConfigError(
            f"--out={choice.out}: nothing is drafted where --columns names a file; "
            "drop one of them"
        )
    path, out = pathlib.Path(choice.log), pathlib.Path(choice.out)
    if choice.out and out.exists():  # somebody may have edited it
        raise ConfigError(f"--out={out}: exists; give another --out, or remove it")
    if choice.columns:
        print(judged(path, choice.columns[1:]))
        return
    frame = frames.read(path)
    print(listed(choice.log, frame))
    text = draft(frame, path.name)
    if not choice.out:
        print("\n" + text)
        return
    with places.writing("out", out):
        writing.write_text(out, text)
    print(f"wrote    {out}")
    # A draft may lack what only a person knows; where it does not, the log is judged.
    try:
        print(judged(path, choice.out))
    except ConfigError as error:
        print(f"next     {error}")


def listed(name: str, frame: Frame) -> str:
    """The columns of a log with their ranges."""
    columns = frame.columns
    rows = len(next(iter(columns.values()), ()))
    lines = [f"{name}: {rows:,} rows, {len(columns)} columns"]
    width = max(map(len, list(columns)[:MOST]), default=0)
    for column, values in list(columns.items())[:MOST]:
        unit = f" {frame.units[column]}" if column in frame.units else ""
        lines.append(f"  {column:{width}s}  {_about(values)}{unit}")
    if len(columns) > MOST:
        lines.append(f"  and {len(columns) - MOST} more")
    return "\n".join([*lines, *(f"  note  {note}" for note in frame.notes)])


def _about(values: np.ndarray) -> str:
    if values.dtype.kind in "biuf" and len(values):
        finite = values[np.isfinite(values)].astype(float)
        if not len(finite):
            return "no number is finite"
        return f"{finite.min():.6g} to {finite.max():.6g}"
    if values.dtype.kind == "M":
        return "dates"
    return f"text, such as {str(values[0])[:30]!r}" if len(values) else "empty"


def judged(path: pathlib.Path, name: str) -> str:
    """What the doctor says of a log with a columns file."""
    file = columns_file.read(name)
    log = recorded.rows(path, file)
    actions = log.actions.astype(float)  # a gripper's may be truth values
    found = doctor.findings(
        log.observations.astype(float),
        actions,
        [x.name for x in file.observations],
        [x.name for x in file.actions],
        log.seconds,
        log.ends,
    )
    found += doctor.beyond(actions, file.actions)
    found += doctor.unused(actions, file.actions)
    against = recorded.contradiction(log, file)
    found += [against] if against else []
    # A terminal flag that stays, as a robot lies there, ends its episode once.
    lies = np.append(False, (log.ends & ~log.cuts)[:-1])
    episodes = np.sum(log.ends & ~lies)
    lines = [f"{path}: {len(log.ends):,} rows, {episodes:,} episodes"]
    if step := recorded.period(log):
        lines.append(f"rate     {1 / step:.4g} rows per second")
    lines += [f"warning  {text}" for text in found] or ["nothing is wrong with it"]
    return "\n".join(lines)


if __name__ == "__main__":
    console.command(main, __doc__ or "", SETTINGS, HIDDEN, argument="log")
