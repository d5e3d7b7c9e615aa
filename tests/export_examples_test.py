"""What docs/export.md promises: its examples in C++ and ROS 2, and Python 3.8."""

import ast
import json
import pathlib
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest

from experiments.exporting import contract, forms, policy

TESTS = pathlib.Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "export.md").read_text()


def block(language, part):
    """The one block of a language that has `part` in it."""
    found = re.findall(rf"```{re.escape(language)}\n(.*?)```", PAGE, re.DOTALL)
    (text,) = [x for x in found if part in x]
    return text


def compiler():
    """A C++ compiler with the options that all of these tests want."""
    found = shutil.which("g++") or shutil.which("clang++")
    if found is None:
        pytest.skip("needs a C++ compiler")
    return [found, "-std=c++17", "-Wall", "-Wextra"]


def program():
    """The example in C++, with the program around it."""
    return block("c++", "onnxruntime_cxx_api") + block("c++", "main")


def run_quietly(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_cpp_example_compiles(tmp_path):
    source = tmp_path / "policy.cpp"
    source.write_text(program())
    run_quietly(
        *compiler(), "-Werror", "-fsyntax-only", f"-I{TESTS / 'cpp'}", str(source)
    )


def library(folder):
    """onnxruntime's library under the name that a program asks for."""
    package = pathlib.Path(pytest.importorskip("onnxruntime").__file__).parent
    (found,) = package.glob("capi/libonnxruntime.so.*")
    link = folder / "libonnxruntime.so.1"
    link.symlink_to(found)
    return link


def drawn_policy():
    """A policy of 4 observations and 2 actions, and 50 observations."""
    rng = np.random.default_rng(0)
    drawn = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    layers = (drawn(4, 8), drawn(8)), (drawn(8, 2), drawn(2))
    bounds, unit = np.full(4, 2, np.float32), np.ones(4, np.float32)
    acts = forms.Function(-bounds, bounds, 0 * unit, unit, layers, *drawn(2, 2))
    return acts, 2 * drawn(50, 4)


def test_the_cpp_example_acts_as_numpy_does(tmp_path):
    """With the headers of libonnxruntime-dev, or wherever CPLUS_INCLUDE_PATH says."""
    pytest.importorskip("onnx")
    include = "-isystem/usr/include/onnxruntime"
    (source := tmp_path / "policy.cpp").write_text(program())
    asked = [*compiler(), include, "-E", str(source)]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("needs the headers of onnxruntime")
    built, linked = tmp_path / "drive", library(tmp_path)
    run_quietly(
        *compiler(),
        *(include, str(source), str(linked), f"-Wl,-rpath,{tmp_path}"),
        *("-o", str(built)),
    )
    acts, seen = drawn_policy()
    forms.write_onnx(tmp_path / "policy.onnx", acts, {})
    text = "\n".join(" ".join(f"{x:.9g}" for x in row) for row in seen)
    said = run_quietly(str(built), str(tmp_path / "policy.onnx"), "4", input=text)
    np.testing.assert_allclose(
        np.array([line.split() for line in said.splitlines()], float),
        acts.act(seen),
        atol=1e-5,
    )


def test_the_loader_is_written_for_python_3_8():
    tree = ast.parse(pathlib.Path(policy.__file__).read_text(), feature_version=(3, 8))
    _, first, *_ = tree.body  # what annotations say, 3.8 need not know
    assert ast.unparse(first) == "from __future__ import annotations"


@pytest.mark.parametrize("name", ["python3.8", "python3.9"])
def test_the_loader_acts_in_an_old_python(tmp_path, name):
    found = shutil.which(name)
    asked = [found or "false", "-c", "import numpy"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip(f"needs {name} with NumPy")
    acts, seen = drawn_policy()
    forms.write_npz(path := tmp_path / "policy.npz", acts, {})
    signals = [{"name": "x", "unit": "", "low": None, "high": None}]
    known = {"observations": 4 * signals, "actions": 2 * signals}
    timing = {"rate_hz": 50.0, "latency_seconds": None}
    contract.write(path, {"format": policy.FORMAT, **known, **timing}, {})
    shutil.copy(policy.__file__, tmp_path)
    code = (
        f"import policy; print(policy.Policy('policy.npz')({seen.tolist()}).tolist())"
    )
    said = run_quietly(found, "-c", code, cwd=tmp_path)
    np.testing.assert_allclose(json.loads(said), acts.act(seen), atol=1e-5)
    assert "a call takes" in run_quietly(found, "policy.py", path.name, cwd=tmp_path)


class Node:
    """What the example asks of a ROS 2 node."""

    def __init__(self, name):
        self.name, self.timers, self.sent, self.warned = name, {}, [], []

    def create_subscription(self, kind, topic, callback, depth):
        self.subscribed = topic, callback

    def create_publisher(self, kind, topic, depth):
        return types.SimpleNamespace(publish=self.sent.append)

    def create_timer(self, period, callback):
        self.timers[period] = callback

    def get_logger(self):
        return types.SimpleNamespace(warning=self.warned.append)


class Policy:
    """Doubles what it is given, and says that it was called."""

    contract = {"rate_hz": 50}  # noqa: RUF012
    calls = 0

    def __init__(self, path):
        self.path = path

    def __call__(self, observation):
        self.calls += 1
        return 2 * np.asarray(observation)

    def report(self):
        return f"{self.calls} beyond" if self.calls else ""


def test_the_ros_node_acts_at_the_contracts_rate(monkeypatch):
    spun = []
    stubs = {
        "rclpy": {"init": lambda: None, "spin": spun.append},
        "rclpy.node": {"Node": Node},
        "policy": {"Policy": Policy},
        "sensor_msgs": {},
        "sensor_msgs.msg": {"JointState": object},
        "std_msgs": {},
        "std_msgs.msg": {"Float64MultiArray": types.SimpleNamespace},
    }
    for name, content in stubs.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    exec(compile(block("python", "import rclpy"), "export.md", "exec"), {})
    (node,) = spun
    topic, sense = node.subscribed
    act, warn = node.timers[0.02], node.timers[10.0]
    act()  # before anything was sensed
    warn()
    assert topic == "joint_states" and not node.sent and not node.warned
    sense(types.SimpleNamespace(position=[1.0, 2.0], velocity=[3.0]))
    act()
    warn()
    assert node.sent[0].data == [2.0, 4.0, 6.0] and node.warned == ["1 beyond"]
