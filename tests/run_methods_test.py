"""The run command with methods that lack a log, a simulator, or need more of a log."""

import numpy as np
import pytest

from experiments import build, data, learned, policies, run, run_folder
from experiments.cli import parsing
from experiments.cli.flags import Flags
from experiments.collecting import Collecting
from experiments.data import Reading
from experiments.devices import Machine
from experiments.run_folder import Output, checkpoints
from h2o_jax import numpy_policy
from h2o_jax.data import datasets, hdf5
from h2o_jax.errors import ConfigError, DatasetError
from tests.commands import TINY, call, experiment_of, parsed, write_log
from tests.logs import as_transition, columns

pytestmark = pytest.mark.usefixtures("fast_compile")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("log") / "log.hdf5")


def test_sac_needs_no_data(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "sac"
    arguments = (*TINY, "--algorithm=sac", "--gap=none", "--epochs=1")
    call(
        run.main,
        monkeypatch,
        *arguments,
        "--random_steps=10000",
        "--critic_cloning=1",
        f"--run_dir={folder}",
    )
    said = capsys.readouterr().out
    assert "warning   --random_steps=10000 are all " in said
    unread = (
        "sac --simulator=as_is never reads --critic_cloning, --discriminator_hidden\n"
    )
    assert f"warning   {unread}" in said
    assert said.startswith("settings  published, where no flag is given")
    assert run_folder.metrics(folder)[-1]["label"] == "none"


def unread(*arguments):
    flags = parsed("--task=hopper", *arguments)
    given = parsing.experiment(flags), flags.of(Machine), flags.of(Output)
    return run._unread(run.Command(*given, Reading(), Collecting(), flags))


def test_what_an_anchor_reads_is_not_warned_of():
    anchored = ("--anchor=advantage", "--anchor_weight=1", "--weight_high=50")
    method = "h2o_plus --anchor=advantage --simulator=as_is"
    said = f"warning   {method} never reads --critic_cloning"
    assert unread(*anchored, "--critic_cloning=1") == [said]


def test_a_lambda_that_is_never_read_is_told():
    (said,) = unread("--algorithm=bc", "--lambda=0.3")
    assert said == "warning   bc --simulator=as_is never reads --lambda"
    assert not unread("--algorithm=h2o_plus", "--lambda=0.3")


@pytest.mark.fault
def test_a_sweep_of_what_is_never_read_is_refused():
    with pytest.raises(ConfigError, match="--cql_weight: a list, but h2o_plus never r"):
        parsing.check_sweeps(experiment_of("--cql_weight=1,2"))


@pytest.mark.parametrize("terminal", [(), (39,)])
def test_a_log_with_falls_is_told_of_other_settings(terminal):
    rows = as_transition(columns(terminal=terminal))
    log = datasets.Dataset(rows, np.zeros(2), np.zeros(2), 0, "log", "")
    said = "end by falls, --defaults=balancing may begin faster"
    flags = Flags(*run.SETTINGS)
    flags.parse(["run", "--task=hopper"])
    assert (said in run._settings(flags, log)) == bool(terminal)
    for kind in ("balancing", "recommended"):
        assert said not in run._settings(parsed(f"--defaults={kind}"), log)
    flags.parse(["run", "--task=hopper", "--algorithm=iql"])
    assert said not in run._settings(flags, log)


@pytest.mark.parametrize(("method", "told"), [("sac", True), ("iql", False)])
def test_random_steps_are_told_of_where_they_are_taken(method, told):
    steps = ("--epochs=1", "--random_steps=100000")
    experiment = parsing.experiment(parsed(f"--algorithm={method}", *steps))
    assert ("never acts in its simulator" in run._plan(experiment, None, 1)) == told


def test_an_offline_method_needs_no_simulator(log, tmp_path, monkeypatch):
    folder = tmp_path / "iql"
    arguments = (*TINY, "--algorithm=iql", f"--dataset={log}", "--epochs=1")
    ensemble = ("--critics=3", "--critic_layer_norm")
    call(run.main, monkeypatch, *arguments, *ensemble, f"--run_dir={folder}")
    assert "sim/return" not in run_folder.metrics(folder)[-1]
    observations = np.zeros((2, 11), np.float32)
    actions = policies.load(folder)(observations)
    assert actions.shape == (2, 3)
    values = learned.critic(folder)(observations, actions)
    assert values.shape == (2,) and np.isfinite(values).all()


def test_rebrac_gets_next_actions_and_its_own_critics(log, tmp_path, monkeypatch):
    folder = tmp_path / "rebrac"
    arguments = (*TINY, "--algorithm=rebrac", f"--dataset={log}", "--epochs=1")
    call(run.main, monkeypatch, *arguments, f"--run_dir={folder}")
    names = checkpoints.read(folder / "checkpoint").arrays
    assert any("['critic']" in name and "LayerNorm" in name for name in names)
    values = learned.critic(folder)(np.zeros((2, 11)), np.zeros((2, 3)))
    assert values.shape == (2,) and np.isfinite(values).all()
    # A deterministic policy explores a little, whatever it learned.
    act = numpy_policy.make(policies._actors(folder, "last"))
    normals = np.random.default_rng(0).standard_normal((1, 500, 3), np.float32)
    spread = act(np.zeros((1, 500, 11), np.float32), normals)[0].std(axis=0)
    np.testing.assert_allclose(spread, 0.1, rtol=0.2)


@pytest.mark.fault
def test_rebrac_needs_a_log_in_order(log, tmp_path):
    shuffled = tmp_path / "shuffled.npz"
    columns = hdf5.read(log, None)
    order = np.random.default_rng(0).permutation(len(columns["rewards"]))
    np.savez(shuffled, **{name: x[order] for name, x in columns.items()})
    for path, fine in ((log, True), (shuffled, False)):
        experiment = experiment_of(*TINY, "--algorithm=rebrac", f"--dataset={path}")
        method = build.algorithm(experiment)
        if fine:
            rows = data.load(experiment, method, Reading(), Collecting()).transition
            known = np.isfinite(rows.a_t).all(axis=1)
            assert known.mean() > 0.9
            wanted = rows.a_tm1[1:][known[:-1]]
            np.testing.assert_array_equal(rows.a_t[:-1][known[:-1]], wanted)
        else:
            with pytest.raises(DatasetError, match=r"shuffled.npz: rebrac needs"):
                data.load(experiment, method, Reading(), Collecting())
