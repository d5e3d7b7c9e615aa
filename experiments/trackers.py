"""Metrics of a run where a tracker shows them; metrics.jsonl remains the truth.

A sink is anything with `write` and `close`. Each run of a grid is a run of its own
there, named by what sets it apart.
"""

import contextlib
import contextvars
import importlib
import io
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from experiments.run_folder import Line
from h2o_jax.errors import ConfigError

NONE, TENSORBOARD, WANDB, TRACKIO = "none", "tensorboard", "wandb", "trackio"
_ABOUT = ("label", "seed", "epoch", "steps", "lost")
"""Entries of a line that are no metrics."""


class Sink(Protocol):
    """Takes the metrics of one run."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """The metrics after so many simulator steps."""

    def close(self) -> None:
        """Nothing more will come."""


class TensorBoard:
    """Event files, for `tensorboard --logdir`."""

    def __init__(self, folder: pathlib.Path, name: str):
        """Begins the files of one run."""
        board = _needed("tensorboardX", TENSORBOARD)
        self._writer = board.SummaryWriter(str(folder / TENSORBOARD / name))

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Sink`."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """See `Sink`."""
        self._writer.close()


class WandB:
    """Weights & Biases; WANDB_MODE=offline keeps all in the run folder."""

    def __init__(self, folder: pathlib.Path, name: str):
        """Begins one run."""
        wandb = _needed("wandb", WANDB)
        self._run = wandb.init(
            project="h2o_jax",
            group=folder.name,
            name=name,
            dir=str(folder),
            reinit="create_new",
        )

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Sink`."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """See `Sink`."""
        self._run.finish()


class Trackio:
    """Trackio, which keeps all runs in one folder of its own, TRACKIO_DIR."""

    def __init__(self, folder: pathlib.Path, name: str):
        """Begins one run."""
        trackio = _needed("trackio", TRACKIO)
        # In a context of its own, as a run ends the one that began before in its own.
        begin = contextvars.Context().run
        with _quiet():
            self._run = begin(
                trackio.init,
                project="h2o_jax",
                group=folder.name,
                name=f"{folder.name} {name}",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Sink`."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """See `Sink`."""
        with _quiet():
            self._run.finish()


_SINKS = {TENSORBOARD: TensorBoard, WANDB: WandB, TRACKIO: Trackio}


class Tracker:
    """The sinks of all runs of a folder; none where none is wanted."""

    def __init__(
        self, kind: str, folder: pathlib.Path, runs: Iterable[tuple[str, int]]
    ):
        """Opens a sink for each run.

        Args:
            kind: `none`, or a name of `_SINKS`.
            folder: of the runs.
            runs: their labels and seeds.

        Raises:
            ConfigError: the tracker is not installed.
        """
        self._sinks: dict[tuple[str, int], Sink] = {}
        if kind != NONE:
            make: Any = _SINKS[kind]
            self._sinks = {
                (label, seed): make(folder, f"{label} seed {seed}".replace("/", "-"))
                for label, seed in runs
            }

    def write(self, lines: Iterable[Line]) -> None:
        """Passes lines of metrics.jsonl on, until a tracker fails: that is told."""
        for line in lines:
            if not self._sinks:
                return
            values = {k: v for k, v in line.items() if k not in _ABOUT}
            times = values.pop("seconds", {})
            values |= {f"seconds/{phase}": x for phase, x in times.items()}
            with self._survived():
                self._sinks[line["label"], line["seed"]].write(line["steps"], values)

    def close(self) -> None:
        """Closes every sink."""
        for sink in self._sinks.values():
            with self._survived():
                sink.close()

    @contextlib.contextmanager
    def _survived(self) -> Iterator[None]:
        """Goes on without the tracker where it raises, whatever it is."""
        try:
            yield
        except Exception as error:
            self._sinks = {}
            what = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"warning   the tracker is left, it failed ({what})")


def _quiet() -> contextlib.AbstractContextManager[object]:
    """Drops what a library prints of each run, and then of the next."""
    return contextlib.redirect_stdout(io.StringIO())


def _needed(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        finding = f"--tracker={extra}: {name} is not installed"
        raise ConfigError(f"{finding}; pip install 'h2o_jax[{extra}]'") from None
