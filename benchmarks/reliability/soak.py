"""Trains, evaluates and saves for a long time in one process: does it grow?"""

import gc
import os
import pathlib
import tempfile
import time

import numpy as np

from benchmarks.reliability.score import Score
from experiments import build, loop
from experiments.experiment import Experiment
from experiments.run_folder import RunFolder, saving
from experiments.runs import Run
from h2o_jax.sim import gaps

_GROWTH = 1.0
"""Megabytes an hour that count as none."""
_SAMPLES = 10
"""That a slope needs."""


def soaked(minutes: int, seed: int) -> Score:
    """Epochs with an evaluation and a save each, for so many minutes.

    The slopes are of the second half: caches fill in the first.
    """
    experiment = Experiment(
        task="hopper",
        algorithm="sac",
        hidden=(8, 8),
        learn_rows=(0, 8),
        steps=60,
        updates=5,
        replay_rows=600,
        epochs=1_000_000,
        evaluate_every=1,
        episodes=1,
        runs=(Run(seed, gaps.parse("gravity:2")),),
    )
    samples: list[tuple[float, float, int]] = []
    until = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place) / "run"
        training = build.training(experiment, threads=1)
        record = RunFolder(folder)
        record.begin("", {})
        for report in loop.train(training):
            saving.save(folder, training)
            if report.epoch % 10 == 0:
                gc.collect()
                samples.append((time.monotonic(), *_used()))
            if time.monotonic() > until:
                break
        record.close()
    facts: dict[str, float] = {"minutes": minutes, "saves": report.epoch}
    late = np.array(samples[len(samples) // 2 :])
    if len(late) < _SAMPLES:
        failure = f"{len(late)} samples, a slope needs {_SAMPLES}; soak for longer"
        return Score(1, (failure,), facts)
    hours = late[:, 0] / 3600
    growth, files = (float(np.polyfit(hours, late[:, i], 1)[0]) for i in (1, 2))
    found = {"memory, MB/h": (growth, _GROWTH), "open files /h": (files, 0.5)}
    failures = [
        f"{name}: {x:.2f}" for name, (x, most) in found.items() if not x <= most
    ]
    facts |= {name: round(x, 2) for name, (x, _) in found.items()}
    return Score(len(found), tuple(failures), facts)


def _used() -> tuple[float, int]:
    """Megabytes in memory and open files of this process, as Linux tells them."""
    own = pathlib.Path("/proc/self")
    pages = int((own / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list((own / "fd").iterdir()))
