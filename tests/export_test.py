"""Exported policies: they act as the run's, and nothing else is let through."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from experiments import export, learned, policies, run, run_folder
from experiments.exporting import contract, forms, policy
from experiments.exporting.policy import Policy, PolicyError
from experiments.run_folder import checkpoints, sealed
from h2o_jax.errors import CheckpointError, ConfigError, ExportError
from tests.commands import TINY, call, write_log, write_run

pytestmark = pytest.mark.usefixtures("fast_compile")
LIBRARIES = {
    ".npz": (),
    ".onnx": ("onnx", "onnxruntime"),
    ".stablehlo": ("flatbuffers",),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose log has actions between -2 and 4."""
    folder = tmp_path_factory.mktemp("export")
    log = write_log(folder / "log.hdf5")
    with pytest.MonkeyPatch.context() as patch:
        given = "--algorithm=sac", "--epochs=1", "--seed=0,1", "--normalise"
        where = "--action_bounds=-2:4", f"--dataset={log}"
        call(run.main, patch, *TINY, *given, *where, f"--run_dir={folder / 'run'}")
    return folder / "run"


def exported(trained, monkeypatch, path, *arguments):
    for name in LIBRARIES[path.suffix]:
        pytest.importorskip(name)
    call(export.main, monkeypatch, f"--folder={trained}", f"--to={path}", *arguments)
    return path


@pytest.mark.parametrize("suffix", forms.FORMS)
def test_every_form_acts_as_the_run_in_the_robots_units(
    trained, monkeypatch, tmp_path, capsys, suffix
):
    path = exported(trained, monkeypatch, tmp_path / f"policy{suffix}", "--run=1")
    printed = capsys.readouterr().out
    assert "parity   " in printed and " us a call here" in printed
    known = policy.read_contract(path)
    names = ("low", "high")
    low, high = (np.array([x[k] for x in known["observations"]]) for k in names)
    seen = np.random.default_rng(1).uniform(low, high, (50, 11)).astype(np.float32)
    act = forms.FORMS[suffix].load(path)
    wanted = policies.load(trained, run=1, units="robot")
    np.testing.assert_allclose(act(seen), wanted(seen), atol=3e-5)
    # The robot's units are those of the log: -1 is -2 and 1 is 4.
    scaled = policies.load(trained, run=1)(seen)
    np.testing.assert_allclose(wanted(seen), 1 + 3 * scaled, atol=1e-6)
    # Beyond the range of training, as at its border.
    high = np.array([x["high"] for x in known["observations"]], np.float32)
    np.testing.assert_allclose(act(seen + 1e4), act(np.tile(high, (50, 1))))
    assert known["parity"]["observations"] == 10_000
    assert known["parity"]["largest_error"] <= export.TOLERANCE


def test_what_the_contract_says(trained, monkeypatch, tmp_path):
    path = exported(trained, monkeypatch, tmp_path / "policy.npz")
    known, facts = policy.read_contract(path), run_folder.versions(trained)
    names = [x["name"] for x in known["actions"]]
    assert names == ["thigh_joint", "leg_joint", "foot_joint"]
    assert all((x["low"], x["high"]) == (-2, 4) for x in known["actions"])
    assert known["rate_hz"] == pytest.approx(125) and known["latency_seconds"] == 0
    assert known["log"]["sha256"] == facts["data"]["sha256"]
    assert len(known["simulator"]["sha256"]) == 64
    assert known["simulator"]["gap"] == "gravity:2"
    assert known["run"]["seed"] == 0 and known["run"]["epoch"] == 1
    rows = np.asarray(learned.simulated_rows(trained, 0))[:, :11]
    log = facts["robot"]["observations"]
    for i, signal in enumerate(known["observations"]):
        assert signal["high"] == pytest.approx(max(log[i]["high"], rows[:, i].max()))
        assert signal["low"] == pytest.approx(min(log[i]["low"], rows[:, i].min()))
    mean, std, _ = policies.network(trained, 0, "last")
    np.testing.assert_allclose([x["mean"] for x in known["observations"]], mean)
    np.testing.assert_allclose([x["std"] for x in known["observations"]], std)


def test_onnx_carries_the_contract(trained, monkeypatch, tmp_path):
    path = exported(trained, monkeypatch, tmp_path / "policy.onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    inside = json.loads(session.get_modelmeta().custom_metadata_map["h2o_jax"])
    beside = policy.read_contract(path)
    assert inside == {k: beside[k] for k in inside} and "rate_hz" in inside


# --- the loader on the robot --------------------------------------------------------


@pytest.fixture
def copied(trained, monkeypatch, tmp_path):
    return exported(trained, monkeypatch, tmp_path / "policy.npz")


def beside(path):
    return path.with_name(path.name + ".json")


def test_the_loader_is_one_file_that_needs_numpy_alone(copied):
    alone = copied.parent / "robot"
    alone.mkdir()
    for file in (copied, beside(copied), copied.with_name("policy.py")):
        shutil.copy(file, alone)
    code = (
        "import sys; from policy import Policy; Policy('policy.npz')([0.0] * 11);"
        "assert not {'jax', 'h2o_jax', 'experiments'} & set(sys.modules)"
    )
    for arguments in (["-c", code], ["policy.py", "policy.npz"]):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=alone,
            capture_output=True,
            text=True,
            check=True,
        )
    assert "a call takes" in done.stdout and "125 Hz" in done.stdout


def change_weights(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_limit(path):
    text = beside(path).read_text()
    beside(path).write_text(text.replace('"high": 4.0', '"high": 40.0'))


def change_format(path):
    content = json.loads(beside(path).read_text())
    content["format"], _ = 2, content.pop("sha256")
    content["sha256"] = policy.digest(content)
    beside(path).write_text(json.dumps(content))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_weights, "not the file that policy.npz.json was written for"),
        (change_limit, "changed after the export"),
        (change_format, "of another version"),
        (lambda path: beside(path).write_text("[1]"), "no contract; export"),
        (lambda path: beside(path).unlink(), "no such file; copy policy and contract"),
        (pathlib.Path.unlink, "no such file"),
    ],
)
def test_what_was_changed_is_refused(copied, change, message):
    change(copied)
    with pytest.raises(PolicyError, match=message):
        Policy(copied)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "value"), [("kernel_1", np.inf), ("bias_0", np.nan), ("high", np.nan)]
)
def test_what_is_not_finite_is_refused(copied, name, value):
    edit(copied, name, value)
    with pytest.raises(PolicyError, match=rf"y\.npz: {name} is not finite; do not"):
        Policy(copied)


def edit(path, name, value):
    """Puts a value at the end of an array of a policy."""
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays[name].flat[-1] = value
    np.savez(path, **arrays)
    known = json.loads(beside(path).read_text())
    contract.write(path, {k: v for k, v in known.items() if k != "sha256"}, {})


@pytest.mark.fault
def test_observations_beyond_the_range_are_clamped_and_reported(copied):
    act = Policy(copied)
    high = np.array([x["high"] for x in act.contract["observations"]], np.float32)
    border = act(high)
    assert act.report() == "" and act.calls == 1
    beyond = high.copy()
    beyond[2] += 5
    np.testing.assert_array_equal(act(beyond), border)
    (line,) = act.report().splitlines()
    assert line.startswith("observation_2: 1 of 2 beyond [")
    with pytest.raises(PolicyError, match="observation_3 is not finite; stop"):
        act([0, 0, 0, np.nan, *[0] * 7])
    with pytest.raises(PolicyError, match=r"shape \(3,\); give the 11 numbers"):
        act([0, 0, 0])
    edit(copied, "high", np.inf)
    with pytest.raises(PolicyError, match="observation_10 is not finite; stop"):
        Policy(copied)([*[0] * 10, np.inf])


# --- what cannot be exported ----------------------------------------------------------


@pytest.mark.fault
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--to=policy.pt"], ConfigError, r"--to=policy.pt: give a name.*\.onnx"),
        (["--run=2"], CheckpointError, "run 2 of 2; give 0 to 1"),
        (["--seed=1"], ConfigError, "--seed: a folder's runs are counted; give --run"),
    ],
)
def test_what_cannot_be_exported(trained, monkeypatch, arguments, error, message):
    with pytest.raises(error, match=message):
        call(export.main, monkeypatch, f"--folder={trained}", *arguments)


def test_a_folder_of_an_earlier_version(tmp_path):
    write_run(tmp_path, runs=[{}])
    with pytest.raises(CheckpointError, match="written by an earlier version"):
        policies.limits(tmp_path)


@pytest.mark.fault
def test_a_library_that_is_missing(trained, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"onnx is not inst.*h2o_jax\[export\]"):
        path = tmp_path / "policy.onnx"
        call(export.main, monkeypatch, f"--folder={trained}", f"--to={path}")
    assert not list(tmp_path.iterdir())


@pytest.mark.fault
def test_a_policy_that_differs_is_not_left_there(trained, monkeypatch, tmp_path):
    off = lambda path, function, about: forms.write_npz(  # noqa: E731
        path, function._replace(middle=function.middle + 1e-3), about
    )
    monkeypatch.setitem(forms.FORMS, ".npz", forms.Form(off, Policy))
    with pytest.raises(ExportError, match=r"differs from the run's policy by 3\.3e-04"):
        path = tmp_path / "policy.npz"
        call(export.main, monkeypatch, f"--folder={trained}", f"--to={path}")
    assert not list(tmp_path.iterdir())


@pytest.mark.fault
def test_a_policy_that_differs_leaves_the_one_before(copied, trained, monkeypatch):
    before = {x.name: x.read_bytes() for x in copied.parent.iterdir()}
    monkeypatch.setattr(export, "parity", lambda function, act: np.nan)
    with pytest.raises(ExportError, match="differs"):
        call(export.main, monkeypatch, f"--folder={trained}", f"--to={copied}")
    assert {x.name: x.read_bytes() for x in copied.parent.iterdir()} == before


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("policy.py", r"policy\.py: not written by .*; move it or"),
        ("policy.npz.json", r"policy\.npz\.json: exists, and may be somebody's own"),
    ],
)
def test_a_file_of_the_users_own_is_not_replaced(
    trained, monkeypatch, tmp_path, name, message
):
    (tmp_path / name).write_text("mine\n")
    with pytest.raises(ConfigError, match=message):
        exported(trained, monkeypatch, tmp_path / "policy.npz")
    assert [x.read_text() for x in tmp_path.iterdir()] == ["mine\n"]


def test_a_script_of_another_version_is_replaced(trained, monkeypatch, tmp_path):
    ours = pathlib.Path(policy.__file__).read_text()
    (tmp_path / "policy.py").write_text(ours.replace("FORMAT = 1", "FORMAT = 0"))
    exported(trained, monkeypatch, tmp_path / "policy.npz")
    assert (tmp_path / "policy.py").read_text() == ours


def test_without_log_and_simulator_nothing_is_clamped(trained, tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(trained, folder)
    checkpoints.drop_state(folder / run_folder.CHECKPOINT)
    facts = run_folder.versions(folder)
    for signal in facts["robot"]["observations"]:
        signal["low"] = signal["high"] = None
    facts = sealed.seal(facts)
    (folder / run_folder.VERSIONS).write_text(json.dumps(facts))
    function = contract.function_of(folder, 0, "last")
    assert np.isinf(function.low).all() and np.isinf(function.high).all()
    known = contract.of_run(folder, 0, "last", function)
    assert known["observations"][0]["low"] is None
    assert export.parity(function, function.act) == 0
    assert policy.describe(known)
