"""Columns in, transitions out: episodes, successors, column maps, actions, hash."""

import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2o_jax.data import datasets
from h2o_jax.data.episodes import time_limits
from h2o_jax.errors import ConfigError, DatasetError
from h2o_jax.types import Transition
from tests.logs import (
    A,
    N,
    as_transition,
    assert_same,
    columns,
    load,
    save_hdf5,
    without,
)

# --- pairing ----------------------------------------------------------------------


def slow_pairs(log):
    """Row by row: what `load` must make of a log without successors."""
    rows = []
    for i, obs in enumerate(log["observations"]):
        timeout, terminal = log["timeouts"][i], log["terminals"][i]
        last = i == len(log["rewards"]) - 1
        if not terminal and (timeout or last):
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
    log["timeouts"][5] = log["terminals"][5] = True  # the terminal wins
    dataset = load(save_hdf5(tmp_path / "a.h5", without(log, "next_observations")))
    assert_same(dataset.transition, slow_pairs(log))
    assert "1 rows both terminal and timed out" in dataset.notes[0]


@pytest.mark.fault
@settings(max_examples=25, deadline=None)
@given(flags=st.lists(st.sampled_from(["", "", "terminal", "timeout"]), min_size=3))
def test_rows_are_never_joined_across_episodes(flags):
    """Joins = rows less episodes, the log's end closing the last."""
    rows = len(flags)
    log = without(columns(rows, ends=(), terminal=()), "next_observations")
    log["terminals"] = np.array([flag == "terminal" for flag in flags])
    log["timeouts"] = np.array([flag == "timeout" for flag in flags])
    ended = log["terminals"] | log["timeouts"]
    timeouts, _ = time_limits(log, pathlib.Path("log"), rows + 1)
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


@pytest.mark.fault
@pytest.mark.parametrize("absent", [(), ("next_observations",)])
def test_a_terminal_wins_over_the_time_limit(tmp_path, absent):
    log = without(columns(), *absent)
    log["terminals"][19] = True  # a time limit already
    dataset = load(save_hdf5(tmp_path / "a.h5", log))
    rows = dataset.transition
    np.testing.assert_array_equal(np.flatnonzero(rows.discount_t == 0), [19, 39])
    assert dataset.notes[0] == "1 rows both terminal and timed out: taken as terminal"
    assert dataset.time_limits == 0
    np.testing.assert_array_equal(dataset.episode_lengths, [20, 20])
    # Written and read again, nothing changes.
    again = tmp_path / "again.h5"
    datasets.write_d4rl(again, rows, log["timeouts"][: len(rows.r_t)])
    assert_same(load(again).transition, rows)


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
    with pytest.raises(DatasetError, match="no timeouts and no next_obs"):
        load(path)
    log = without(columns(ends=(), terminal=()), "next_observations")
    with pytest.raises(DatasetError, match="timeouts never set and no next_observ"):
        load(save_hdf5(path, log))
    assert "timeouts never set: a" in load(path, max_episode_steps=10).notes[0]


@pytest.mark.fault
@pytest.mark.parametrize("absent", [(), ("timeouts",)])
@pytest.mark.parametrize("terminal", [(39,), range(1, N, 2)])
def test_shuffled_rows_have_no_episodes(tmp_path, absent, terminal):
    log = without(columns(terminal=terminal), *absent)
    order = np.random.default_rng(0).permutation(N)
    log = {name: values[order] for name, values in log.items()}
    dataset = load(save_hdf5(tmp_path / "a.h5", log))
    assert len(dataset.episode_returns) == 0 and "shuffled" in dataset.notes[-1]
    assert dataset.time_limits == np.sum(log.get("timeouts", 0))
    assert "returns" not in datasets.summary(dataset).split("note")[0]


def test_episodes_of_one_row_are_not_shuffled(tmp_path):
    log = columns()
    log["next_observations"] = log["next_observations"] + 1
    log["terminals"] = np.ones(N)
    dataset = load(save_hdf5(tmp_path / "a.h5", log))
    assert dataset.episode_lengths.tolist() == [1] * N
    assert not any("shuffled" in note for note in dataset.notes)


def test_observations_are_compared_as_float32(tmp_path):
    """A writer may keep observations in double precision and successors in single."""
    log = without(columns(), "timeouts")
    log["observations"] = log["observations"].astype(float) * (1 + 1e-9)
    dataset = load(save_hdf5(tmp_path / "a.h5", log))
    assert dataset.episode_lengths.tolist() == [20, 20, 20]


@pytest.mark.fault
def test_a_gap_inside_an_episode_is_reported(tmp_path):
    log = columns()
    log["next_observations"][3] += 1
    assert "1.69% of rows" in load(save_hdf5(tmp_path / "a.h5", log)).notes[0]


# --- columns ----------------------------------------------------------------------


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


@pytest.mark.fault
def test_expected_hash(tmp_path):
    path = save_hdf5(tmp_path / "a.h5", columns())
    load(path, sha256=load(path).sha256.upper())
    with pytest.raises(DatasetError, match="its SHA-256 is"):
        load(path, sha256="0" * 64)
