import os
import signal

import numpy as np
import pytest

from experiments import collect, collecting, collector
from experiments.cli import parsing
from experiments.collecting import Collecting
from experiments.data import Reading
from h2o_jax.data import datasets, hdf5
from h2o_jax.errors import StoppedError
from h2o_jax.sim import rollout
from tests.commands import TINY, call, parsed

pytestmark = pytest.mark.usefixtures("fast_compile")
SAC = (*TINY, "--collect_hidden=8,8", "--collect_batch=8")
SMALL = (*SAC, "--collect_epochs=5", "--collect_return=1e6")


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collecting, "_BLOCK", 60)
        yield


def ensure(*arguments):
    flags = parsed(*arguments)
    experiment, pairing = parsing.experiment(flags), flags.of(Reading).pairing
    return collecting.ensure(experiment, pairing, flags.of(Collecting))


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    return ensure(*SMALL, f"--cache_dir={tmp_path_factory.mktemp('cache')}")


def load(path):
    return datasets.load(str(path), obs_dim=11, action_dim=3)


def test_replay_holds_every_step_and_is_cached(replay, monkeypatch):
    data = load(replay)
    assert len(data.transition.r_t) == 5 * 60
    monkeypatch.setattr(collector, "collect", pytest.fail)
    assert ensure(*SMALL, f"--cache_dir={replay.parent}") == replay
    names = sorted(p.name for p in replay.parent.iterdir())
    assert names == [replay.name, f"{replay.name}.sha256"]


def test_a_thin_replay_has_whole_episodes_spread_over_all():
    """Episodes of 2, 3, 1, 4 and 2 rows: three of five are 7 rows, four are more."""
    ends = np.zeros(12, bool)
    ends[[1, 4, 5, 9, 11]] = True
    assert collector.spread(ends, 12).tolist() == list(range(12))
    # First, middle and last: 2 + 1 + 2 rows.
    assert collector.spread(ends, 7).tolist() == [0, 1, 5, 10, 11]
    assert collector.spread(ends, 1).tolist() == [0, 1]


def test_other_settings_have_another_file(replay):
    def key(*arguments):
        flags = parsed(*SMALL, *arguments)
        return collecting.place(parsing.experiment(flags), None, flags.of(Collecting))

    others = (
        "--collect_lr=1e-3",
        "--collect_rows=9",
        "--collect_seed=1",
        "--collect_hidden=9,9",
        "--real=gravity",
    )
    assert len({key(), *map(key, others)}) == 6
    # What the learner is told does not change its data.
    assert key() == key("--epochs=7", "--seed=3", "--gap=none", "--hidden=9,9")


@pytest.mark.fault
def test_a_stopped_collection_goes_on(replay, tmp_path, monkeypatch):
    arguments = (*SMALL, "--collect_epochs=10", f"--cache_dir={tmp_path / 'a'}")
    whole = load(ensure(*arguments))
    arguments = (*SMALL, "--collect_epochs=10", f"--cache_dir={tmp_path / 'b'}")
    stopped = pytest.raises(StoppedError, match="the same command goes on collecting")
    with monkeypatch.context() as patch, stopped:
        step, epochs = rollout.collect, []

        def collect_and_stop(*rest):
            epochs.append(1)
            if len(epochs) == 7:  # not one that ends with an evaluation
                os.kill(os.getpid(), signal.SIGTERM)
            return step(*rest)

        patch.setattr(rollout, "collect", collect_and_stop)
        ensure(*arguments)
    again = load(ensure(*arguments))
    for x, y in zip(whole.transition, again.transition, strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_target_ends_it_early_and_rollouts_stay_apart(tmp_path):
    path = ensure(
        *SAC,
        "--collect_return=-1e6",
        f"--cache_dir={tmp_path}",
        "--collect_kind=medium",
        "--collect_rows=200",
    )
    rows = load(path).transition
    assert len(rows.r_t) == 200
    cut = hdf5.read(path, None)["timeouts"].astype(bool)
    # Ten robots' records follow each other; each one's last row is cut or terminal.
    ends = np.arange(19, 200, 20)
    assert np.all(cut[ends] | (rows.discount_t[ends] == 0))
    joined = np.all(rows.s_t[:-1] == rows.s_tm1[1:], axis=1)
    assert np.all(joined | cut[:-1] | (rows.discount_t[:-1] == 0))


def test_time_limits_by_hand():
    # Ages 1 2 3 | 1 2(terminal) | 1 2 3; the limit is 3.
    discount = np.array([1, 1, 1, 1, 0, 1, 1, 1])
    wanted = [0, 0, 1, 0, 0, 0, 0, 1]
    assert collector.time_limits(discount, 3).tolist() == [bool(x) for x in wanted]
    # A terminal step that is also the last one allowed is a terminal.
    assert not collector.time_limits(np.array([1, 1, 0]), 3).any()
    # A record that stops in the middle of an episode is cut there.
    assert collector.time_limits(np.array([1, 1]), 3).tolist() == [False, True]


def test_command_writes_where_it_is_told(replay, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    for out in (str(tmp_path / "log.hdf5"), "minari:h2o/hopper-v0"):
        arguments = (*SMALL, f"--cache_dir={replay.parent}", f"--out={out}")
        call(collect.main, monkeypatch, *arguments)
        source = out if out.startswith("minari:") else tmp_path / "log.hdf5"
        again = load(source).transition
        np.testing.assert_array_equal(again.s_tm1, load(replay).transition.s_tm1)
    assert "wrote" in capsys.readouterr().out


def test_minari_episodes_are_cut_where_the_loop_stalled(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    robot = (*TINY, "--task=wheel_legged_stand", "--collect_rows=1500")
    places = (f"--cache_dir={tmp_path}", "--out=minari:h2o/robot-v0")
    call(collect.main, monkeypatch, *robot, *places)
    [cached] = tmp_path.glob("*.hdf5")
    logged, again = (
        datasets.load(source, obs_dim=4, action_dim=1)
        for source in (str(cached), "minari:h2o/robot-v0")
    )
    rows = logged.transition
    goes_on = rows.discount_t[:-1] > 0
    left_out = goes_on & (rows.s_t[:-1] != rows.s_tm1[1:]).any(axis=1)
    assert left_out.sum() > 2
    for x, y in zip(rows, again.transition, strict=True):
        np.testing.assert_array_equal(x, y)
    assert again.time_limits == logged.time_limits + left_out.sum()
