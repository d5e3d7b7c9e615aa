import json
import os
import signal

import numpy as np
import pytest

from experiments import compare, run, run_folder
from experiments.run_folder import checkpoints, saving
from h2o_jax import learning
from h2o_jax.errors import (
    ConfigError,
    StoppedError,
)
from h2o_jax.sim import rollout
from tests.commands import TINY, call, write_log

pytestmark = pytest.mark.usefixtures("fast_compile")
H2O = (*TINY, "--discriminate_rows=0:16", "--gap=gravity:2", "--seed=0..2")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("log") / "log.hdf5")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, log):
    """One run of four epochs and what it printed."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        call(
            run.main,
            patch,
            *H2O,
            f"--dataset={log}",
            "--epochs=4",
            f"--run_dir={folder / 'whole'}",
            f"--results_dir={folder / 'results'}",
        )
    return folder


def same_bits(wanted, found):
    for name, array in wanted.items():
        np.testing.assert_array_equal(array, found[name], err_msg=name)


def test_a_run_leaves_everything_it_promises(finished):
    folder = finished / "whole"
    names = {p.name for p in folder.iterdir()}
    assert {
        "flags.flags",
        "versions.json",
        "metrics.jsonl",
        "curve.png",
        "checkpoint",
    } <= names
    lines = run_folder.metrics(folder)
    assert [line["epoch"] for line in lines] == sorted([0, 1, 2, 3, 4] * 3)
    assert all(np.isfinite(line["return"]) for line in lines)
    assert {line["seed"] for line in lines} == {0, 1, 2}
    assert json.loads((folder / "versions.json").read_text())["jax"]
    assert (folder / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_a_result_file_per_cell(finished):
    cells = sorted((finished / "results" / "hopper" / "gravity:2").rglob("*.json"))
    assert [c.name[:9] for c in cells] == [f"seed{i}-240" for i in range(3)]
    cell = json.loads(cells[1].read_text())
    own = [x for x in run_folder.metrics(finished / "whole") if x["seed"] == 1]
    assert cell["final"] == own[-1]["return"]
    assert cell["last_ten"] == pytest.approx(np.mean([x["return"] for x in own[1:]]))


@pytest.mark.fault
def test_fewer_epochs_than_done_is_refused(finished, monkeypatch):
    results = f"--results_dir={finished / 'results'}"
    with pytest.raises(ConfigError, match="--epochs=2: the run is at epoch 4"):
        call(
            run.main,
            monkeypatch,
            f"--resume={finished / 'whole'}",
            "--epochs=2",
            results,
        )


@pytest.mark.fault
def test_lines_after_the_checkpoint_are_written_again(log, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    arguments = (*H2O, f"--dataset={log}", "--epochs=4", "--evaluate_every=3")

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "_conclude", stop)
        real = run.saving.save
        patch.setattr(
            run.saving,
            "save",
            lambda *a: real(*a) if a[1].state.epoch < 3 else stop(),
        )
        with pytest.raises(KeyboardInterrupt):
            call(run.main, patch, *arguments, f"--run_dir={folder}")
    assert max(x["epoch"] for x in run_folder.metrics(folder)) == 3
    call(run.main, monkeypatch, f"--resume={folder}")
    epochs = [x["epoch"] for x in run_folder.metrics(folder)]
    assert epochs == sorted([0, 1, 2, 3, 4] * 3)


def test_compare_reads_what_run_stores(finished, monkeypatch, capsys):
    call(
        compare.main,
        monkeypatch,
        "--task=hopper",
        "--gap=gravity",
        f"--results_dir={finished / 'results'}",
        f"--out={finished / 'figure.png'}",
    )
    printed = capsys.readouterr().out
    assert "| h2o_plus | 240 | 3 |" in printed
    assert (finished / "figure.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ConfigError, match=r"nothing for --task=hopper .*--preset=mine"):
        call(
            compare.main,
            monkeypatch,
            "--task=hopper",
            "--gap=gravity",
            "--preset=mine",
            f"--results_dir={finished / 'results'}",
        )
    with pytest.raises(ConfigError, match="nothing for --task=walker2d"):
        call(
            compare.main,
            monkeypatch,
            "--task=walker2d",
            f"--results_dir={finished / 'results'}",
        )


@pytest.mark.fault
def test_resume_continues_bit_for_bit(finished, log, tmp_path, monkeypatch):
    half = tmp_path / "half"
    arguments = (*H2O, f"--dataset={log}", "--epochs=2", f"--run_dir={half}")
    call(run.main, monkeypatch, *arguments)
    call(run.main, monkeypatch, f"--resume={half}", "--epochs=4")
    whole = checkpoints.read(finished / "whole" / "checkpoint")
    resumed = checkpoints.read(half / "checkpoint")
    assert resumed.info["epoch"] == whole.info["epoch"] == 4
    assert resumed.arrays.keys() == whole.arrays.keys()
    same_bits(whole.arrays, resumed.arrays)

    def timeless(folder):
        return [{**x, "seconds": 0} for x in run_folder.metrics(folder)]

    assert timeless(half) == timeless(finished / "whole")


@pytest.mark.fault
def test_what_was_killed_before_its_first_rows_goes_on(
    finished, log, tmp_path, monkeypatch
):
    folder = tmp_path / "run"

    def killed(*rest):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(rollout, "collect", killed)
        arguments = (*H2O, f"--dataset={log}", "--epochs=4", f"--run_dir={folder}")
        with pytest.raises(RuntimeError):
            call(run.main, patch, *arguments)
    assert checkpoints.read(folder / "checkpoint").info["epoch"] == 0
    call(run.main, monkeypatch, f"--resume={folder}")
    whole = checkpoints.read(finished / "whole" / "checkpoint").arrays
    resumed = checkpoints.read(folder / "checkpoint").arrays
    same_bits(whole, resumed)


@pytest.mark.fault
def test_what_was_killed_before_its_first_checkpoint_begins_again(
    finished, log, tmp_path, monkeypatch
):
    folder = tmp_path / "run"

    def killed(*rest):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(saving, "save", killed)
        arguments = (*H2O, f"--dataset={log}", "--epochs=4", f"--run_dir={folder}")
        with pytest.raises(RuntimeError):
            call(run.main, patch, *arguments)
    assert len(run_folder.metrics(folder)) == 3  # epoch 0 was written
    call(run.main, monkeypatch, f"--resume={folder}")
    whole = checkpoints.read(finished / "whole" / "checkpoint").arrays
    same_bits(whole, checkpoints.read(folder / "checkpoint").arrays)
    assert len(run_folder.metrics(folder)) == 15


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "code", "phase"),
    [
        ("SIGTERM", 75, (rollout, "collect")),
        ("SIGINT", 130, (learning.Learn, "__call__")),
    ],
)
def test_a_signal_inside_an_epoch_saves_the_one_before(
    finished, log, tmp_path, monkeypatch, name, code, phase
):
    folder = tmp_path / "run"
    arguments = (*H2O, f"--dataset={log}", "--epochs=4", "--evaluate_every=3")
    with monkeypatch.context() as patch:
        real = getattr(*phase)

        def interrupted(*rest):
            if len(run_folder.metrics(folder)) == 6:  # epochs 0 and 1 are written
                os.kill(os.getpid(), signal.Signals[name])
            return real(*rest)

        patch.setattr(*phase, interrupted)
        with pytest.raises(StoppedError, match=r"after epoch 1.*--resume=") as stopped:
            call(run.main, patch, *arguments, f"--run_dir={folder}")
    assert stopped.value.exit_code == code
    assert max(line["epoch"] for line in run_folder.metrics(folder)) == 1
    call(run.main, monkeypatch, f"--resume={folder}")
    whole = checkpoints.read(finished / "whole" / "checkpoint").arrays
    resumed = checkpoints.read(folder / "checkpoint").arrays
    kept = ("params", "opt_state", "replay", "sim")
    same_bits({k: x for k, x in whole.items() if any(y in k for y in kept)}, resumed)


@pytest.mark.fault
def test_a_folder_in_use_is_refused(finished, log, monkeypatch):
    arguments = (*H2O, f"--dataset={log}", f"--run_dir={finished / 'whole'}")
    with pytest.raises(ConfigError, match=r"not an empty folder.*--resume="):
        call(run.main, monkeypatch, *arguments)
    record = run_folder.RunFolder(finished / "whole")
    with pytest.raises(ConfigError, match="another process"):
        run_folder.RunFolder(finished / "whole")
    record.close()
